"""Examples that come one after the other: of a loader, in its own batches, or of a data set, by number.

Not here: tensors (``examples``).
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch

from actsearch.evaluators.data.examples import EVALUATION_BATCH, BadData, Examples, Split, joined
from actsearch.evaluators.schedule import batches

MOST_BATCHES = 20_000  # of a split that is scored


class Loaded(Examples):
    """Examples of a loader of the user's, in its own batches and its own order.

    Args:
        loader: can be iterated again and again, as ``torch.utils.data.DataLoader`` can.
        read: makes a ``Split`` of what it yields.
        device: where batches are brought.
        dtype: of their numbers with a point; None leaves it.
        name: of the split, for what is said.
    """

    def __init__(
        self, loader: Iterable[Any], read: Callable[[Any], Split], device: str = "cpu",
        dtype: torch.dtype | None = None, name: str = "",
    ) -> None:  # fmt: skip
        self.loader, self.read, self.device, self.dtype = loader, read, torch.device(device), dtype
        self.name = name

    def _batches(self) -> Iterator[Split]:
        for batch in self.loader:
            yield self.read(batch).to(str(self.device), self.dtype)

    def first(self, count: int) -> Split:
        """Return the first batches, whatever order the loader would draw now."""
        return self._first(count, lambda batch: batch)

    def targets(self, count: int) -> Split:
        """Return the labels of the first batches."""
        return self._first(count, lambda batch: Split(None, batch.labels))

    def _first(self, count: int, part: Callable[[Split], Split]) -> Split:
        found: list[Split] = []
        with _from_seed(self.loader):
            for batch in self._batches():
                found.append(part(batch))
                if sum(map(len, found)) >= count:
                    break
        if not found:
            raise BadData(f"the loader {self._called}yields no batch{self._why_empty()}")
        return joined(found).take(slice(count)).copy()

    def parts(self) -> Iterator[Split]:
        """Yield its batches, drawn alike every time."""
        with _from_seed(self.loader):
            for number, batch in enumerate(self._batches()):
                if number >= MOST_BATCHES:
                    raise BadData(
                        f"the loader {self._called}yields more than {MOST_BATCHES:,} batches, all of which are scored: "
                        "does it ever end?"
                    )
                yield batch

    def stream(self, batch: int, steps: int, generator: torch.Generator) -> Iterator[Split]:
        """Yield its batches, over and over; what it draws from follows from the generator."""
        done, seed = 0, int(torch.randint(2**62, (), generator=generator))
        for own in _generators(self.loader):
            own.manual_seed(seed)
        while done < steps:
            before = done
            for found in self._batches():
                yield found
                done += 1
                if done == steps:
                    return
            if done == before:
                raise BadData(f"the loader {self._called}yields no batch when it is iterated again; is it a generator?")

    @property
    def _called(self) -> str:
        return f"of data['{self.name}'] " if self.name else ""

    def _why_empty(self) -> str:
        """Return why a loader of torch's has no batch, where that is seen."""
        count, batch = None, getattr(self.loader, "batch_size", None)
        with contextlib.suppress(TypeError, NotImplementedError, AttributeError):
            count = len(self.loader.dataset)  # type: ignore[attr-defined]  # of torch's
        if count is not None and batch and getattr(self.loader, "drop_last", False) and count < batch:
            return f": it has {count} examples, a batch has {batch}, and drop_last leaves out what is not full"
        return ": its data set is empty" if count == 0 else ""

    def to(self, device: str, dtype: torch.dtype | None = None) -> "Loaded":
        """Bring batches there."""
        return Loaded(self.loader, self.read, device, dtype, self.name)

    def shortened(self, examples: int | None) -> "Loaded":
        """Return itself; a loader cannot be cut."""
        if examples is not None:
            raise BadData("key 'task.examples': a loader has its own examples; give it a data set that is shorter")
        return self


class Listed(Examples):
    """Examples of a data set of the user's that gives them by number.

    Args:
        source: has a length and gives an example by its number, as ``torch.utils.data.Dataset`` does.
        read: makes a ``Split`` of a list of examples.
        device: where batches are brought.
        count: how many of them are used.
        dtype: of their numbers with a point; None leaves it.
    """

    def __init__(
        self, source: Any, read: Callable[[Sequence[Any]], Split], device: str = "cpu", count: int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:  # fmt: skip
        self.source, self.read, self.device, self.dtype = source, read, torch.device(device), dtype
        self.count = min(len(source), len(source) if count is None else count)
        if self.count == 0:
            raise BadData("a data set has no examples")

    def __len__(self) -> int:
        """Return how many examples there are."""
        return self.count

    def _take(self, rows: Iterable[int]) -> Split:
        return self.read([self.source[row] for row in rows]).to(str(self.device), self.dtype)

    def first(self, count: int) -> Split:
        """Return the first ones, whatever they are augmented with now."""
        with _from_seed(self.source):
            return self._take(range(min(count, self.count)))

    def targets(self, count: int) -> Split:
        """Return some labels."""
        rows = range(0, self.count, max(1, self.count // count))
        with _from_seed(self.source):
            parts = [self._take(rows[at : at + EVALUATION_BATCH]) for at in range(0, len(rows), EVALUATION_BATCH)]
        return joined([Split(None, part.labels) for part in parts])

    def parts(self) -> Iterator[Split]:
        """Yield them in their order, drawn alike every time."""
        with _from_seed(self.source):
            for start in range(0, self.count, EVALUATION_BATCH):
                yield self._take(range(start, min(start + EVALUATION_BATCH, self.count)))

    def stream(self, batch: int, steps: int, generator: torch.Generator) -> Iterator[Split]:
        """Yield the rows of ``schedule.batches``."""
        for rows in batches(self.count, batch, steps, generator).tolist():
            yield self._take(rows)

    def to(self, device: str, dtype: torch.dtype | None = None) -> "Listed":
        """Bring batches there."""
        return Listed(self.source, self.read, device, self.count, dtype)

    def shortened(self, examples: int | None) -> "Listed":
        """Use the first ones alone."""
        count = self.count if examples is None else min(self.count, examples)
        return Listed(self.source, self.read, str(self.device), count, self.dtype)


def _generators(loader: Any) -> list[torch.Generator]:
    """Return the generators of a loader's own; where it has none it draws from torch's global one."""
    samplers = [getattr(loader, "sampler", None), getattr(getattr(loader, "batch_sampler", None), "sampler", None)]
    found = [getattr(holder, "generator", None) for holder in (loader, *samplers)]
    return list({id(one): one for one in found if isinstance(one, torch.Generator)}.values())


@contextlib.contextmanager
def _from_seed(source: Any) -> Iterator[None]:
    """Let a source draw the same as every time, and leave every generator as it was."""
    kept = [(own, own.get_state()) for own in _generators(source)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for own, _ in kept:
            own.manual_seed(0)
        try:
            yield
        finally:
            for own, state in kept:
                own.set_state(state)
