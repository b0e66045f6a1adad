"""Examples that are read one by one: from a loader, in its own batches, or from a data set, by number.

Not here: examples as tensors in memory (``examples``).
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch

from actsearch.evaluators.data.examples import EVALUATION_BATCH, BadData, Examples, Split, joined
from actsearch.evaluators.schedule import batches

MOST_BATCHES = 20_000  # most batches of a scored split; beyond it the loader is taken to be endless


class Loaded(Examples):
    """Examples of a user's loader, in its own batches and its own order.

    Args:
        loader: loader that can be iterated repeatedly, such as ``torch.utils.data.DataLoader``.
        read: function from a batch of the loader to a ``Split``.
        device: device of the batches.
        dtype: type of their floating-point numbers; None keeps it.
        name: name of the split, for messages.
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
        """Return the first ``count`` examples, from an iteration with a fixed seed: every call returns the same."""
        return self._first(count, lambda batch: batch)

    def targets(self, count: int) -> Split:
        """Return the labels of the first ``count`` examples."""
        return self._first(count, lambda batch: Split(None, batch.labels))

    def _first(self, count: int, part: Callable[[Split], Split]) -> Split:
        selected: list[Split] = []
        with _from_seed(self.loader):
            for batch in self._batches():
                selected.append(part(batch))
                if sum(map(len, selected)) >= count:
                    break
        if not selected:
            raise BadData(f"the loader {self._called}yields no batch{self._why_empty()}")
        return joined(selected).take(slice(count)).copy()

    def parts(self) -> Iterator[Split]:
        """Yield the loader's batches from a fixed seed, so that every iteration is the same."""
        with _from_seed(self.loader):
            for number, batch in enumerate(self._batches()):
                if number >= MOST_BATCHES:
                    raise BadData(
                        f"the loader {self._called}yields more than {MOST_BATCHES:,} batches, all of which are scored: "
                        "does it ever end?"
                    )
                yield batch

    def stream(self, batch: int, steps: int, generator: torch.Generator) -> Iterator[Split]:
        """Yield the loader's batches repeatedly; its own generators are seeded from ``generator``."""
        done, seed = 0, int(torch.randint(2**62, (), generator=generator))
        for own in _generators(self.loader):
            own.manual_seed(seed)
        while done < steps:
            before = done
            for split in self._batches():
                yield split
                done += 1
                if done == steps:
                    return
            if done == before:
                raise BadData(f"the loader {self._called}yields no batch when it is iterated again; is it a generator?")

    @property
    def _called(self) -> str:
        return f"of data['{self.name}'] " if self.name else ""

    def _why_empty(self) -> str:
        """Return the reason why a torch loader has no batch, if it is known; else an empty text."""
        count, batch = None, getattr(self.loader, "batch_size", None)
        with contextlib.suppress(TypeError, NotImplementedError, AttributeError):
            count = len(self.loader.dataset)  # type: ignore[attr-defined]  # a torch loader has it
        if count is not None and batch and getattr(self.loader, "drop_last", False) and count < batch:
            return f": it has {count} examples, a batch has {batch}, and drop_last leaves out what is not full"
        return ": its data set is empty" if count == 0 else ""

    def to(self, device: str, dtype: torch.dtype | None = None) -> "Loaded":
        """Return the same examples with another device, and another type if one is given."""
        return Loaded(self.loader, self.read, device, dtype, self.name)

    def shortened(self, examples: int | None) -> "Loaded":
        """Return the examples unchanged; only None is accepted.

        Raises:
            BadData: a number of examples is given, but a loader cannot be shortened.
        """
        if examples is not None:
            raise BadData("key 'task.examples': a loader has its own examples; give it a data set that is shorter")
        return self


class Listed(Examples):
    """Examples of a user's data set that is indexed by number.

    Args:
        source: data set with a length and an example for each number, such as ``torch.utils.data.Dataset``.
        read: function from a list of examples to a ``Split``.
        device: device of the batches.
        count: number of examples to use, from the first on; None uses all.
        dtype: type of their floating-point numbers; None keeps it.

    Raises:
        BadData: there are no examples.
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
        """Return the number of examples."""
        return self.count

    def _take(self, rows: Iterable[int]) -> Split:
        return self.read([self.source[row] for row in rows]).to(str(self.device), self.dtype)

    def first(self, count: int) -> Split:
        """Return the first ``count`` examples; augmentation draws from a fixed seed."""
        with _from_seed(self.source):
            return self._take(range(min(count, self.count)))

    def targets(self, count: int) -> Split:
        """Return the labels of about ``count`` evenly spaced examples."""
        rows = range(0, self.count, max(1, self.count // count))
        with _from_seed(self.source):
            parts = [self._take(rows[at : at + EVALUATION_BATCH]) for at in range(0, len(rows), EVALUATION_BATCH)]
        return joined([Split(None, part.labels) for part in parts])

    def parts(self) -> Iterator[Split]:
        """Yield the examples in order; augmentation draws from a fixed seed."""
        with _from_seed(self.source):
            for start in range(0, self.count, EVALUATION_BATCH):
                yield self._take(range(start, min(start + EVALUATION_BATCH, self.count)))

    def stream(self, batch: int, steps: int, generator: torch.Generator) -> Iterator[Split]:
        """Yield the batches of the order that ``schedule.batches`` draws."""
        for rows in batches(self.count, batch, steps, generator).tolist():
            yield self._take(rows)

    def to(self, device: str, dtype: torch.dtype | None = None) -> "Listed":
        """Return the same examples with another device, and another type if one is given."""
        return Listed(self.source, self.read, device, self.count, dtype)

    def shortened(self, examples: int | None) -> "Listed":
        """Return only the first ``examples`` examples; None keeps all."""
        count = self.count if examples is None else min(self.count, examples)
        return Listed(self.source, self.read, str(self.device), count, self.dtype)


def _generators(loader: Any) -> list[torch.Generator]:
    """Return a loader's own generators; a loader without any draws from torch's global one."""
    samplers = [getattr(loader, "sampler", None), getattr(getattr(loader, "batch_sampler", None), "sampler", None)]
    candidates = [getattr(holder, "generator", None) for holder in (loader, *samplers)]
    return list({id(one): one for one in candidates if isinstance(one, torch.Generator)}.values())


@contextlib.contextmanager
def _from_seed(source: Any) -> Iterator[None]:
    """Seed torch's and the source's generators with 0 within the ``with`` statement, and restore them afterwards."""
    states = [(own, own.get_state()) for own in _generators(source)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for own, _ in states:
            own.manual_seed(0)
        try:
            yield
        finally:
            for own, state in states:
                own.set_state(state)
