"""The datasource node: runs drivers, publishes their changes, accepts pushes, executes actions."""
