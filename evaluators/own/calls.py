"""Activations that a network calls as functions: where each call stands, and the candidate in its place.

``F.relu(x)``, ``torch.relu(x)`` and ``x.relu_()`` are one kind. A call is told by the layer within which it stands and
by its line, so that two calls are two places and one call in a loop is one. Not here: layers (``places``).
"""

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
SPELLINGS = ("F.", "torch.nn.functional.", "torch.")  # in ``task.own.replace``, before the function's name
TORCH = Path(torch.__file__).parent
_BETWEEN = {str(TORCH / part) for part in ("nn/functional.py", "nn/modules/module.py", "overrides.py", "_tensor.py")}
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
    while frame is not None and frame.f_code.co_filename in {*_BETWEEN, skipped}:
        frame = frame.f_back
    assert frame is not None  # the program's own first frame is none of these
    around: FrameType | None = frame
    layer: Any = None
    while around is not None:
        layer = around.f_locals.get("self")
        if isinstance(layer, nn.Module) and id(layer) in names:
            break
        around = around.f_back
    name = names[id(layer)] if around is not None else ""
    return Site(name, frame.f_code, frame.f_lasti, frame.f_lineno), layer if around is not None else None


def functions_of(replace: tuple[str, ...]) -> frozenset[str]:
    """Return the functions among what is to be replaced: ``relu`` for ``F.relu`` and ``torch.relu``."""
    found = {text.removeprefix(start) for text in replace for start in SPELLINGS if text.startswith(start)}
    return frozenset(name for name in found if name in KINDS)


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

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function, or what stands in its place; layers of torch that are activations call their own."""
        given = dict(kwargs or {})
        if getattr(func, "__name__", "").rstrip("_") in self.kinds:
            site, layer = site_of(self.names)
            if layer is None or type(layer).__module__ != "torch.nn.modules.activation":
                value = args[0] if args else given["input"]
                return self.instead(value, site, lambda: func(*args, **given))
        return func(*args, **given)
