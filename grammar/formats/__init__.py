"""Export formats: a function as the text of a file; one module per stack."""
