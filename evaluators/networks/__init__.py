"""Child networks of the built-in tasks, as ordinary torch modules."""
