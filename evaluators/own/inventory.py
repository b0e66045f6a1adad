"""Which activations a network has so far, as layers and as calls of functions, and which of them a candidate replaces.

Not here: replacing them (``graft``).
"""

import collections
import contextlib
from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor, nn

from actsearch.evaluators.own.calls import KINDS, Calls, Site

RECTIFIERS = ("torch.nn.ReLU", "F.relu")
"""What is replaced where nothing is said, if the network has any."""
SIGMOIDAL = ("tanh", "softsign", "hardtanh", "tanhshrink")  # gates too, so that they are taken where nothing else is
NAMES = {
    "relu": "ReLU", "gelu": "GELU", "silu": "SiLU", "elu": "ELU", "selu": "SELU", "celu": "CELU", "mish": "Mish",
    "leaky_relu": "LeakyReLU", "hardswish": "Hardswish", "relu6": "ReLU6", "rrelu": "RReLU", "softplus": "Softplus",
    "tanh": "Tanh", "softsign": "Softsign", "hardtanh": "Hardtanh", "tanhshrink": "Tanhshrink",
}  # fmt: skip
"""Function -> torch's layer of it."""


def layers_of(model: nn.Module, kinds: Iterable[str] = KINDS) -> collections.Counter[str]:
    """Return how many layers of torch's activations a network has, by function."""
    by_class = {NAMES[kind]: kind for kind in kinds if kind in NAMES}
    found = (layer for layer in model.modules() if type(layer).__module__ == "torch.nn.modules.activation")
    return collections.Counter(by_class[name] for layer in found if (name := type(layer).__name__) in by_class)


def calls_of(
    run: Callable[[], object], names: dict[int, str], kinds: Iterable[str] = KINDS
) -> collections.Counter[str]:
    """Return how often a network calls activations as functions while it runs, by function.

    Args:
        run: runs it.
        names: of its layers, by identity.
        kinds: functions that are counted.
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
    """Return what a candidate replaces where the user names nothing: rectifiers, or the one activation that is there.

    Args:
        model: the network.
        run: runs it on its data.
    """
    names = {id(layer): name for name, layer in model.named_modules()}
    for kinds in (("relu",), KINDS, SIGMOIDAL):
        found = {*layers_of(model, kinds)}
        with contextlib.suppress(Exception):  # a network that does not run is told so where it is tried
            found |= {*calls_of(run, names, kinds)}
        if len(found) == 1:
            (kind,) = found
            return f"torch.nn.{NAMES[kind]}", f"F.{kind}"
        if found:
            break
    return RECTIFIERS
