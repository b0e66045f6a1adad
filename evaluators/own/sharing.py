"""Share the user's large data once per machine, as arrays that workers read without a copy.

Not here: the transport (``pools.ray_pool``) and the reading of the data (``problem``).
"""

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from actsearch.evaluators.data.dataset import DataSet
from actsearch.evaluators.data.examples import Split, mapped, tensors_of
from actsearch.evaluators.own.problem import SHARED, load
from actsearch.evaluators.settings import TaskSettings

LARGE = 50e6  # bytes; each worker builds smaller data itself
Packed = dict[str, tuple[Any, Any]]  # inputs and labels as structures of arrays, by split


def packed(settings: TaskSettings, large: float = LARGE) -> Packed | None:
    """Return the user's data as arrays; None if there are none, if they are small, or if some are no plain tensors.

    Args:
        settings: settings of the task.
        large: least size in bytes of data worth sharing.
    """
    if not settings.own.build:
        return None
    splits = load(settings).splits
    arrays: Packed = {}
    size = 0
    for name, split in splits.items():
        if not isinstance(split, Split):
            return None
        parts = tensors_of((split.inputs, split.labels))
        size += sum(part.numel() * part.element_size() for part in parts)
        if any(part.dtype is torch.bfloat16 or part.is_complex() for part in parts):
            return None  # NumPy lacks bfloat16, and Ray would copy complex arrays
        arrays[name] = _arrays_of(split.inputs), _arrays_of(split.labels)
    return arrays if size >= large else None


def share(settings: TaskSettings, data: Packed) -> None:
    """Let this process read shared data instead of building its own; ``build`` still makes the network.

    A child gets copies of single batches, so that it cannot change the data of the others.

    Args:
        settings: settings of the task.
        data: result of ``packed``.
    """
    splits = {name: Split(_tensors_from(inputs), _tensors_from(labels)) for name, (inputs, labels) in data.items()}
    SHARED[settings] = DataSet(splits["train"], splits["validation"], splits.get("test"))


def _arrays_of(structure: Any) -> Any:
    return mapped(_to_array, structure)


def _to_array(tensor: Tensor) -> Any:
    return tensor.detach().cpu().contiguous().numpy()


def _tensors_from(structure: Any) -> Any:
    if isinstance(structure, np.ndarray):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it warns that the array is read-only, which is intended
            return torch.from_numpy(structure)
    if isinstance(structure, dict):
        return {key: _tensors_from(part) for key, part in structure.items()}
    return tuple(map(_tensors_from, structure)) if isinstance(structure, tuple) else structure
