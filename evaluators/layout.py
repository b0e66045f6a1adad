"""Where the channels of a tensor are, told by the layers it came from: 1 behind a convolution, -1 behind a linear one.

Two ways to look: ``layout_of`` asks the graph of gradients of one tensor; ``Layouts`` follows a network while it runs.
Not here: what is made of it (``activation``, ``own``).
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

FARTHEST = 8  # operations back in the graph of gradients
_SECOND = ("ConvolutionBackward", "BatchNormBackward", "GroupNormBackward", "InstanceNormBackward")
_LAST = ("AddmmBackward", "MmBackward", "LayerNormBackward", "BmmBackward", "LinearBackward", "EmbeddingBackward")
_SAME = (
    "MaxPool",
    "AvgPool",
    "DropoutBackward",
    "ReluBackward",
    "SliceBackward",
    "DivBackward",
    "SubBackward",
    "ViewBackward",
    "UnsafeViewBackward",
    "ReshapeAliasBackward",
    "CloneBackward",
    "AddBackward",
    "MulBackward",
)


def layout_of(tensor: Tensor) -> int | None:
    """Return the dimension of the channels, 1 or -1, or None where the graph of gradients does not tell."""
    node = tensor.grad_fn
    for _ in range(FARTHEST):
        if node is None:
            return None
        name = node.name()
        if any(kind in name for kind in _SECOND):
            return 1
        if any(kind in name for kind in _LAST):
            return -1
        if not any(kind in name for kind in _SAME) or not node.next_functions:
            return None
        node = node.next_functions[0][0]
    return None


MAKES_LAST = {"linear", "bilinear", "embedding", "lstm", "gru", "rnn_tanh", "rnn_relu"}
MAKES_LAST |= {"multi_head_attention_forward", "_transformer_encoder_layer_fwd"}
MAKES_SECOND = {"batch_norm", "group_norm", "instance_norm", "local_response_norm"}
NORMS_LAST = {"layer_norm", "rms_norm"}  # of one dimension, else of several, of which any may be the channels'
MOVES = {"transpose", "swapaxes", "swapdims", "permute", "movedim", "moveaxis", "flatten", "unsqueeze", "squeeze", "t"}
MOVES |= {"adjoint"}
MOVES |= {"__get__"}  # x.T, x.mT
REDUCES = {"sum", "mean", "amax", "amin", "max", "min", "prod", "std", "var", "norm", "logsumexp", "median", "nansum"}
REDUCES |= {"select", "unbind"}
RESHAPES = {"reshape", "view", "unflatten", "contiguous", "flatten"}
PRODUCTS = {"matmul", "__matmul__", "bmm", "mm", "baddbmm", "addmm"}
MIXES = PRODUCTS | {"einsum", "scaled_dot_product_attention", "gather", "cdist", "outer", "kron", "tensordot"}
_PRIMES = (2, 3, 5, 7, 11, 13)  # sizes that tell the dimensions of a stand-in apart


class Layouts(TorchFunctionMode):
    """While it is entered, notes for every tensor that torch returns where its channels are."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[int, tuple[Tensor, int]] = {}  # by identity, which holds as long as the tensor is kept
        self._last: dict[int, Tensor] = {}  # whose channels are the last dimension by what made them
        self._mixed: dict[int, Tensor] = {}  # in which none is left that could be told

    def forget(self) -> None:
        """Let go of every tensor that was met."""
        self._known.clear()
        self._last.clear()
        self._mixed.clear()

    def of(self, tensor: Tensor) -> int | None:
        """Return the dimension of the tensor's channels, from 0, or None where nothing tells."""
        found = self._known.get(id(tensor))
        return None if found is None else found[1]

    def is_last(self, tensor: Tensor) -> bool:
        """Whether the channels are the last dimension by the layer they come from, with however many in front."""
        return id(tensor) in self._last

    def is_mixed(self, tensor: Tensor) -> bool:
        """Whether the tensor is of a product or a sum over channels, so that a guess would be wrong."""
        return id(tensor) in self._mixed

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function, and note what comes out of it."""
        found = func(*args, **(kwargs or {}))
        for tensor in found if isinstance(found, (tuple, list)) else (found,):
            if isinstance(tensor, Tensor):
                axis = self._axis(func, args, dict(kwargs or {}), tensor)
                self._note(getattr(func, "__name__", ""), self._tensors(args, dict(kwargs or {})), tensor, axis)
        return found

    def _note(self, name: str, given: list[Tensor], made: Tensor, axis: int | None) -> None:
        """Keep what was found out; what is changed in place is noted anew."""
        key = id(made)
        made_last = name in MAKES_LAST or name in PRODUCTS
        is_last = axis == made.ndim - 1 and (made_last or (name not in MOVES and any(map(self.is_last, given))))
        mixed = axis is None and (
            name in MIXES or any(self.is_mixed(a) or (self.of(a) is not None and name not in RESHAPES) for a in given)
        )
        for table in (self._known, self._last, self._mixed):
            table.pop(key, None)
        if axis is not None:
            self._known[key] = (made, axis)
        if is_last:
            self._last[key] = made
        if mixed:
            self._mixed[key] = made

    def _axis(  # noqa: PLR0911  one return a kind of operation
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], made: Tensor
    ) -> int | None:
        name = getattr(func, "__name__", "")
        if name in MAKES_LAST:
            return made.ndim - 1
        if (found := re.fullmatch(r"conv(?:_transpose)?(\d)d", name)) and made.ndim == int(found[1]) + 1:
            return 0  # without a batch
        if name == "conv_tbc":
            return made.ndim - 1
        if name.startswith("conv") or name in MAKES_SECOND:
            return min(1, made.ndim - 1)
        given = next((a for a in self._tensors(args, kwargs) if self.of(a) is not None), None)
        if len({self.of(a) for a in self._tensors(args, kwargs) if a.ndim == made.ndim} - {None}) > 1:
            return None  # two that say otherwise
        if name == "einsum":
            return self._of_einsum(args)
        if name in MIXES:
            factors = args[1:3] if name in {"addmm", "baddbmm"} else args[:2]
            return made.ndim - 1 if name in PRODUCTS and self._keeps_columns(*factors) else None
        if given is None:
            return made.ndim - 1 if name in NORMS_LAST and len(_normed(args, kwargs)) == 1 else None
        axis = self.of(given)
        assert axis is not None
        if name in MOVES or name.rstrip("_") in MOVES or (name == "__getitem__" and _picks(args)):
            return _moved(func, args, kwargs, given, axis, made.ndim)
        if name in RESHAPES - {"flatten"} and made.shape != given.shape:
            is_last = axis == given.ndim - 1 and made.ndim > 0 and made.shape[-1] == given.shape[-1]
            return made.ndim - 1 if is_last else None
        if made.ndim == given.ndim:
            return axis  # elementwise, pooled, padded, joined, a part of it
        return _moved(func, args, kwargs, given, axis, made.ndim) if name in REDUCES else None

    def _of_einsum(self, args: tuple[Any, ...]) -> int | None:
        """Return where the letter of the known channels went, or that which is a weight's alone."""
        if not args or not isinstance(args[0], str) or "." in args[0]:
            return None
        taken, _, made = args[0].replace(" ", "").partition("->")
        operands = list(zip(taken.split(","), self._tensors(args[1:], {}), strict=False))
        known = {letters[axis] for letters, one in operands if (axis := self.of(one)) is not None}
        of_data = {letter for letters, one in operands if not isinstance(one, nn.Parameter) for letter in letters}
        kept = [n for n, letter in enumerate(made) if letter in known]
        new = [n for n, letter in enumerate(made) if letter not in of_data]
        return next((found[0] for found in (new, kept) if len(found) == 1), None)

    def _keeps_columns(self, first: Any = None, by: Any = None) -> bool:
        """Whether the last dimension of a product is channels: the second one's own, or those of a weight."""
        if not isinstance(by, Tensor) or not by.ndim:
            return False
        known = self.of(by)
        of_weight = known is None and not self.is_mixed(by) and by.ndim == 2 and not isinstance(first, nn.Parameter)
        return known == by.ndim - 1 or of_weight

    @staticmethod
    def _tensors(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
        flat = [
            part
            for value in (*args, *kwargs.values())
            for part in (value if isinstance(value, (list, tuple)) else [value])
        ]
        return [part for part in flat if isinstance(part, Tensor)]


def _picks(args: tuple[Any, ...]) -> bool:
    """Whether an index does more than cut: then dimensions come and go."""
    index = args[1] if len(args) > 1 else ()
    return any(
        not (isinstance(part, slice) or part is Ellipsis) for part in (index if isinstance(index, tuple) else [index])
    )


def _normed(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the sizes over which a norm is taken."""
    return tuple(args[1] if len(args) > 1 else kwargs["normalized_shape"])


def _moved(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], given: Tensor, axis: int, dimensions: int
) -> int | None:
    """Do to a stand-in of telling sizes what is done to the tensor, and look where its channels went."""
    if given.ndim > len(_PRIMES):
        return None
    sizes = [1 if size == 1 else prime for size, prime in zip(given.shape, _PRIMES, strict=False)]
    sizes[axis] = _PRIMES[axis]
    stand_in = torch.empty(sizes, device="meta")
    try:
        found = func(*(stand_in if a is given else a for a in args), **kwargs)
        shape = list((found[0] if isinstance(found, tuple) else found).shape)
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError):
        return None
    if len(shape) != dimensions:  # one channel was squeezed away
        return None
    return shape.index(_PRIMES[axis]) if shape.count(_PRIMES[axis]) == 1 else None
