"""Who decides what to try next; ``registry`` knows them by name."""
