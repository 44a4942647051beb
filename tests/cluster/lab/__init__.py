"""Faults in the real cluster of the lab, under load, measured and audited. `make cluster-test` runs them."""
