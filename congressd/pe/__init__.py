"""The policy engine node: policies from the store and streams from the bus, into the engine."""
