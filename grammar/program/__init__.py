"""Graphs of operations: read from the code of primitives, differentiated, and written in any language."""

from actsearch.grammar.program import operations  # fills the table that ``node.op`` looks up

__all__ = ["operations"]
