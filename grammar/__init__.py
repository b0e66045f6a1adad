"""What an activation function is: primitives, expressions, search spaces, and behaviour before any training."""
