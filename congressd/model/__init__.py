"""The nouns that several rooms share: values, tables, batches, errors, JSON, the clock. No logic, no I/O."""
