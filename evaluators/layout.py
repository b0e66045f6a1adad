"""Where the channels of a tensor are, told by the layers it came from: 1 behind a convolution, -1 behind a linear one.

Two ways to look: ``layout_of`` asks the graph of gradients of one tensor; ``Layouts`` follows a network while it runs.
Not here: what is made of it (``activation``, ``own``).
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
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
MOVES |= {"__get__"}  # x.T, x.mT
MIXES = {"matmul", "__matmul__", "bmm", "mm", "einsum", "baddbmm", "addmm", "scaled_dot_product_attention", "gather"}
MIXES |= {"cdist", "outer", "kron", "tensordot"}
_PRIMES = (2, 3, 5, 7, 11, 13)  # sizes that tell the dimensions of a stand-in apart


class Layouts(TorchFunctionMode):
    """While it is entered, notes for every tensor that torch returns where its channels are."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[int, tuple[Tensor, int]] = {}  # by identity, which holds as long as the tensor is kept

    def of(self, tensor: Tensor) -> int | None:
        """Return the dimension of the tensor's channels, from 0, or None where nothing tells."""
        found = self._known.get(id(tensor))
        return None if found is None else found[1]

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function, and note what comes out of it."""
        found = func(*args, **(kwargs or {}))
        for tensor in found if isinstance(found, (tuple, list)) else (found,):
            if isinstance(tensor, Tensor):
                axis = self._axis(func, args, dict(kwargs or {}), tensor)
                if axis is not None:
                    self._known[id(tensor)] = (tensor, axis)
                elif id(tensor) in self._known:
                    del self._known[id(tensor)]
        return found

    def _axis(  # noqa: PLR0911  one return a kind of operation
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], made: Tensor
    ) -> int | None:
        name = getattr(func, "__name__", "")
        if name in MAKES_LAST:
            return made.ndim - 1
        if (found := re.fullmatch(r"conv(?:_transpose)?(\d)d", name)) and made.ndim == int(found[1]) + 1:
            return 0  # without a batch
        if name.startswith("conv") or name in MAKES_SECOND:
            return min(1, made.ndim - 1)
        given = next((a for a in self._tensors(args, kwargs) if self.of(a) is not None), None)
        if len({self.of(a) for a in self._tensors(args, kwargs) if a.ndim == made.ndim} - {None}) > 1:
            return None  # two that say otherwise
        if name in MIXES:  # with a weight (inputs, outputs), as a linear layer
            with_weight = name == "addmm" or (name in {"matmul", "__matmul__", "mm"} and _tensor_at(args, 1) == 2)
            return made.ndim - 1 if with_weight else None
        if given is None:
            return made.ndim - 1 if name in NORMS_LAST and len(_normed(args, kwargs)) == 1 else None
        axis = self.of(given)
        assert axis is not None
        if name.rstrip("_") in MOVES or (name == "__getitem__" and _picks(args)):
            return _moved(func, args, kwargs, given, axis)
        if name in {"reshape", "view", "unflatten", "contiguous"} and made.shape != given.shape:
            is_last = axis == given.ndim - 1 and made.ndim > 0 and made.shape[-1] == given.shape[-1]
            return made.ndim - 1 if is_last else None
        return axis if made.ndim == given.ndim else None  # elementwise, pooled, padded, joined, a part of it

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


def _tensor_at(args: tuple[Any, ...], axis: int) -> int:
    """Return how many dimensions an argument has, 0 if it is no tensor."""
    found = args[axis] if len(args) > axis else None
    return found.ndim if isinstance(found, Tensor) else 0


def _moved(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], given: Tensor, axis: int) -> int | None:
    """Do to a stand-in of telling sizes what is done to the tensor, and look where its channels went."""
    if given.ndim > len(_PRIMES):
        return None
    sizes = [1 if size == 1 else prime for size, prime in zip(given.shape, _PRIMES, strict=False)]
    sizes[axis] = _PRIMES[axis]
    stand_in = torch.empty(sizes, device="meta")
    try:
        shape = list(func(*(stand_in if a is given else a for a in args), **kwargs).shape)
    except (RuntimeError, TypeError, IndexError, AttributeError):
        return None
    return shape.index(_PRIMES[axis]) if shape.count(_PRIMES[axis]) == 1 else None
