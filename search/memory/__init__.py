"""The stored data of a run, their provenance, and the decisions that hold for all of its children."""
