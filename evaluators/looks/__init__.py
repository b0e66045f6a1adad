"""What is seen of a network: before its first step, of its layers, and what a function costs."""
