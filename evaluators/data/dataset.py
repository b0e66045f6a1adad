"""A data set in three splits, and the cache directory that keeps generated data sets, checked by hash.

Not here: any particular data set (the neighbouring modules).
"""

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import platformdirs
import torch

from actsearch.evaluators.data.examples import BadData, Examples, Split

E_co = TypeVar("E_co", bound=Examples, covariant=True)
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class DataSet(Generic[E_co]):
    """A data set: ``train`` trains the child, ``validation`` scores the search, ``test`` is for finalists only.

    Args:
        train: training examples.
        validation: validation examples.
        test: test examples; None if no examples are held out.
        classes: number of classes; None if the labels are no classes.
        known_chance: chance loss, if it is not that of ``classes`` equally likely classes.
    """

    train: E_co
    validation: E_co
    test: E_co | None
    classes: int | None = None
    known_chance: float | None = None

    def __post_init__(self) -> None:
        """Check that there are at least two classes and that every label is one of them.

        Raises:
            BadData: a label is out of range, or there are fewer classes.
        """
        if self.classes is None:
            return
        if self.classes < 2:
            raise BadData(f"labels must be of at least 2 classes, found {self.classes}")
        for name, split in self.splits.items():
            labels = split.labels if isinstance(split, Split) else torch.zeros(1)
            if int(labels.min()) < 0 or int(labels.max()) >= self.classes:
                raise BadData(
                    f"labels of the {name} split must be 0 to {self.classes - 1}, "
                    f"found {int(labels.min())} to {int(labels.max())}"
                )

    @property
    def splits(self) -> dict[str, E_co]:
        """The existing splits, by name."""
        every = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in every.items() if split is not None}

    @property
    def class_count(self) -> int:
        """The number of classes.

        Raises:
            BadData: the labels are no classes.
        """
        if self.classes is None:
            raise BadData("the labels are no classes")
        return self.classes

    @property
    def chance(self) -> float | None:
        """The chance loss, at which rewards begin; None if it is unknown."""
        return math.log(self.classes) if self.known_chance is None and self.classes else self.known_chance

    @property
    def digest(self) -> str:
        """The digest of the contents: 16 hexadecimal digits, equal for equal data."""
        sha256 = hashlib.sha256()
        for split in self.splits.values():
            split.update(sha256)
        return sha256.hexdigest()[:16]

    def to(self, device: str, dtype: torch.dtype | None = None) -> "DataSet[Any]":
        """Return the data on a device; ``dtype``, if given, is the new type of floating-point numbers."""
        moved: dict[str, Any] = {name: split.to(device, dtype) for name, split in self.splits.items()}
        return replace(self, **moved)

    def shortened(self, examples: int | None) -> "DataSet[Any]":
        """Return the data with only the first ``examples`` training examples; None keeps all."""
        train: Any = self.train.shortened(examples)
        return replace(self, train=train)


Arrays = dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]


def cache_directory() -> Path:
    """Return the directory of generated data; the environment variable ACTSEARCH_CACHE overrides it."""
    return Path(os.environ.get("ACTSEARCH_CACHE") or platformdirs.user_cache_dir("actsearch"))


def find_directory(directory: str | None, usual: tuple[str, ...], what: str) -> Path:
    """Return the directory that the user named, or else the first usual one that exists.

    Args:
        directory: path that the user named, or None.
        usual: usual paths of the data.
        what: name of the data, for the message.

    Raises:
        BadData: no such directory exists.
    """
    for name in (directory,) if directory else usual:
        if Path(name).is_dir():
            return Path(name)
    sought = (
        f"'{directory}' is not one"
        if directory
        else "none is named" + (f", and '{usual[0]}' is absent" if usual else "")
    )
    raise BadData(f"key 'task.directory': expected the directory of {what}; {sought}")


def load_or_generate(name: str, generate: Callable[[], Arrays], directory: Path | None = None) -> DataSet[Split]:
    """Return a data set from the cache; generate and store it if it is absent or does not match its hash.

    Args:
        name: file name without ending.
        generate: function that returns the arrays ``{split}_inputs`` and ``{split}_labels`` for every split.
        directory: directory of the files; None means the user's cache.

    Raises:
        BadData: the data cannot be stored there.
    """
    directory = directory or cache_directory()
    data, record = directory / f"{name}.npz", directory / f"{name}.json"
    if not _is_intact(data, record):
        try:
            _store(generate(), data, record)
        except OSError as fault:
            raise BadData(
                f"the generated data of '{name}' cannot be kept in '{directory}': {fault.strerror}; "
                "the environment's ACTSEARCH_CACHE names another directory"
            ) from fault
    with np.load(data, allow_pickle=False) as arrays:
        splits = [
            Split(
                torch.from_numpy(arrays[f"{split}_inputs"].astype(np.float32)),
                torch.from_numpy(arrays[f"{split}_labels"].astype(np.int64)),
            )
            for split in SPLITS
        ]
    train, validation, test = splits
    return DataSet(train, validation, test, classes=int(max(split.labels.max() for split in splits)) + 1)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _is_intact(data: Path, record: Path) -> bool:
    if not (data.is_file() and record.is_file()):
        return False
    try:
        return bool(json.loads(record.read_text())["sha256"] == _sha256(data))
    except (json.JSONDecodeError, KeyError):
        return False


def _store(arrays: Arrays, data: Path, record: Path) -> None:
    """Write both files so that a reader sees the old pair, the new pair, or a mismatch, which it regenerates."""
    data.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data.parent) as scratch:
        fresh = Path(scratch) / data.name
        np.savez(fresh, allow_pickle=False, **arrays)
        (Path(scratch) / record.name).write_text(json.dumps({"sha256": _sha256(fresh)}))
        fresh.replace(data)
        (Path(scratch) / record.name).replace(record)
