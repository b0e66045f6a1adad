"""Notice a training of the user's that goes on with the weights of an earlier child instead of fresh ones.

Such a network, made once at the top of a file, gives every candidate but the first a head start. The weights that a
candidate's layers are fed by are found in the graph of gradients; if they are where the last child left them, after it
had moved them, this child does not start afresh. Not here: networks that ``own.build`` returns (``check``).
"""

from collections.abc import Iterator, MutableMapping
from typing import Any

from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary

MOST_NODES = 20_000  # of a graph that are looked through

Mark = tuple[float, float]
_LEFT_AT: MutableMapping[Tensor, Mark] = WeakIdKeyDictionary()  # weight -> its mark when the child that moved it ended


class NotFreshError(RuntimeError):
    """The network was trained before; the message says what to do."""


class Freshness:
    """Watches the layers of one child."""

    def __init__(self) -> None:
        self._began_at: MutableMapping[Tensor, Mark] = WeakIdKeyDictionary()

    def watch(self, layer: nn.Module) -> nn.Module:
        """Look at the weights in front of the layer when it is first called in training.

        Raises:
            NotFreshError: later, when the layer is called.
        """

        def look(_: nn.Module, arguments: tuple[Any, ...]) -> None:
            handle.remove()
            for weight in _weights_behind(arguments[0]):
                if weight not in self._began_at:
                    self._began_at[weight] = mark = _mark(weight)
                    if _LEFT_AT.get(weight) == mark:
                        raise NotFreshError(
                            "its network goes on from an earlier child, with the weights that were trained there: make "
                            "the network anew in each call"
                        )

        handle = layer.register_forward_pre_hook(look)
        return layer

    def end(self) -> None:
        """Remember where the child left the weights that it moved."""
        for weight, began in self._began_at.items():
            mark = _mark(weight)
            if mark != began:
                _LEFT_AT[weight] = mark


def _mark(weight: Tensor) -> Mark:
    numbers = weight.detach().double()
    return float(numbers.sum()), float(numbers.norm())


def _weights_behind(tensor: object) -> Iterator[Tensor]:
    waiting = [tensor.grad_fn] if isinstance(tensor, Tensor) and tensor.grad_fn is not None else []
    met = set(waiting)
    while waiting and len(met) < MOST_NODES:
        node = waiting.pop()
        if hasattr(node, "variable"):  # where a gradient is collected: a weight
            yield node.variable
        for further, _ in node.next_functions:
            if further is not None and further not in met:
                met.add(further)
                waiting.append(further)
