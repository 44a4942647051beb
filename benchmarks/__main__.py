"""Every benchmark in turn: ``python -m benchmarks``."""

from benchmarks import join

join.main()
