"""What a run remembers, where it comes from, and what was decided once for all of its children."""
