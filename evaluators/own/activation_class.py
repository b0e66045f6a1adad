"""A candidate as a class of layers, for the user's own training loops and for libraries that expect a class.

Not here: the layers themselves (``evaluators.layers``).
"""

from typing import Any, ClassVar

from torch import nn

from actsearch.evaluators.activation import Activation
from actsearch.evaluators.own.freshness import Freshness


class _LayerFactory(type):
    """Metaclass whose classes return a layer of their activation when called."""

    def __call__(cls, channels: int = 1, dimension: int | None = None, inplace: bool = False) -> Any:
        """Return a layer with trainable parameters of its own, if the function has any.

        Args:
            cls: class that is called.
            channels: number of channels of the input; 1, as for a library that calls ``cls()``, makes one parameter for
                the whole layer.
            dimension: channel dimension: None or 1 for ``(B, C, ...)``, -1 for ``(B, T, C)``.
            inplace: accepted because torch's own activations have it, and ignored.
        """
        owner: Any = cls
        layer = owner.freshness.watch(owner.activation.make(int(channels), dimension))
        owner.layers.append(layer)
        return layer

    def __repr__(cls) -> str:
        """Return the expression."""
        return str(getattr(cls, "text", cls.__name__))


class Made(nn.Module, metaclass=_LayerFactory):
    """Class of a candidate's layers; a call with the number of channels returns a layer, a torch module.

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
        activation: activation of the layers.
        freshness: watcher of the child's training, which gets every layer.
    """
    result: Any = _LayerFactory("Activation", (Made,), {
        "activation": activation, "freshness": freshness, "layers": [], "text": activation.text,
        "formula": activation.formula,
    })  # fmt: skip
    return result  # type: ignore[no-any-return]  # mypy does not follow a call of a metaclass
