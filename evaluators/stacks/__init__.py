"""Many small children in one: their weights stacked, their operations shared."""
