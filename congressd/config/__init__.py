"""The configuration: one literal table of options, read from file and environment, checked across fields."""
