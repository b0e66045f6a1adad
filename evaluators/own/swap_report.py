"""Report on the activations replaced in a network. Not here: the replacement (``swap``)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A place where an activation was replaced.

    Args:
        names: names of the layer in the network; several if one object stands in several places, before and after.
        was: class name of the old layer.
        channels: number of channels with their own parameter; 1 is one for the whole layer, 0 means no parameters.
        dimension: channel dimension; None if there is one parameter.
        note: reason for a single parameter, and other remarks; empty if there are none.
    """

    names: tuple[str, ...]
    was: str
    channels: int = 1
    dimension: int | None = None
    note: str = ""

    def __str__(self) -> str:
        """Return the place as one line."""
        where = f"parameters for {self.channels} channels in dimension {self.dimension}"
        where = where if self.channels > 1 else "parameters for the whole layer" if self.channels else "no parameters"
        return f"{', '.join(self.names)}: was {self.was}, {where}" + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True)
class Replacement:
    """Report on a replacement.

    Args:
        places: replaced places, in the order of the network.
        left: calls of activation functions that ran on the example and stay, one line each.
        changed: whether the network's output for the example has changed; None if that is unknown, as without an
            example.
        cares: warnings for the user, one sentence each.
    """

    places: tuple[Place, ...]
    left: tuple[str, ...] = ()
    changed: bool | None = None
    cares: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the report as lines of text."""
        lines = [
            f"{len(self.places)} activation{'s' * (len(self.places) != 1)} replaced",
            *(f"  {place}" for place in self.places),
        ]
        lines += [f"  left as it is: {call}, a call of a function; make it a layer to replace it" for call in self.left]
        lines += [f"  take care: {care}" for care in self.cares]
        if self.changed is False:
            lines.append("  take care: the network's output for the example is what it was before")
        return "\n".join(lines)
