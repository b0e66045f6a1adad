"""The small native kernel: it trains the default child in C, elementwise functions included."""
