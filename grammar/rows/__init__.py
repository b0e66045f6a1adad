"""The primitives, row by row, and the activations that people know."""
