"""The small native kernel: the default child trained in C, elementwise functions included."""
