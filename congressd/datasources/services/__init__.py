"""The built-in services: actions that need no data source. One file for each; the configuration file sets them up."""
