"""Train many small children as one: stacked weights, shared operations."""
