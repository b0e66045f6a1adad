"""The report of a run as one page: its figures and facts, as a file or from a server."""
