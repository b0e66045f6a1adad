"""Tables of a whole space, searches replayed on them, and contests of proposers."""
