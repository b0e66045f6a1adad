"""What was replaced in a network, as a report. Not here: replacing (``swap``)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A place where an activation was replaced.

    Args:
        names: of the layer; several where one object stands in several places, and does so still.
        was: its class.
        channels: of the new layer's parameters; 1 is one for the whole layer, 0 that it has none.
        dimension: where the channels are; None where there is one parameter.
        note: why there is one, if more were possible.
    """

    names: tuple[str, ...]
    was: str
    channels: int = 1
    dimension: int | None = None
    note: str = ""

    def __str__(self) -> str:
        """In a line."""
        where = f"parameters for {self.channels} channels in dimension {self.dimension}"
        where = where if self.channels > 1 else "parameters for the whole layer" if self.channels else "no parameters"
        return f"{', '.join(self.names)}: was {self.was}, {where}" + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True)
class Replacement:
    """What was replaced.

    Args:
        places: in the order of the network.
        left: calls of activation functions that the example met and that stay: a line each.
        changed: whether the network's output for the example is another than before; None without an example.
        cares: what else the user should know, a sentence each.
    """

    places: tuple[Place, ...]
    left: tuple[str, ...] = ()
    changed: bool | None = None
    cares: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As a report."""
        lines = [
            f"{len(self.places)} activation{'s' * (len(self.places) != 1)} replaced",
            *(f"  {place}" for place in self.places),
        ]
        lines += [f"  left as it is: {call}, a call of a function; make it a layer to replace it" for call in self.left]
        lines += [f"  take care: {care}" for care in self.cares]
        if self.changed is False:
            lines.append("  take care: the network's output for the example is what it was before")
        return "\n".join(lines)
