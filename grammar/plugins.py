"""What other people's packages add by being installed: proposers, tasks, formats and primitives.

A package names each in an entry point, ``[project.entry-points."actsearch.proposers"] mine = "their_module:Mine"``. Not
here: what each kind is (``search.proposers.proposer``, ``evaluators.task``, ``search.exporting.formats``).
"""

import functools
from importlib import metadata
from importlib.metadata import EntryPoint
from typing import Any, Literal

from actsearch.grammar.fault import UserFault, fault_text

Group = Literal["proposers", "tasks", "formats", "primitives"]


class BadPlugin(UserFault):
    """Something that a package adds cannot be used; the message names the package."""


@functools.cache
def installed(group: Group) -> dict[str, EntryPoint]:
    """Return what is installed of a kind, by name; nothing of it is imported."""
    return {point.name: point for point in metadata.entry_points(group=f"actsearch.{group}")}


def loaded(group: Group, name: str, kind: type | None = None) -> Any:
    """Return what a package adds.

    Args:
        group: kind of it.
        name: name of it, one of ``installed``.
        kind: class that it is an instance of; None where it is called.

    Raises:
        BadPlugin: it cannot be imported, or is nothing of that kind.
    """
    point = installed(group)[name]
    package = point.dist.name if point.dist else point.module
    try:
        found = point.load()
    except Exception as fault:  # whatever a package of somebody else's raises while it is imported
        raise BadPlugin(
            f"'{name}' of the package {package} cannot be loaded ({point.value}: {fault_text(fault)}): mend or remove "
            "the package"
        ) from fault
    if (kind is None and not callable(found)) or (kind is not None and not isinstance(found, kind)):
        expected = "something that can be called" if kind is None else f"an instance of {kind.__name__}"
        raise BadPlugin(f"'{name}' of the package {package}: expected {expected}, found {type(found).__name__}")
    return found
