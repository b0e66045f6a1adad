"""WHAT an activation is: primitives, expressions, spaces, and the behaviour of a function before any training."""
