"""The data sets, with one module for each format."""
