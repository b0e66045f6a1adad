"""The settings of a search: their classes, reading them from YAML, and printing them."""
