"""Activations that a network calls as functions: where each call stands, and the candidate in its place.

``F.relu(x)``, ``torch.relu(x)`` and ``x.relu_()`` are one kind. A call is told by the layer within which it stands and
by its line, so that two calls are two places and one call in a loop is one. Not here: layers (``graft``).
"""

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

KINDS = ("relu", "gelu", "silu", "elu", "selu", "celu", "leaky_relu", "mish", "hardswish", "relu6", "rrelu", "softplus")
"""Activations whose call as a function is told from a layer's; sigmoid and tanh are gates as often."""
MATHEMATICAL = (
    "sin", "cos", "tan", "sinc", "sinh", "cosh", "asinh", "atan", "exp", "expm1", "log1p", "erf", "erfc", "abs",
    "square", "sqrt",
)  # fmt: skip
REPLACEABLE = (
    *KINDS, "tanh", "sigmoid", "hardtanh", "hardsigmoid", "logsigmoid", "softsign", "tanhshrink", *MATHEMATICAL,
)  # fmt: skip
"""Functions of one tensor, element by element, that are replaced where they are named."""
SPELLINGS = ("F.", "torch.nn.functional.", "torch.")  # in ``task.own.replace``, before the function's name
TORCH = Path(torch.__file__).parent
_BETWEEN = {
    str(TORCH / part)
    for part in (
        "nn/functional.py",
        "nn/modules/module.py",
        "nn/modules/activation.py",
        "overrides.py",
        "_tensor.py",
    )
}
_BETWEEN.add(__file__)


@dataclass(frozen=True)
class Site:
    """Where something is called.

    Args:
        layer: name of the layer within which it is called, empty for the network itself.
        code: of the caller.
        offset: within that code.
    """

    layer: str
    code: CodeType
    offset: int
    line: int

    def __str__(self) -> str:
        """Return file and line, and the layer."""
        return f"{Path(self.code.co_filename).name}:{self.line}" + (f" in '{self.layer}'" if self.layer else "")


def site_of(names: Mapping[int, str], skipped: str = "") -> tuple[Site, nn.Module | None]:
    """Return where the caller was called from, outside of torch's own detours, and the layer around it.

    Args:
        names: of the network's layers, by identity.
        skipped: a file of ours that is no caller either.
    """
    frame: FrameType | None = sys._getframe(1)
    caller: FrameType | None = None
    layer: nn.Module | None = None
    while frame is not None and (caller is None or layer is None):
        if caller is None and frame.f_code.co_filename not in {*_BETWEEN, skipped}:
            caller = frame
        found = frame.f_locals.get("self") if layer is None else None
        if isinstance(found, nn.Module) and id(found) in names:
            layer = found
        frame = frame.f_back
    assert caller is not None  # the program's own first frame is none of these
    name = "" if layer is None else names[id(layer)]
    return Site(name, caller.f_code, caller.f_lasti, caller.f_lineno), layer


def functions_of(replace: tuple[str, ...]) -> frozenset[str]:
    """Return the functions among what is to be replaced: ``relu`` for ``F.relu`` and ``torch.relu``."""
    found = {text.removeprefix(start) for text in replace for start in SPELLINGS if text.startswith(start)}
    return frozenset(name for name in found if name in REPLACEABLE)


def spelt(name: str) -> str:
    """Return how a function is named in ``task.own.replace``."""
    return f"torch.{name}" if name in MATHEMATICAL else f"F.{name}"


def unknown_functions(replace: tuple[str, ...]) -> list[str]:
    """Return what is spelt as a function among what is to be replaced, and is none that can be."""
    is_class = re.compile(r"torch\.nn\.(?!functional\.)")
    plain = [text for text in replace if text.startswith(SPELLINGS) and not is_class.match(text)]
    return [text for text in plain if not functions_of((text,))]


class Calls(TorchFunctionMode):
    """While it is entered, gives every call of some functions to somebody else.

    Args:
        kinds: the functions, by name.
        names: of the network's layers, by identity.
        instead: is given the input, the place and the call as it was meant; returns what comes out.
    """

    def __init__(
        self, kinds: frozenset[str], names: Mapping[int, str], instead: Callable[[Tensor, Site, Callable[[], Any]], Any]
    ) -> None:
        super().__init__()
        self.kinds, self.names, self.instead = kinds, names, instead
        self.within = 0  # layers of the candidate's: what these call is the candidate

    def enter(self, *_: object) -> None:
        """Let what a layer of the candidate's calls be."""
        self.within += 1

    def leave(self, *_: object) -> None:
        """End that."""
        self.within -= 1

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function, or what stands in its place; layers of torch that are activations call their own."""
        given = dict(kwargs or {})
        if not self.within and getattr(func, "__name__", "").rstrip("_") in self.kinds:
            site, layer = site_of(self.names)
            if layer is None or type(layer).__module__ != "torch.nn.modules.activation":
                value = args[0] if args else given["input"]
                return self.instead(value, site, lambda: func(*args, **given))
        return func(*args, **given)
