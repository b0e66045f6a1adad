"""Export a candidate as a module: the same as ``actsearch export``."""

import sys

from actsearch.search.command_line import main

if __name__ == "__main__":
    main(["export", *sys.argv[1:]])
