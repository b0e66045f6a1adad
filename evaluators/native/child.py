"""The default child, trained by the kernel: the same network, examples and optimiser as ``torch_child``, in C.

Not here: the network as modules (``networks.resnet1d``), which gives its weights to the kernel and gets them back.
"""

import ctypes
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from actsearch.evaluators.data.examples import Examples, Split
from actsearch.evaluators.layers import ActivationLayer
from actsearch.evaluators.native.compiler import NotNativeError, library
from actsearch.evaluators.native.layout import MOST_BATCH, STAGES, WIDE, WIDEST, Child, Plan
from actsearch.evaluators.native.tape import tape_of
from actsearch.evaluators.networks.resnet1d import ResNet1d
from actsearch.evaluators.schedule import course
from actsearch.evaluators.settings import CompleteSettings
from actsearch.grammar.function import Function

ALIGNMENT = 16
"""Every parameter starts at a multiple of 16 floats, the size of a cache line and of a vector."""
PARAMETERS = 32  # number of parameters that resnet1d.c lays out, one of every activation layer included


class NativeChild:
    """One network in training.

    Args:
        network: network with initial weights, trained in place.
        function: function of the candidate in the network's layers; None for a layer that is no function.
        train: training split.
        order: indices of the examples of every step, ``(steps, batch)``.
        settings: settings of the task.

    Raises:
        NotNativeError: the kernel has no compiler, or does not know the function, the network or the sizes.
    """

    def __init__(
        self, network: nn.Module, function: Function | None, train: Split, order: Tensor, settings: CompleteSettings
    ) -> None:
        if not isinstance(network, ResNet1d) or function is None:
            raise NotNativeError("only the 1-D ResNet with an expression is native")
        width, positions, batch = network.stem.out_channels, train.inputs.shape[1], order.shape[1]
        if settings.optimiser != "adamw" or train.inputs.device.type != "cpu" or settings.augment:
            raise NotNativeError("the kernel trains with AdamW on a CPU")
        if settings.precision != "float32" or settings.own.accumulate != 1:
            raise NotNativeError("the kernel computes in float32, a batch a step")
        if settings.beta_decay not in {None, settings.weight_decay}:
            raise NotNativeError("the kernel pulls at betas as at every other weight (task.beta_decay)")
        if batch % WIDE or batch > MOST_BATCH or width % 8 or width * 2 ** (STAGES - 1) > WIDEST or positions % 4:
            raise NotNativeError(
                f"the kernel takes batches in multiples of {WIDE}, widths in multiples of 8 and up to "
                f"{WIDEST // 2 ** (STAGES - 1)}, positions in multiples of 4: "
                f"found {batch}, {width} and {positions}"
            )
        self._library, self._tape = library(), tape_of(function)
        self.network, self.losses = network, list[float]()
        self._train = train.inputs.contiguous(), train.labels.int().contiguous()
        self._order = order.int().contiguous()
        self._course = course(settings, len(order))
        self._tensors = list(_parameters(network))
        if len(self._tensors) != PARAMETERS:
            raise NotNativeError(f"the kernel lays out {PARAMETERS} parameters, the network has {len(self._tensors)}")
        self._flat, offsets = _packed(self._tensors)
        self._moments = _aligned(2 * len(self._flat))
        self._statistics = [
            part for m in network.modules() if isinstance(m, nn.BatchNorm1d) for part in (m.running_mean, m.running_var)
        ]
        self._running = torch.cat([torch.as_tensor(part) for part in self._statistics])
        self._offsets = (ctypes.c_int * len(offsets))(*offsets)
        self._plan = Plan(
            width, positions, batch, network.linear.out_features, settings.weight_decay, settings.clip, self._offsets,
            len(self._flat),
        )  # fmt: skip
        half = self._moments.data_ptr() + 4 * len(self._flat)
        self._child = Child(self._flat.data_ptr(), self._moments.data_ptr(), half, self._running.data_ptr())
        self._curve = torch.zeros(2, len(order))  # loss and gradient norm of every step

    def advance(self, step: int) -> None:
        """Train until ``step`` steps are done, or until the loss is not finite."""
        losses, norms = self._curve
        done = self._library.train(
            ctypes.byref(self._plan), ctypes.byref(self._tape), ctypes.byref(self._child), *map(_pointer, self._train),
            *map(_pointer, (self._order, *self._course)), len(self.losses), step, _pointer(losses), _pointer(norms),
        )  # fmt: skip
        self.losses = losses[:done].tolist()

    def advancing(self, step: int) -> Iterator[None]:
        """Advance without yielding, because nothing else could run meanwhile."""
        self.advance(step)
        return iter(())

    def score(self, split: Examples) -> dict[str, float]:
        """Return mean ``loss`` (nats) and ``accuracy`` (0 to 1)."""
        assert isinstance(split, Split)  # the data of this engine's tasks are tensors
        loss, count = ctypes.c_double(), len(split.labels)
        inputs, labels = split.inputs.contiguous(), split.labels.int().contiguous()
        right = self._library.score(
            ctypes.byref(self._plan), ctypes.byref(self._tape), ctypes.byref(self._child), _pointer(inputs),
            _pointer(labels), count, ctypes.byref(loss),
        )  # fmt: skip
        return {"loss": loss.value / count, "accuracy": right / count}

    def trained_network(self) -> nn.Module:
        """Return the network with its current weights."""
        with torch.no_grad():
            for tensor, offset in zip(self._tensors, self._offsets, strict=True):
                packed = self._flat[offset : offset + tensor.numel()]
                shape = tensor.shape
                tensor.copy_(packed.view(shape[0], shape[2], shape[1]).mT if tensor.ndim == 3 else packed.view(shape))
            start = 0
            for part in self._statistics:
                torch.as_tensor(part).copy_(self._running[start : start + torch.as_tensor(part).numel()])
                start += torch.as_tensor(part).numel()
        return self.network


def _parameters(network: nn.Module) -> Iterator[nn.Parameter]:
    """Yield the parameters in their order, with an unused one for each layer of a candidate without parameters."""
    for module in network.modules():
        yield from module.parameters(recurse=False)
        if isinstance(module, ActivationLayer) and not module.scalars:
            yield nn.Parameter(torch.ones(module.channels))


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


def _aligned(size: int) -> Tensor:
    """Return zeros ``(size,) float32`` that start at the start of a cache line."""
    room = torch.zeros(size + ALIGNMENT)
    return room[-(room.data_ptr() // 4) % ALIGNMENT :][:size]


def _packed(tensors: list[nn.Parameter]) -> tuple[Tensor, list[int]]:
    """Return all parameters in one flat tensor, convolutions with their taps outermost, and the offset of each."""
    offsets, size = list[int](), 0
    for tensor in tensors:
        offsets.append(size)
        size += -(-tensor.numel() // ALIGNMENT) * ALIGNMENT
    flat = _aligned(size)
    for tensor, offset in zip(tensors, offsets, strict=True):
        value = tensor.detach()
        flat[offset : offset + tensor.numel()] = (value.mT if value.ndim == 3 else value).flatten()
    return flat, offsets
