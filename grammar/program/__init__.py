"""A function as a graph of few operations, that every stack has or can be given: read, differentiated, written."""
