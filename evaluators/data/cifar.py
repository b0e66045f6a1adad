"""CIFAR-10 and CIFAR-100 as their authors publish them: Python pickles, read without running anything in them.

A pickle may name any function to be called when it is loaded; this reader admits what the published files hold, arrays
of numbers in plain containers, and refuses the rest. The only door to pickle. Not here: the child.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evaluators.data.dataset import BadData, DataSet, Split, find_directory

VALIDATION = 5_000  # the last of the 50,000 training images
SIDE = 32
_ADMITTED = {  # what numpy's arrays are made with, under the names of its versions
    ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"),
}  # fmt: skip
FILES = {
    10: ("labels", [f"data_batch_{n}" for n in range(1, 6)], "test_batch"),
    100: ("fine_labels", ["train"], "test"),
}
USUAL = {10: "cifar-10-batches-py", 100: "cifar-100-python"}


class _Reader(pickle.Unpickler):
    """Knows arrays only."""

    def find_class(self, module: str, name: str) -> Any:
        """Admit what arrays are made of."""
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, and only arrays of numbers are read")
        return super().find_class(module, name)


def load(directory: str, classes: int) -> DataSet:
    """Read the batches of a directory, ``(N, 3, 32, 32)``, each channel with mean 0 and deviation 1 over the training.

    Args:
        directory: of the unpacked archive, or the one that holds it.
        classes: 10 or 100.

    Raises:
        BadData: a file is missing, foreign, truncated, or holds something else.
    """
    key, names, test_name = FILES[classes]
    folder = find_directory(directory, (), f"the Python version of CIFAR-{classes}")
    folder = folder / USUAL[classes] if (folder / USUAL[classes]).is_dir() else folder
    batches = [_read(folder / name, key, classes) for name in names]
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    test_images, test_labels = _read(folder / test_name, key, classes)
    mean, deviation = images.mean((0, 2, 3), keepdim=True), images.std((0, 2, 3), keepdim=True) + 1e-6
    images, test_images = (images - mean) / deviation, (test_images - mean) / deviation
    held_out = min(VALIDATION, len(labels) // 10)
    if held_out == 0:
        raise BadData(f"'{folder}' has {len(labels)} training images, at least 10 are needed")
    return DataSet(
        Split(images[:-held_out], labels[:-held_out]),
        Split(images[-held_out:], labels[-held_out:]),
        Split(test_images, test_labels),
        classes,
    )


def _read(path: Path, key: str, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    try:
        found = _Reader(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except OSError as fault:
        raise BadData(f"'{path}' cannot be read: {fault.strerror}") from fault
    except Exception as fault:  # a damaged pickle raises anything
        raise BadData(f"'{path}' is not one of CIFAR's pickles: {fault}") from fault
    if not isinstance(found, dict) or "data" not in found or key not in found:
        raise BadData(f"'{path}' is not one of CIFAR's pickles: expected 'data' and '{key}' in it")
    pixels, labels = np.asarray(found["data"]), np.asarray(found[key])
    if pixels.dtype != np.uint8 or pixels.shape != (len(labels), 3 * SIDE * SIDE):
        raise BadData(
            f"'{path}': expected {len(labels)} rows of {3 * SIDE * SIDE} bytes, found {pixels.shape} of {pixels.dtype}"
        )
    if len(labels) == 0 or labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= classes:
        raise BadData(f"'{path}': labels must be whole numbers from 0 to {classes - 1}")
    images = torch.from_numpy(pixels.reshape(-1, 3, SIDE, SIDE).astype(np.float32) / 255)
    return images, torch.from_numpy(labels.astype(np.int64))
