"""Activations that a network calls as functions: where each call stands, and the candidate in its place.

``F.relu(x)``, ``torch.relu(x)`` and ``x.relu_()`` are one kind. A place is identified by the surrounding layer and the
instruction of the call: two calls are two places, and one call in a loop is one. Not here: layers (``graft``).
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
"""Functions that are activations wherever they are called; sigmoid and tanh serve as gates just as often."""
MATHEMATICAL = (
    "sin", "cos", "tan", "sinc", "sinh", "cosh", "asinh", "atan", "exp", "expm1", "log1p", "erf", "erfc", "abs",
    "square", "sqrt",
)  # fmt: skip
REPLACEABLE = (
    *KINDS, "tanh", "sigmoid", "hardtanh", "hardsigmoid", "logsigmoid", "softsign", "tanhshrink", *MATHEMATICAL,
)  # fmt: skip
"""Elementwise functions of one tensor; a candidate replaces them if ``task.own.replace`` names them."""
SPELLINGS = ("F.", "torch.nn.functional.", "torch.")  # prefixes of a function's name in ``task.own.replace``
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
    """Place in the source from which a function or layer is called.

    Args:
        layer: name of the layer around the call; empty for the network itself.
        code: code object of the caller.
        offset: offset of the call instruction within that code, in bytes.
        line: line number of the call.
    """

    layer: str
    code: CodeType
    offset: int
    line: int

    def __str__(self) -> str:
        """Return the file name and line, and the layer if the call is inside one."""
        return f"{Path(self.code.co_filename).name}:{self.line}" + (f" in '{self.layer}'" if self.layer else "")


def site_of(names: Mapping[int, str], skipped: str = "") -> tuple[Site, nn.Module | None]:
    """Return the nearest call site outside torch's own helper files, and the layer around it.

    Args:
        names: names of the network's layers, by ``id`` of the layer.
        skipped: path of a further file of this engine whose frames do not count as callers.
    """
    frame: FrameType | None = sys._getframe(1)
    caller: FrameType | None = None
    layer: nn.Module | None = None
    while frame is not None and (caller is None or layer is None):
        if caller is None and frame.f_code.co_filename not in {*_BETWEEN, skipped}:
            caller = frame
        owner = frame.f_locals.get("self") if layer is None else None
        if isinstance(owner, nn.Module) and id(owner) in names:
            layer = owner
        frame = frame.f_back
    assert caller is not None  # the outermost frame of the program is in none of the skipped files
    name = "" if layer is None else names[id(layer)]
    return Site(name, caller.f_code, caller.f_lasti, caller.f_lineno), layer


def functions_of(replace: tuple[str, ...]) -> frozenset[str]:
    """Return the names of the functions in ``replace``: ``relu`` for ``F.relu`` and ``torch.relu``."""
    names = {text.removeprefix(start) for text in replace for start in SPELLINGS if text.startswith(start)}
    return frozenset(name for name in names if name in REPLACEABLE)


def spelt(name: str) -> str:
    """Return the spelling of a function in ``task.own.replace``."""
    return f"torch.{name}" if name in MATHEMATICAL else f"F.{name}"


def unknown_functions(replace: tuple[str, ...]) -> list[str]:
    """Return the entries of ``replace`` that are spelt like a function but name none that can be replaced."""
    is_class = re.compile(r"torch\.nn\.(?!functional\.)")
    plain = [text for text in replace if text.startswith(SPELLINGS) and not is_class.match(text)]
    return [text for text in plain if not functions_of((text,))]


class Calls(TorchFunctionMode):
    """Context manager that redirects every call of some functions to a handler.

    Args:
        kinds: names of the functions.
        names: names of the network's layers, by ``id`` of the layer.
        instead: handler; gets the input, the call site and the original call as a function without arguments, and
            returns the result of the call.
    """

    def __init__(
        self, kinds: frozenset[str], names: Mapping[int, str], instead: Callable[[Tensor, Site, Callable[[], Any]], Any]
    ) -> None:
        super().__init__()
        self.kinds, self.names, self.instead = kinds, names, instead
        self.within = 0  # nesting depth of candidate layers that are running; calls inside them are not redirected

    def enter(self, *_: object) -> None:
        """Enter a layer of the candidate: leave the calls that it makes alone."""
        self.within += 1

    def leave(self, *_: object) -> None:
        """Leave a layer of the candidate: redirect calls again."""
        self.within -= 1

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Send a listed function to the handler; run others, and calls inside torch's activations, unchanged."""
        keywords = dict(kwargs or {})
        if not self.within and getattr(func, "__name__", "").rstrip("_") in self.kinds:
            site, layer = site_of(self.names)
            if layer is None or type(layer).__module__ != "torch.nn.modules.activation":
                value = args[0] if args else keywords["input"]
                return self.instead(value, site, lambda: func(*args, **keywords))
        return func(*args, **keywords)
