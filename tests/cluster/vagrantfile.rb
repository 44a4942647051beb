# What the Vagrantfile asks of Vagrant with one provider, as JSON: every setting and call by its path, per machine.
# Usage: ruby vagrantfile.rb VAGRANTFILE PROVIDER. Stands for Vagrant, which runs a provider's block for that one alone.
require "json"

# One level of the configuration: `a.b.c = 1` and `a.b.c 1, 2` are kept as {path: "a.b.c", given: [...]}.
class Recorder < BasicObject
  def initialize(told, provider, path = "")
    @told, @provider, @path = told, provider, path
  end

  def respond_to_missing?(*) = true

  def method_missing(name, *given, &block)
    path = [@path, name.to_s.delete_suffix("=")].reject(&:empty?).join(".")
    return ::Recorder.new(@told, @provider, path) if given.empty? && block.nil?

    if path == "vm.provider"
      block.call(::Recorder.new(@told, @provider, "provider"), ::Recorder.new(@told, @provider)) if given == [@provider]
    elsif path == "vm.define"
      machine = []
      block.call(::Recorder.new(machine, @provider))
      @told << { path: path, given: given, told: machine }
    else
      within = []
      block&.call(::Recorder.new(within, @provider))
      @told << { path: path, given: given, told: within }
    end
  end
end

# The name by which the Vagrantfile calls.
module Vagrant
  TOLD = []
  def self.configure(_version)
    yield Recorder.new(TOLD, ARGV[1].to_sym)
  end
end

load ARGV[0]
puts JSON.generate(Vagrant::TOLD)
