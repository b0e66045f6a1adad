"""The examples of one split: tensors, and what every other kind has in common with them.

A batch of any kind is a ``Split``. Not here: the three splits together (``dataset``), loaders (``streams``), and what a
user may give for one (``own.data``).
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

EVALUATION_BATCH = 250  # examples a forward pass when scoring: large enough to be fast, small enough to stay in cache
ON_GPU = 4096  # the same on a GPU, which has no such cache, and is waited for after each
DIGESTED = 256  # examples of a loader or a data set that its digest is made of
Structure = Any  # a tensor, None, or tuples and dictionaries of structures


class BadData(UserFault):
    """Data cannot be used; the message says which file, what was expected and what was found."""


def mapped(change: Callable[[Tensor], Tensor], structure: Structure) -> Structure:
    """Return a structure with every tensor of it changed; what is no tensor stays."""
    if isinstance(structure, Tensor):
        return change(structure)
    if isinstance(structure, Mapping):
        return {key: mapped(change, part) for key, part in structure.items()}
    if isinstance(structure, (tuple, list)):
        return tuple(mapped(change, part) for part in structure)
    return structure


def tensors_of(structure: Structure) -> list[Tensor]:
    """Return every tensor of a structure, in order."""
    found: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    mapped(keep, structure)
    return found


def update(digest: "hashlib._Hash", structure: Structure) -> None:
    """Add the contents of a structure to a digest."""
    for part in tensors_of(structure):
        digest.update(f"{part.dtype}{tuple(part.shape)}".encode())
        plain = torch.view_as_real(part) if part.is_complex() else part
        flat = plain.detach().cpu().flatten().clone(memory_format=torch.contiguous_format)
        digest.update(flat.view(torch.uint8).numpy().data)


class Examples(ABC):
    """One split of the data."""

    device: torch.device
    """Where its batches are."""

    @abstractmethod
    def first(self, count: int) -> "Split":
        """Return a copy of the first so many examples, or of all if there are fewer; the same at every call."""

    @abstractmethod
    def targets(self, count: int) -> "Split":
        """Return the labels alone of about so many examples, evenly spaced, since data may be sorted."""

    @abstractmethod
    def parts(self) -> Iterator["Split"]:
        """Yield all examples in batches, for scoring; copies, which a network may change."""

    @abstractmethod
    def stream(self, batch: int, steps: int, generator: torch.Generator) -> Iterator["Split"]:
        """Yield a batch a step, whole epochs in a fresh order each.

        Args:
            batch: examples, where the split does not come in batches of its own.
            steps: how many.
            generator: of the order.
        """

    @abstractmethod
    def to(self, device: str, dtype: torch.dtype | None = None) -> "Examples":
        """Return the examples on a device, numbers with a point in another type if one is named."""

    @abstractmethod
    def shortened(self, examples: int | None) -> "Examples":
        """Return the first so many examples; None leaves all.

        Raises:
            BadData: that cannot be done.
        """

    def update(self, digest: "hashlib._Hash") -> None:
        """Add the contents to a digest."""
        seen = self.first(DIGESTED)
        update(digest, (seen.inputs, seen.labels))


@dataclass(frozen=True)
class Split(Examples):
    """Examples as tensors, in memory; a batch of any other kind is one too.

    Args:
        inputs: ``(N, ...)``, or a tuple or dictionary of such tensors, with which the network is called.
        labels: what belongs to them: classes ``(N,) int64``, or ``(N, T) int64`` where every position has one; for
            networks of a user's also numbers, a structure of tensors, or None.
        whole: whether it is a batch of a loader that cannot be divided, such as a graph with its edges: its tensors
            have no common first dimension. Its length is that of its labels.
    """

    inputs: Structure
    labels: Structure
    whole: bool = False

    def __post_init__(self) -> None:
        """As many labels as inputs, and at least one, but for a whole."""
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
        """Return how many examples there are."""
        if self.whole:
            return len(self.labels) if isinstance(self.labels, Tensor) and self.labels.ndim else 1
        return len(tensors_of((self.inputs, self.labels))[0])

    @property
    def device(self) -> torch.device:  # type: ignore[override]  # read only
        """Where the first tensor is."""
        return tensors_of((self.inputs, self.labels))[0].device

    def take(self, rows: Tensor | slice) -> "Split":
        """Return some examples, by their numbers; a whole is returned as it is."""
        if self.whole:
            return self
        return Split(mapped(lambda t: t[rows], self.inputs), mapped(lambda t: t[rows], self.labels))

    def copy(self) -> "Split":
        """Return a copy that may be changed."""
        return Split(mapped(torch.clone, self.inputs), mapped(torch.clone, self.labels), self.whole)

    def first(self, count: int) -> "Split":
        """Return a copy of the first."""
        return self.take(slice(count)).copy()

    def targets(self, count: int) -> "Split":
        """Return some labels."""
        every = max(1, len(self) // count)
        return Split(None, mapped(lambda t: t[::every], self.labels))

    def parts(self) -> Iterator["Split"]:
        """Yield copies, in batches as large as is fast."""
        count, size = len(self), EVALUATION_BATCH if self.device.type == "cpu" else ON_GPU
        # one example left over is scored with those before it: a normalisation by the batch cannot do with one
        starts = [start for start in range(0, count, size) if start == 0 or count - start > 1]
        for start, end in pairwise([*starts, count]):
            part = self.take(slice(start, end))
            yield Split(mapped(torch.clone, part.inputs), part.labels)

    def stream(self, batch: int, steps: int, generator: torch.Generator) -> Iterator["Split"]:
        """Yield the rows of ``schedule.batches``."""
        for rows in batches(len(self), batch, steps, generator).to(self.device):
            yield self.take(rows)

    def to(self, device: str, dtype: torch.dtype | None = None) -> "Split":
        """Move every tensor."""

        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device, dtype) if dtype and tensor.is_floating_point() else tensor.to(device)

        return Split(mapped(move, self.inputs), mapped(move, self.labels), self.whole)

    def shortened(self, examples: int | None) -> "Split":
        """Return the first ones."""
        return self if examples is None else self.take(slice(examples))

    def update(self, digest: "hashlib._Hash") -> None:
        """Add everything."""
        update(digest, (self.inputs, self.labels))


def joined(batches_of: Sequence[Split]) -> Split:
    """Return batches as one."""
    if len(batches_of) == 1 or batches_of[0].whole:
        return batches_of[0]
    parts = [tensors_of((batch.inputs, batch.labels)) for batch in batches_of]
    if any([t.shape[1:] for t in part] != [t.shape[1:] for t in parts[0]] for part in parts):
        return batches_of[0]  # each is padded to its own length
    columns = iter([torch.cat(column) for column in zip(*parts, strict=True)])
    first = batches_of[0]
    return Split(*mapped(lambda _: next(columns), (first.inputs, first.labels)))
