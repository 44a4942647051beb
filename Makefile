# The commands of this checkout. `make run` and `make test` are the two that a newcomer needs.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
PORT ?= 1789
DATA ?= run/example

.PHONY: help venv dev run test lint lint-ansible bench clean system-packages cluster cluster-test cluster-destroy

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

venv: $(STAMP)   ## make .venv with the package in it

$(VENV)/bin/python:
	@tools/make-venv "$(PYTHON)" "$(VENV)"

$(STAMP): $(VENV)/bin/python setup.py
	@echo 'installing congressd into $(VENV): about a minute'
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.developer: $(STAMP)
	@echo 'installing what tests and checks need'
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

dev: $(VENV)/.developer   ## .venv with what tests and checks need too

run: venv        ## start the all-in-one service with the example cloud on 127.0.0.1:$(PORT)
	@exec $(VENV)/bin/congressd serve --example --data-dir "$(DATA)" --port "$(PORT)"

lint: dev        ## ruff and mypy strict
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

lint-ansible:    ## ansible-lint, its strictest profile
	@tools/lint-ansible

test: dev        ## every test, with the real servers that they need
	@tools/system-packages
	$(MAKE) --no-print-directory lint lint-ansible
	$(VENV)/bin/python -m pytest

bench: dev       ## the benchmarks of benchmarks/
	$(VENV)/bin/pip install --quiet --disable-pip-version-check duckdb
	$(VENV)/bin/python -m benchmarks

cluster:         ## a three-node cluster in containers, in a network of its own (root)
	@tools/cluster/cluster up

cluster-test: dev ## faults in that cluster, measured and audited; TIMES=10 for the figures of docs/operate.md
	@ip netns exec congressd-lab $(VENV)/bin/python -m tests.cluster.lab --times $(or $(TIMES),1) --only '$(ONLY)'

cluster-destroy: ## remove that cluster; KEEP_IMAGE=1 keeps what the next one starts from
	@tools/cluster/cluster destroy $(if $(KEEP_IMAGE),--keep-image)

clean:           ## remove what the commands above made
	rm -rf $(VENV) build dist *.egg-info run .mypy_cache .ruff_cache .pytest_cache .hypothesis
