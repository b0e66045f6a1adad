"""scikit-learn's digits: 1,797 images of 8x8 that come with the package, for a one-second check of the whole engine.

The task is too easy to rank activations (sin wins). Not here: the child.
"""

import numpy as np
import torch

from actsearch.evaluators.data.dataset import DataSet
from actsearch.evaluators.data.examples import BadData, Split

TRAIN, VALIDATION = 1197, 300  # 300 remain for the test
SHUFFLE_SEED = 0  # the file is ordered by writer, and a split must not be


def load() -> DataSet[Split]:
    """Return the images, ``(N, 1, 8, 8)`` in [0, 1].

    Raises:
        BadData: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits  # noqa: PLC0415  the import takes a second, which other tasks save
    except ModuleNotFoundError as fault:
        message = "the digits come with scikit-learn, which is not installed; pip install 'actsearch[digits]'"
        raise BadData(message) from fault

    digits = load_digits()
    order = np.random.default_rng(SHUFFLE_SEED).permutation(len(digits.target))
    images = torch.from_numpy(digits.images[order].astype(np.float32) / 16).unsqueeze(1)
    labels = torch.from_numpy(digits.target[order].astype(np.int64))
    bounds = (slice(0, TRAIN), slice(TRAIN, TRAIN + VALIDATION), slice(TRAIN + VALIDATION, None))
    train, validation, test = (Split(images[bound], labels[bound]) for bound in bounds)
    return DataSet(train, validation, test, classes=10)
