"""Drivers: fetch or receive rows; one file a driver; translators from JSON to tables."""
