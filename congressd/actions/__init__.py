"""The execution log as a pure state machine: reconciliation, limits, the choice of a leader. No I/O, no clock."""
