"""WHAT TO TRY NEXT, and MEMORY: proposers, the store of every outcome, the search loop and its ranked list."""
