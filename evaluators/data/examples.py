"""The examples of one split: the interface of every kind, and the kind that is tensors in memory.

A batch of any kind is a ``Split``. Not here: the three splits together (``dataset``), loaders (``streams``), and the
forms in which a user may give a split (``own.data``).
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from actsearch.evaluators.schedule import batches
from actsearch.grammar.fault import UserFault

EVALUATION_BATCH = 250  # examples per forward pass in scoring: large enough to be fast, small enough for the cache
ON_GPU = 4096  # the same on a GPU, which has no such cache and adds a wait after each pass
DIGESTED = 256  # first examples of a loader or data set that enter its digest
Structure = Any  # a tensor, None, or tuples and dictionaries of structures


class BadData(UserFault):
    """Data cannot be used; the message names the file, the expected content and the actual one."""


def mapped(change: Callable[[Tensor], Tensor], structure: Structure) -> Structure:
    """Return a structure with a function applied to every tensor; other values stay.

    Args:
        change: function from the old tensor to the new one.
        structure: tensor, or nested tuples, lists and dictionaries.
    """
    if isinstance(structure, Tensor):
        return change(structure)
    if isinstance(structure, Mapping):
        return {key: mapped(change, part) for key, part in structure.items()}
    if isinstance(structure, (tuple, list)):
        return tuple(mapped(change, part) for part in structure)
    return structure


def tensors_of(structure: Structure) -> list[Tensor]:
    """Return all tensors of a structure, in order."""
    tensors: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        tensors.append(tensor)
        return tensor

    mapped(keep, structure)
    return tensors


def update(digest: "hashlib._Hash", structure: Structure) -> None:
    """Add the contents of a structure to a digest."""
    for part in tensors_of(structure):
        digest.update(f"{part.dtype}{tuple(part.shape)}".encode())
        plain = torch.view_as_real(part) if part.is_complex() else part
        flat = plain.detach().cpu().flatten().clone(memory_format=torch.contiguous_format)
        digest.update(flat.view(torch.uint8).numpy().data)


class Examples(ABC):
    """Interface of one split of the data."""

    device: torch.device
    """Device of the batches."""

    @abstractmethod
    def first(self, count: int) -> "Split":
        """Return a copy of the first ``count`` examples, or of all if there are fewer; every call returns the same."""

    @abstractmethod
    def targets(self, count: int) -> "Split":
        """Return the labels of about ``count`` examples, evenly spaced, since data may be sorted."""

    @abstractmethod
    def parts(self) -> Iterator["Split"]:
        """Yield all examples in batches for scoring; a network may change the inputs, which are copies."""

    @abstractmethod
    def stream(self, batch: int, steps: int, generator: torch.Generator) -> Iterator["Split"]:
        """Yield one batch per step, in whole epochs with a fresh order each.

        Args:
            batch: number of examples in a batch, unless the split has batches of its own.
            steps: number of batches.
            generator: generator of the order.
        """

    @abstractmethod
    def to(self, device: str, dtype: torch.dtype | None = None) -> "Examples":
        """Return the examples on a device; ``dtype``, if given, is the new type of floating-point numbers."""

    @abstractmethod
    def shortened(self, examples: int | None) -> "Examples":
        """Return only the first ``examples`` examples; None keeps all.

        Raises:
            BadData: the split cannot be shortened.
        """

    def update(self, digest: "hashlib._Hash") -> None:
        """Add the contents to a digest; by default the first ``DIGESTED`` examples."""
        seen = self.first(DIGESTED)
        update(digest, (seen.inputs, seen.labels))


@dataclass(frozen=True)
class Split(Examples):
    """Examples as tensors in memory; a batch of any kind is a split too.

    Args:
        inputs: inputs of the network: a tensor ``(N, ...)``, or a tuple or dictionary of such tensors.
        labels: labels of the inputs: classes ``(N,) int64``, or ``(N, T) int64`` with one for every position; for a
            user's network also numbers, a structure of tensors, or None.
        whole: whether the split is a loader's batch that cannot be divided, such as a graph with its edges. Its tensors
            have no common first dimension, and its length is that of its labels.
    """

    inputs: Structure
    labels: Structure
    whole: bool = False

    def __post_init__(self) -> None:
        """Check that labels and inputs are equal in number and not empty, unless the split is whole.

        Raises:
            BadData: the numbers differ, or there are no examples.
        """
        if self.whole and tensors_of((self.inputs, self.labels)):
            return
        counts = {len(part) if part.ndim else 0 for part in tensors_of((self.inputs, self.labels))}
        if not counts or len(counts) > 1 or 0 in counts:
            inputs, labels = (
                " and ".join(str(len(p)) if p.ndim else "one" for p in tensors_of(part)) or "no"
                for part in (self.inputs, self.labels)
            )
            raise BadData(
                f"a split needs as many labels as inputs, found {labels} and {inputs}; a graph, or another batch that "
                "cannot be divided, is what a loader yields: DataLoader([graph], batch_size=None)"
            )

    def __len__(self) -> int:
        """Return the number of examples."""
        if self.whole:
            return len(self.labels) if isinstance(self.labels, Tensor) and self.labels.ndim else 1
        return len(tensors_of((self.inputs, self.labels))[0])

    @property
    def device(self) -> torch.device:  # type: ignore[override]  # read only
        """Device of the first tensor."""
        return tensors_of((self.inputs, self.labels))[0].device

    def take(self, rows: Tensor | slice) -> "Split":
        """Return the examples at some rows; a whole split returns itself."""
        if self.whole:
            return self
        return Split(mapped(lambda t: t[rows], self.inputs), mapped(lambda t: t[rows], self.labels))

    def copy(self) -> "Split":
        """Return a copy that may be changed."""
        return Split(mapped(torch.clone, self.inputs), mapped(torch.clone, self.labels), self.whole)

    def first(self, count: int) -> "Split":
        """Return a copy of the first ``count`` examples."""
        return self.take(slice(count)).copy()

    def targets(self, count: int) -> "Split":
        """Return the labels of about ``count`` evenly spaced examples."""
        every = max(1, len(self) // count)
        return Split(None, mapped(lambda t: t[::every], self.labels))

    def parts(self) -> Iterator["Split"]:
        """Yield all examples in batches whose inputs are copies; the batch size suits the device."""
        count, size = len(self), EVALUATION_BATCH if self.device.type == "cpu" else ON_GPU
        # a single remaining example joins the batch before it, since batch normalisation needs more than one
        starts = [start for start in range(0, count, size) if start == 0 or count - start > 1]
        for start, end in pairwise([*starts, count]):
            part = self.take(slice(start, end))
            yield Split(mapped(torch.clone, part.inputs), part.labels)

    def stream(self, batch: int, steps: int, generator: torch.Generator) -> Iterator["Split"]:
        """Yield the batches of the order that ``schedule.batches`` draws."""
        for rows in batches(len(self), batch, steps, generator).to(self.device):
            yield self.take(rows)

    def to(self, device: str, dtype: torch.dtype | None = None) -> "Split":
        """Return the split with every tensor moved."""

        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device, dtype) if dtype and tensor.is_floating_point() else tensor.to(device)

        return Split(mapped(move, self.inputs), mapped(move, self.labels), self.whole)

    def shortened(self, examples: int | None) -> "Split":
        """Return only the first ``examples`` examples; None keeps all."""
        return self if examples is None else self.take(slice(examples))

    def update(self, digest: "hashlib._Hash") -> None:
        """Add all examples to a digest."""
        update(digest, (self.inputs, self.labels))


def joined(batches_of: Sequence[Split]) -> Split:
    """Return batches joined into one.

    The result is only the first batch if it is whole, or if the shapes of the examples differ.
    """
    if len(batches_of) == 1 or batches_of[0].whole:
        return batches_of[0]
    parts = [tensors_of((batch.inputs, batch.labels)) for batch in batches_of]
    if any([t.shape[1:] for t in part] != [t.shape[1:] for t in parts[0]] for part in parts):
        return batches_of[0]  # each batch is padded to its own length
    columns = iter([torch.cat(column) for column in zip(*parts, strict=True)])
    first = batches_of[0]
    return Split(*mapped(lambda _: next(columns), (first.inputs, first.labels)))
