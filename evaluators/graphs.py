"""A step on a GPU, recorded once and replayed: the processor no longer launches its hundreds of kernels one by one.

Measured on an H200, ResNet-20 with 128 images: a step of 13.8 ms is one of 6.0 when it is replayed. What a step does on
the processor is not repeated, so networks of the user's are not recorded. Not here: streams, and several children at a
time (``torch_child``, ``training``).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from actsearch.evaluators.data.examples import Split, mapped, tensors_of

WARM_UP = 3  # steps that are computed as they stand before one is recorded (PyTorch's notes on CUDA graphs)


class Recorded:
    """Loss and gradients of one batch: computed as they stand at first, then recorded, then replayed.

    Args:
        compute: returns the loss of a batch, without its gradient's history, and leaves gradients behind.
        parameters: whose gradients these are.
    """

    def __init__(self, compute: Callable[[Split], Tensor], parameters: Sequence[Tensor]) -> None:
        self.compute, self.parameters = compute, parameters
        self.steps = 0
        self.can_be_recorded = True
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, batch: Split) -> Tensor:
        """Return the loss of a batch, its gradients in the parameters.

        Args:
            batch: of the same shapes each time; another one is computed as it stands.
        """
        self.steps += 1
        if self.graph is None and self.can_be_recorded and self.steps > WARM_UP:
            self._record(batch)
        if self.graph is None:
            self._forget()
            return self.compute(batch)
        for kept, part in zip(self.kept, tensors_of((batch.inputs, batch.labels)), strict=True):
            kept.copy_(part)
        self.graph.replay()
        return self.loss.clone()  # the next replay writes into it

    def _forget(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    def _record(self, batch: Split) -> None:
        """Record a step, which is not computed meanwhile; where that cannot be, go on without."""
        still = Split(mapped(torch.clone, batch.inputs), mapped(torch.clone, batch.labels))
        self.kept = tensors_of((still.inputs, still.labels))
        self._forget()  # so that replays write gradients and do not add to them
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=torch.cuda.current_stream()):
                self.loss = self.compute(still)
        except RuntimeError:  # something in it waits for the GPU
            self.can_be_recorded = False
            return
        self.graph = graph
