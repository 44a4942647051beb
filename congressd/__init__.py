"""congressd: Datalog policies over live tables, with every violation kept up to date."""

__version__ = "0.1.0"
