"""``python -m actsearch`` is the command ``actsearch``."""

from actsearch.search.command_line import program

program()
