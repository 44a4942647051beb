"""Rules and changes of tables in, changes of derived tables out."""
