"""The primitives, one row each, and the well-known activations."""
