"""Doors for a checkout, studies and benchmarks. Run from its root, as in ``python -m scripts.studies.proxy report``."""
