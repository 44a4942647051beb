"""Text to checked rules: grammar, syntax tree, builtins, safety, stratification, formatter."""
