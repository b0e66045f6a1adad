"""Read images in the IDX format of MNIST and Fashion-MNIST, plain or gzipped.

The format (Y. LeCun's page on MNIST): two zero bytes, a type code, the number of dimensions, each dimension as a
big-endian 32-bit number, then the values. Not here: the child.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import torch

from actsearch.evaluators.data.dataset import DataSet, find_directory
from actsearch.evaluators.data.examples import BadData, Split

UNSIGNED_BYTE = 0x08
VALIDATION = 10_000  # validation images: the last of the 60,000 training images
FASHION_DIRECTORIES = ("/usr/share/datasets/fashion-mnist",)  # from Debian's package dataset-fashion-mnist
TORCHVISIONS = ("FashionMNIST/raw", "raw")  # torchvision's folders below its root
CLASSES = 10
MOST_DIMENSIONS = 3
LEAST = 6  # least images in a part, since a sixth of the training images is held out


def load(directory: str | None) -> DataSet[Split]:
    """Read the four files of a directory; a sixth of the training images, at most 10,000, become the validation split.

    Raises:
        BadData: a file is missing, of another kind, or broken.
    """
    folder = find_directory(directory, FASHION_DIRECTORIES, "the IDX files of Fashion-MNIST")
    within = (folder / name for name in TORCHVISIONS)
    folder = next((candidate for candidate in within if candidate.is_dir()), folder)
    parts: dict[str, Split] = {}
    for part in ("train", "t10k"):
        images, labels = (
            read(_file(folder, f"{part}-images-idx3-ubyte")),
            read(_file(folder, f"{part}-labels-idx1-ubyte")),
        )
        if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
            raise BadData(
                f"'{folder}': expected images (N, height, width) with N labels, found {images.shape} and {labels.shape}"
            )
        if len(labels) < LEAST:
            raise BadData(f"'{folder}': at least {LEAST} images are needed in each part, found {len(labels)}")
        if parts and images.shape[1:] != parts["train"].inputs.shape[2:]:
            sizes = f"{tuple(parts['train'].inputs.shape[2:])} and {images.shape[1:]}"
            raise BadData(f"'{folder}': images for training and testing must be of one size, found {sizes}")
        if labels.max() >= CLASSES:
            raise BadData(f"'{folder}': labels must be 0 to {CLASSES - 1}, found {labels.max()}")
        pixels = torch.from_numpy(images.astype(np.float32) / 255).unsqueeze(1)
        parts[part] = Split(pixels, torch.from_numpy(labels.astype(np.int64)))
    everything = parts["train"]
    held_out = min(VALIDATION, len(everything.labels) // 6)
    train = Split(everything.inputs[:-held_out], everything.labels[:-held_out])
    validation = Split(everything.inputs[-held_out:], everything.labels[-held_out:])
    return DataSet(train, validation, parts["t10k"], CLASSES)


def read(path: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """Return the array of one file.

    Raises:
        BadData: the file is not IDX, holds no bytes as values, or has another length than its header says.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as fault:
        raise BadData(f"'{path}' cannot be read: {fault}") from fault
    if len(content) < 4 or content[:2] != b"\0\0":
        raise BadData(
            f"'{path}' is not an IDX file: expected it to begin with two zero bytes, found {content[:2].hex()!r}"
        )
    if content[2] != UNSIGNED_BYTE:
        raise BadData(
            f"'{path}' holds values of type {content[2]:#04x}, expected unsigned bytes ({UNSIGNED_BYTE:#04x})"
        )
    dimensions = content[3]
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise BadData(f"'{path}' has {dimensions} dimensions, expected 1 (labels) or 3 (images)")
    start = 4 + 4 * dimensions
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4))
    if len(content) != start + math.prod(shape):
        raise BadData(
            f"'{path}' is truncated or damaged: {shape} needs {start + math.prod(shape)} bytes, found {len(content)}"
        )
    if 0 in shape[1:]:
        raise BadData(f"'{path}' is empty: its dimensions are {shape}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _file(folder: Path, name: str) -> Path:
    dotted = name.replace("-idx", ".idx")  # the spelling of some mirrors
    for path in (folder / f"{stem}{ending}" for stem in (name, dotted) for ending in ("", ".gz")):
        if path.is_file():
            return path
    raise BadData(f"'{folder}' has no file {name} (or {dotted}, or one of them with .gz behind)")
