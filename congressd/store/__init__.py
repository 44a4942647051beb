"""The database: models, migrations, one module for each kind of record, retry rules for Galera."""
