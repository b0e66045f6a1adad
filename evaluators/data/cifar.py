"""Read CIFAR-10 and CIFAR-100 from the Python pickles that their authors publish, without running code in them.

A pickle may name any function to call on loading; this reader calls none of them. The published files hold arrays of
numbers in plain containers. The reader replaces those types by stand-ins of its own, and rejects everything else. No
other module of ``evaluators`` imports pickle. Not here: the child.
"""

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from actsearch.evaluators.data.dataset import DataSet, find_directory
from actsearch.evaluators.data.examples import BadData, Split

VALIDATION = 5_000  # validation images: the last of the 50,000 training images
SIDE = 32
FILES = {
    10: ("labels", [f"data_batch_{n}" for n in range(1, 6)], "test_batch"),
    100: ("fine_labels", ["train"], "test"),
}
USUAL = {10: "cifar-10-batches-py", 100: "cifar-100-python"}


class _Kind:
    """Stand-in for ``numpy.dtype`` in a pickle; it accepts only listed types in little-endian order."""

    def __init__(self, name: object, *_: object) -> None:
        self.name = name

    def __setstate__(self, state: tuple[object, ...]) -> None:
        if self.name not in KINDS or state[1] not in {"<", "|"} or any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError("it holds an array of something else than whole numbers")


class _Array:
    """Stand-in for an array in a pickle; its numbers are built from the plain bytes."""

    def __init__(self, *_: object) -> None:
        self.numbers: NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, content = state
        if not isinstance(kind, _Kind) or fortran:
            raise pickle.UnpicklingError("it holds an array of another layout")
        raw = content.encode("latin1") if isinstance(content, str) else bytes(content)
        self.numbers = np.frombuffer(raw, KINDS[str(kind.name)]).reshape(shape)


def _encode(text: str, encoding: str) -> bytes:
    """Stand in for ``codecs.encode``, by which Python 3 writes bytes for Python 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding}")
    return text.encode("latin1")


KINDS = {"u1": np.uint8, "i8": np.int64, "i4": np.int32, "f4": np.float32, "f8": np.float64}
STAND_INS: dict[tuple[str, str], Any] = {  # numpy's own functions are never called: they trust their arguments
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): _Kind,
    ("_codecs", "encode"): _encode,
}


class _Reader(pickle.Unpickler):
    """Unpickler that reads only arrays of numbers in plain containers."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a name, never the named object itself.

        Raises:
            UnpicklingError: the name has no stand-in.
        """
        if (module, name) not in STAND_INS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, and only arrays of numbers are read")
        return STAND_INS[module, name]


def load(directory: str | None, classes: int) -> DataSet[Split]:
    """Read images ``(N, 3, 32, 32)``, each channel normalised to mean 0 and deviation 1 over the training images.

    Args:
        directory: directory of the unpacked archive, or its parent.
        classes: number of classes, 10 or 100.

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


def _check_memo(content: bytes) -> None:
    """Reject a memo index larger than the file: nine bytes may ask for eight gigabytes."""
    for code, argument, _ in pickletools.genops(content):
        if "PUT" in code.name and isinstance(argument, int) and argument > len(content):
            raise pickle.UnpicklingError(f"it counts {argument} parts in {len(content)} bytes")


def _read(path: Path, key: str, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    try:
        content = path.read_bytes()
        _check_memo(content)
        batch = _Reader(io.BytesIO(content), encoding="latin1").load()
    except OSError as fault:
        raise BadData(f"'{path}' cannot be read: {fault.strerror}") from fault
    except Exception as fault:  # a damaged pickle may raise anything
        hint = "; take the file as it was published, not one that was pickled again"
        raise BadData(f"'{path}' is not one of CIFAR's pickles: {fault}{hint}") from fault
    if not isinstance(batch, dict) or "data" not in batch or key not in batch:
        raise BadData(f"'{path}' is not one of CIFAR's pickles: expected 'data' and '{key}' in it")
    labels = batch[key].numbers.tolist() if isinstance(batch[key], _Array) else batch[key]
    if (
        not isinstance(labels, list)
        or not labels
        or not all(type(label) is int and 0 <= label < classes for label in labels)
    ):
        raise BadData(f"'{path}': labels must be a list of whole numbers from 0 to {classes - 1}")
    pixels = batch["data"].numbers if isinstance(batch["data"], _Array) else None
    if pixels is None or pixels.dtype != np.uint8 or pixels.shape != (len(labels), 3 * SIDE * SIDE):
        shown = type(batch["data"]).__name__ if pixels is None else f"{pixels.shape} of {pixels.dtype}"
        raise BadData(f"'{path}': expected {len(labels)} rows of {3 * SIDE * SIDE} bytes, found {shown}")
    images = torch.from_numpy(pixels.reshape(-1, 3, SIDE, SIDE).astype(np.float32) / 255)
    return images, torch.tensor(labels)
