"""The dimension of a tensor's channels, inferred from earlier layers: 1 after a convolution, -1 after a linear layer.

There are two ways: ``layout_of`` reads one tensor's graph of gradients; ``Layouts`` follows a network while it runs.
Not here: the users of the dimension (``activation``, ``own``).
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

FARTHEST = 8  # number of operations to go back in the graph of gradients
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
    """Return the dimension of the channels, 1 or -1; None if the graph of gradients does not determine it."""
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
NORMS_LAST = {"layer_norm", "rms_norm"}  # over one dimension; of several, any may hold the channels
MOVES = {"transpose", "swapaxes", "swapdims", "permute", "movedim", "moveaxis", "flatten", "unsqueeze", "squeeze", "t"}
MOVES |= {"adjoint"}
MOVES |= {"__get__"}  # x.T, x.mT
REDUCES = {"sum", "mean", "amax", "amin", "max", "min", "prod", "std", "var", "norm", "logsumexp", "median", "nansum"}
REDUCES |= {"select", "unbind"}
RESHAPES = {"reshape", "view", "unflatten", "contiguous", "flatten"}
PRODUCTS = {"matmul", "__matmul__", "bmm", "mm", "baddbmm", "addmm"}
MIXES = PRODUCTS | {"einsum", "scaled_dot_product_attention", "gather", "cdist", "outer", "kron", "tensordot"}
_PRIMES = (2, 3, 5, 7, 11, 13)  # distinct sizes, which identify the dimensions of a dummy tensor


class Layouts(TorchFunctionMode):
    """A mode that records the channels' dimension of every tensor that torch returns while the mode is active."""

    def __init__(self) -> None:
        super().__init__()
        # the keys are identities; each table keeps its tensors, so that no identity is used again
        self._known: dict[int, tuple[Tensor, int]] = {}  # tensors with a known dimension of the channels
        self._last: dict[int, Tensor] = {}  # tensors whose channels are last because of the layer that made them
        self._mixed: dict[int, Tensor] = {}  # tensors without a dimension that could hold the channels

    def forget(self) -> None:
        """Release every recorded tensor."""
        self._known.clear()
        self._last.clear()
        self._mixed.clear()

    def of(self, tensor: Tensor) -> int | None:
        """Return the dimension of the tensor's channels, counted from 0; None if it is unknown."""
        entry = self._known.get(id(tensor))
        return None if entry is None else entry[1]

    def is_last(self, tensor: Tensor) -> bool:
        """Whether the layer that made the channels puts them last, with any number of dimensions in front."""
        return id(tensor) in self._last

    def is_mixed(self, tensor: Tensor) -> bool:
        """Whether the tensor comes from a product or a sum over channels, so that a guess would be wrong."""
        return id(tensor) in self._mixed

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function, and record the channels' dimension of each result."""
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, Tensor):
                axis = self._axis(func, args, dict(kwargs or {}), tensor)
                self._note(getattr(func, "__name__", ""), self._tensors(args, dict(kwargs or {})), tensor, axis)
        return result

    def _note(self, name: str, inputs: list[Tensor], output: Tensor, axis: int | None) -> None:
        """Record the dimension of an operation's output; an operation in place replaces the earlier record."""
        key = id(output)
        makes_last = name in MAKES_LAST or name in PRODUCTS
        is_last = axis == output.ndim - 1 and (makes_last or (name not in MOVES and any(map(self.is_last, inputs))))
        mixed = axis is None and (
            name in MIXES or any(self.is_mixed(a) or (self.of(a) is not None and name not in RESHAPES) for a in inputs)
        )
        for table in (self._known, self._last, self._mixed):
            table.pop(key, None)
        if axis is not None:
            self._known[key] = (output, axis)
        if is_last:
            self._last[key] = output
        if mixed:
            self._mixed[key] = output

    def _axis(  # noqa: PLR0911  one return for each kind of operation
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor
    ) -> int | None:
        name = getattr(func, "__name__", "")
        if name in MAKES_LAST:
            return output.ndim - 1
        if (match := re.fullmatch(r"conv(?:_transpose)?(\d)d", name)) and output.ndim == int(match[1]) + 1:
            return 0  # the input has no batch dimension
        if name == "conv_tbc":
            return output.ndim - 1
        if name.startswith("conv") or name in MAKES_SECOND:
            return min(1, output.ndim - 1)
        source = next((a for a in self._tensors(args, kwargs) if self.of(a) is not None), None)
        if len({self.of(a) for a in self._tensors(args, kwargs) if a.ndim == output.ndim} - {None}) > 1:
            return None  # two inputs disagree
        if name == "einsum":
            return self._of_einsum(args)
        if name in MIXES:
            factors = args[1:3] if name in {"addmm", "baddbmm"} else args[:2]
            return output.ndim - 1 if name in PRODUCTS and self._keeps_columns(*factors) else None
        if source is None:
            return output.ndim - 1 if name in NORMS_LAST and len(_normed(args, kwargs)) == 1 else None
        axis = self.of(source)
        assert axis is not None
        if name in MOVES or name.rstrip("_") in MOVES or (name == "__getitem__" and _picks(args)):
            return _moved(func, args, kwargs, source, axis, output.ndim)
        if name in RESHAPES - {"flatten"} and output.shape != source.shape:
            is_last = axis == source.ndim - 1 and output.ndim > 0 and output.shape[-1] == source.shape[-1]
            return output.ndim - 1 if is_last else None
        if output.ndim == source.ndim:
            return axis  # the result is elementwise, pooled, padded, joined or a slice
        return _moved(func, args, kwargs, source, axis, output.ndim) if name in REDUCES else None

    def _of_einsum(self, args: tuple[Any, ...]) -> int | None:
        """Return the output dimension whose letter only weights have, else the one that has the known channels."""
        if not args or not isinstance(args[0], str) or "." in args[0]:
            return None
        input_letters, _, output_letters = args[0].replace(" ", "").partition("->")
        operands = list(zip(input_letters.split(","), self._tensors(args[1:], {}), strict=False))
        known = {letters[axis] for letters, one in operands if (axis := self.of(one)) is not None}
        data_letters = {letter for letters, one in operands if not isinstance(one, nn.Parameter) for letter in letters}
        old = [n for n, letter in enumerate(output_letters) if letter in known]
        new = [n for n, letter in enumerate(output_letters) if letter not in data_letters]
        return next((places[0] for places in (new, old) if len(places) == 1), None)

    def _keeps_columns(self, first: Any = None, second: Any = None) -> bool:
        """Whether the last dimension of a product holds channels: those of the second factor, or those of a weight."""
        if not isinstance(second, Tensor) or not second.ndim:
            return False
        known, is_data = self.of(second), not isinstance(first, nn.Parameter)
        is_weight = known is None and not self.is_mixed(second) and second.ndim == 2 and is_data
        return known == second.ndim - 1 or is_weight

    @staticmethod
    def _tensors(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
        flat = [
            part
            for value in (*args, *kwargs.values())
            for part in (value if isinstance(value, (list, tuple)) else [value])
        ]
        return [part for part in flat if isinstance(part, Tensor)]


def _picks(args: tuple[Any, ...]) -> bool:
    """Whether an index does more than slice, so that it adds or removes dimensions."""
    index = args[1] if len(args) > 1 else ()
    return any(
        not (isinstance(part, slice) or part is Ellipsis) for part in (index if isinstance(index, tuple) else [index])
    )


def _normed(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the sizes of the dimensions that a normalisation covers."""
    return tuple(args[1] if len(args) > 1 else kwargs["normalized_shape"])


def _moved(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], tensor: Tensor, axis: int, dimensions: int
) -> int | None:
    """Apply the operation to a dummy tensor whose sizes are distinct primes, and see where the channel size went."""
    if tensor.ndim > len(_PRIMES):
        return None
    sizes = [1 if size == 1 else prime for size, prime in zip(tensor.shape, _PRIMES, strict=False)]
    sizes[axis] = _PRIMES[axis]
    dummy = torch.empty(sizes, device="meta")
    try:
        result = func(*(dummy if a is tensor else a for a in args), **kwargs)
        shape = list((result[0] if isinstance(result, tuple) else result).shape)
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError):
        return None
    if len(shape) != dimensions:  # the operation squeezed a single channel away
        return None
    return shape.index(_PRIMES[axis]) if shape.count(_PRIMES[axis]) == 1 else None
