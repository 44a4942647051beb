# shellcheck shell=bash
# What the scripts of both labs do alike. Sourced.

close_connections() { # DIRECTORY: the playbook keeps its connections for a while; a killed one leaves a dead socket
    local socket
    for socket in "$1"/*; do
        [ ! -S "$socket" ] || ssh -q -o "ControlPath=$socket" -O exit node 2>/dev/null || true
    done
}

power_switch() { # PIDFILE: prints the process of fence-host, if it runs. The file may outlive it, and its number be another's
    local pid
    pid=$(cat "$1" 2>/dev/null) && grep -qs fence-host "/proc/$pid/cmdline" && echo "$pid"
}

stop_power_switch() { # PIDFILE
    local pid
    ! pid=$(power_switch "$1") || kill "$pid" 2>/dev/null || true
    rm -f "$1"
}
