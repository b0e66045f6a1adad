"""A function as the text of a file, one module a stack."""
