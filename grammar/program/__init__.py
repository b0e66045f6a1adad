"""What an activation computes, as operations: read from a row's code, differentiated, and written in any language."""

from actsearch.grammar.program import operations  # fills the table that ``node.op`` looks up

__all__ = ["operations"]
