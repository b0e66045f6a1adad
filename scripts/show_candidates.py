"""Show the ranked candidates of a run: the same as ``actsearch top``."""

import sys

from actsearch.search.command_line import main

if __name__ == "__main__":
    main(["top", *sys.argv[1:]])
