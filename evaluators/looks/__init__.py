"""Measurements: of a network before its first step, of its layers, and of a function's cost."""
