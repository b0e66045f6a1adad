"""Plugins: proposers, tasks, formats and primitives that other installed packages add.

A package declares each in an entry point, ``[project.entry-points."actsearch.proposers"] mine = "their_module:Mine"``.
Not here: the kinds themselves (``search.proposers.proposer``, ``evaluators.task``, ``search.exporting.formats``).
"""

import functools
from importlib import metadata
from importlib.metadata import EntryPoint
from typing import Any, Literal

from actsearch.grammar.fault import UserFault, fault_text

Group = Literal["proposers", "tasks", "formats", "primitives"]


class BadPlugin(UserFault):
    """A plugin cannot be used; the message names its package."""


@functools.cache
def installed(group: Group) -> dict[str, EntryPoint]:
    """Return the installed plugins of a group, by name, without importing them."""
    return {point.name: point for point in metadata.entry_points(group=f"actsearch.{group}")}


def loaded(group: Group, name: str, kind: type | None = None) -> Any:
    """Import a plugin, and return the object that it adds.

    Args:
        group: group of the plugin.
        name: name of the plugin, one of ``installed``.
        kind: expected class of the object; None if it must be callable instead.

    Raises:
        BadPlugin: the plugin cannot be imported, or is not of the expected kind.
    """
    point = installed(group)[name]
    package = point.dist.name if point.dist else point.module
    try:
        plugin = point.load()
    except Exception as fault:  # another author's package may raise anything while it is imported
        raise BadPlugin(
            f"'{name}' of the package {package} cannot be loaded ({point.value}: {fault_text(fault)}): mend or remove "
            "the package"
        ) from fault
    if (kind is None and not callable(plugin)) or (kind is not None and not isinstance(plugin, kind)):
        expected = "something that can be called" if kind is None else f"an instance of {kind.__name__}"
        raise BadPlugin(f"'{name}' of the package {package}: expected {expected}, found {type(plugin).__name__}")
    return plugin
