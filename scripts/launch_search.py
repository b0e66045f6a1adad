"""Launch a search, or go on with one: the same as ``actsearch search``, for a checkout or a cluster's job script."""

import sys

from actsearch.search.command_line import main

if __name__ == "__main__":
    main(["search", *sys.argv[1:]])
