"""A data set in three splits, and the user's cache directory where generated ones are kept, checked by hash.

Not here: any particular data set (``mnist1d``).
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs
import torch
from torch import Tensor

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Examples ``inputs (N, ...) float32`` with ``labels (N,) int64``."""

    inputs: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        """As many labels as inputs, and at least one."""
        if len(self.inputs) != len(self.labels) or len(self.labels) == 0:
            raise ValueError(f"a split needs as many labels as inputs, found {len(self.labels)} and {len(self.inputs)}")


@dataclass(frozen=True)
class DataSet:
    """``train`` trains the child, ``validation`` scores the search, ``test`` is for finalists only."""

    train: Split
    validation: Split
    test: Split
    classes: int


Arrays = dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]


def cache_directory() -> Path:
    """Return the directory of generated data; the environment's ACTSEARCH_CACHE moves it."""
    return Path(os.environ.get("ACTSEARCH_CACHE") or platformdirs.user_cache_dir("actsearch"))


def load_or_generate(name: str, generate: Callable[[], Arrays], directory: Path | None = None) -> DataSet:
    """Return the data set of that name; generate and keep it when it is absent or does not match its hash.

    Args:
        name: file name without ending.
        generate: makes ``{split}_inputs`` and ``{split}_labels`` for every split.
        directory: where to keep it, by default the user's cache.
    """
    directory = directory or cache_directory()
    data, record = directory / f"{name}.npz", directory / f"{name}.json"
    if not _is_intact(data, record):
        _keep(generate(), data, record)
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


def _keep(arrays: Arrays, data: Path, record: Path) -> None:
    """Write both files so that a reader meets the old pair, the new pair, or a mismatch that it regenerates."""
    data.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data.parent) as scratch:
        fresh = Path(scratch) / data.name
        np.savez(fresh, allow_pickle=False, **arrays)
        (Path(scratch) / record.name).write_text(json.dumps({"sha256": _sha256(fresh)}))
        fresh.replace(data)
        (Path(scratch) / record.name).replace(record)
