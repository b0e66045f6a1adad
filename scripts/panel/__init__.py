"""Small problems of many kinds, and what the search says of them."""
