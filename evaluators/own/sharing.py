"""Large data of the user's, held once a machine: as arrays that workers look at without a copy.

Not here: who carries them (``pools.ray_pool``) and what they are (``problem``).
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

LARGE = 50e6  # bytes; smaller data are made by each worker itself, which is as it always was
Packed = dict[str, tuple[Any, Any]]


def packed(settings: TaskSettings, large: float = LARGE) -> Packed | None:
    """Return the user's data as arrays; None where there are none, where they are small, or not all plain tensors."""
    if not settings.own.build:
        return None
    splits = load(settings).splits
    found: Packed = {}
    size = 0
    for name, split in splits.items():
        if not isinstance(split, Split):
            return None
        parts = tensors_of((split.inputs, split.labels))
        size += sum(part.numel() * part.element_size() for part in parts)
        if any(part.dtype is torch.bfloat16 or part.is_complex() for part in parts):
            return None  # NumPy has no such numbers, or Ray copies them
        found[name] = _changed(split.inputs), _changed(split.labels)
    return found if size >= large else None


def share(settings: TaskSettings, data: Packed) -> None:
    """Let this process look at data that are there, instead of making its own; ``build`` still makes the network.

    What a child is given of them are copies of single batches, so that nothing can change what all others see.
    """
    splits = {name: Split(_restored(inputs), _restored(labels)) for name, (inputs, labels) in data.items()}
    SHARED[settings] = DataSet(splits["train"], splits["validation"], splits.get("test"))


def _changed(structure: Any) -> Any:
    return mapped(_to_array, structure)


def _to_array(tensor: Tensor) -> Any:
    return tensor.detach().cpu().contiguous().numpy()


def _restored(structure: Any) -> Any:
    if isinstance(structure, np.ndarray):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that it cannot be written is what is wanted
            return torch.from_numpy(structure)
    if isinstance(structure, dict):
        return {key: _restored(part) for key, part in structure.items()}
    return tuple(map(_restored, structure)) if isinstance(structure, tuple) else structure
