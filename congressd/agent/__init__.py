"""The OCF agents: one table of parameters, exit codes, start, stop and monitor; standard library only.

Pacemaker runs an agent every few seconds with the system's Python and without the daemon's environment, so nothing
here imports the rest of the package, and nothing is imported that a monitor does not need.
"""
