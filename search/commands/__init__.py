"""The commands of ``actsearch``."""
