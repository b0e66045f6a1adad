"""The cache of generated data: made once, checked by hash, mended when it was damaged."""

from pathlib import Path

import numpy as np
import pytest
import torch

from actsearch.evaluators.data import mnist1d
from actsearch.evaluators.data.dataset import Arrays, load_or_generate
from actsearch.evaluators.data.examples import Split


class Maker:
    """Counts how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Arrays:
        self.calls += 1
        arrays: Arrays = {}
        for number, split in enumerate(("train", "validation", "test")):
            arrays[f"{split}_inputs"] = np.full((3, 2), number, dtype=np.float32)
            arrays[f"{split}_labels"] = np.array([0, 1, 2])
        return arrays


def test_data_is_generated_once(tmp_path: Path) -> None:
    make = Maker()
    first, second = (load_or_generate("toy", make, tmp_path) for _ in range(2))
    assert make.calls == 1
    assert torch.equal(first.splits["test"].inputs, second.splits["test"].inputs)
    assert first.classes == 3


@pytest.mark.parametrize("damage", ["data", "record", "missing"])
def test_damaged_data_is_made_anew(tmp_path: Path, damage: str) -> None:
    make = Maker()
    load_or_generate("toy", make, tmp_path)
    if damage == "data":
        path = tmp_path / "toy.npz"
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    elif damage == "record":
        (tmp_path / "toy.json").write_text("{")
    else:
        (tmp_path / "toy.json").unlink()
    assert load_or_generate("toy", make, tmp_path).train.inputs.sum() == 0
    assert make.calls == 2


def test_generating_leaves_numpys_and_pythons_generators_alone() -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index]
    mnist1d._generate()
    assert (before == np.random.get_state()[1]).all()  # type: ignore[index]


def test_a_split_with_more_inputs_than_labels_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="as many labels as inputs"):
        Split(torch.zeros(3, 2), torch.zeros(2, dtype=torch.int64))
