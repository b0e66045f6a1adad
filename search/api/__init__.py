"""An activation search engine: this is what ``import actsearch`` gives."""

from importlib import metadata

__version__ = metadata.version("actsearch")
