"""Outcomes -> a ranking with its uncertainty."""
