"""What is printed of a run, and the event files beside it."""
