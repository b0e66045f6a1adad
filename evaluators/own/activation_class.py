"""A candidate as a class of layers, for training loops of the user's and for libraries that want a class.

Not here: the layers themselves (``evaluators.layers``).
"""

from typing import Any, ClassVar

from torch import nn

from actsearch.evaluators.activation import Activation
from actsearch.evaluators.own.freshness import Freshness


class _Making(type):
    """Makes layers of an activation where its class is called."""

    def __call__(cls, channels: int = 1, dimension: int | None = None, inplace: bool = False) -> Any:
        """Return a layer with trainable parameters of its own, if the function has any.

        Args:
            cls: the class.
            channels: of the input; 1 makes one parameter for the whole layer, as a library does that calls ``cls()``.
            dimension: where the channels are: None or 1 for ``(B, C, ...)``, -1 for ``(B, T, C)``.
            inplace: taken, since torch's own activations have it, and not done.
        """
        made: Any = cls
        layer = made.freshness.watch(made.activation.make(int(channels), dimension))
        made.layers.append(layer)
        return layer

    def __repr__(cls) -> str:
        """Return the expression."""
        return str(getattr(cls, "text", cls.__name__))


class Made(nn.Module, metaclass=_Making):
    """An activation that is tried: called with the number of channels it returns a layer, a torch module.

    ``made(64)`` is for inputs ``(B, 64, ...)``, ``made(64, dimension=-1)`` for ``(B, T, 64)``, ``made()`` has one
    parameter for all channels.
    """

    activation: ClassVar[Activation]
    freshness: ClassVar[Freshness]
    layers: ClassVar[list[nn.Module]]
    text: ClassVar[str]
    formula: ClassVar[str]


def made_of(activation: Activation, freshness: Freshness) -> type[Made]:
    """Return the class of layers of an activation.

    Args:
        activation: of which.
        freshness: watches the layers.
    """
    found: Any = _Making("Activation", (Made,), {
        "activation": activation, "freshness": freshness, "layers": [], "text": activation.text,
        "formula": activation.formula,
    })  # fmt: skip
    return found  # type: ignore[no-any-return]  # mypy does not follow a metaclass that is called
