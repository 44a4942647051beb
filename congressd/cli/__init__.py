"""congressd (daemons, database, checks) and congress (client)."""
