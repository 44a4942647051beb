"""One process of a node: wiring, control socket, PID file, readiness to systemd, watchdog, drain."""
