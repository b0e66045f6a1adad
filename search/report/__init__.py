"""A run as one page: figures, facts, and the file or server that shows them."""
