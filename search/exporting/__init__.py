"""A discovered function as files that every stack takes: written, proven where they will be used, put in place."""
