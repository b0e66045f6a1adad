"""List the activations of a network, as layers and as function calls, and choose those that a candidate replaces.

Not here: the replacement (``graft``).
"""

import collections
import contextlib
from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor, nn

from actsearch.evaluators.own.calls import KINDS, Calls, Site

RECTIFIERS = ("torch.nn.ReLU", "F.relu")
"""Activations that are replaced by default, if the network has any of them."""
SIGMOIDAL = ("tanh", "softsign", "hardtanh", "tanhshrink")  # often gates, so the last choice
NAMES = {
    "relu": "ReLU", "gelu": "GELU", "silu": "SiLU", "elu": "ELU", "selu": "SELU", "celu": "CELU", "mish": "Mish",
    "leaky_relu": "LeakyReLU", "hardswish": "Hardswish", "relu6": "ReLU6", "rrelu": "RReLU", "softplus": "Softplus",
    "tanh": "Tanh", "softsign": "Softsign", "hardtanh": "Hardtanh", "tanhshrink": "Tanhshrink",
}  # fmt: skip
"""Name of torch's layer, by function."""


def layers_of(model: nn.Module, kinds: Iterable[str] = KINDS) -> collections.Counter[str]:
    """Return the number of torch's activation layers in a network, by function."""
    by_class = {NAMES[kind]: kind for kind in kinds if kind in NAMES}
    layers = (layer for layer in model.modules() if type(layer).__module__ == "torch.nn.modules.activation")
    return collections.Counter(by_class[name] for layer in layers if (name := type(layer).__name__) in by_class)


def calls_of(
    run: Callable[[], object], names: dict[int, str], kinds: Iterable[str] = KINDS
) -> collections.Counter[str]:
    """Return the number of calls of activation functions during one run of a network, by function.

    Args:
        run: function that runs the network once.
        names: names of the network's layers, by ``id`` of the layer.
        kinds: functions to count.
    """
    counts: collections.Counter[str] = collections.Counter()

    def counting(kind: str) -> Callable[[Tensor, Site, Callable[[], Any]], Any]:
        def count(_: Tensor, __: Site, meant: Callable[[], Any]) -> Any:
            counts.update([kind])
            return meant()

        return count

    with contextlib.ExitStack() as modes:
        for kind in kinds:
            modes.enter_context(Calls(frozenset({kind}), names, counting(kind)))
        run()
    return counts


def usual(model: nn.Module, run: Callable[[], object]) -> tuple[str, ...]:
    """Return the default for ``task.own.replace``: rectifiers, or the only kind of activation if there are none.

    Args:
        model: the network.
        run: function that runs the network on its data.
    """
    names = {id(layer): name for name, layer in model.named_modules()}
    for kinds in (("relu",), KINDS, SIGMOIDAL):
        present = {*layers_of(model, kinds)}
        with contextlib.suppress(Exception):  # ``checks`` reports a network that does not run
            present |= {*calls_of(run, names, kinds)}
        if len(present) == 1:
            (kind,) = present
            return f"torch.nn.{NAMES[kind]}", f"F.{kind}"
        if present:
            break
    return RECTIFIERS
