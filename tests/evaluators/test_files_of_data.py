"""Data from files: read as their authors publish them; whatever is wrong with a file is one clear sentence."""

import gzip
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actsearch.evaluators.data import cifar, digits, idx, mnist1d, text
from actsearch.evaluators.data.examples import BadData
from actsearch.evaluators.outcome import Request, Status
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import TaskSettings
from actsearch.evaluators.training import train_population

DEBIAN = Path(idx.FASHION_DIRECTORIES[0])
RANDOM = np.random.default_rng(0)


def _idx(array: np.ndarray[Any, Any]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def _fashion(folder: Path, side: int = 28, labels: int = 10) -> dict[str, np.ndarray[Any, Any]]:
    made: dict[str, np.ndarray[Any, Any]] = {}
    for part, count in (("train", 60), ("t10k", 20)):
        images = RANDOM.integers(0, 256, (count, side, side), dtype=np.uint8)
        classes = (np.arange(count) % labels).astype(np.uint8)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(_idx(images))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(_idx(classes)))
        made |= {f"{part} images": images, f"{part} labels": classes}
    return made


def test_idx_files_plain_and_gzipped_come_out_as_they_went_in(tmp_path: Path) -> None:
    made, data = _fashion(tmp_path), idx.load(str(tmp_path))
    assert [len(split.labels) for split in data.splits.values()] == [50, 10, 20]
    pixels = torch.cat([data.train.inputs, data.validation.inputs])
    np.testing.assert_allclose(pixels[:, 0].numpy() * 255, made["train images"], atol=1e-4)
    assert data.splits["test"].labels.tolist() == made["t10k labels"].tolist()


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
@pytest.mark.slow
def test_fashion_mnist_itself_is_read_and_learned() -> None:
    data = idx.load("")
    assert [len(split.labels) for split in data.splits.values()] == [50_000, 10_000, 10_000]
    assert data.splits["test"].labels.bincount().tolist() == [1000] * 10
    (outcome,) = train_population([Request("relu", 0, 30)], resolve(TaskSettings(name="fashion_mnist", batch=64)))
    assert outcome.metrics["validation_accuracy"] > 0.5


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda content: b"\x89PNG" + content[4:], "is not an IDX file: expected it to begin with two zero bytes"),
        (lambda content: content[:2] + b"\x0d" + content[3:], "holds values of type 0x0d, expected unsigned bytes"),
        (lambda content: content[:3] + b"A" + content[4:], "has 65 dimensions, expected 1 (labels) or 3 (images)"),
        (lambda content: content[:8] + bytes(4) + content[12:16], "is empty: its dimensions are (60, 0, 28)"),
        (lambda content: content[:-1], "is truncated or damaged: (60, 28, 28) needs 47056 bytes, found 47055"),
        (lambda content: b"", "is not an IDX file"),
    ],
)
def test_a_damaged_idx_file_is_named_with_what_is_wrong(tmp_path: Path, damage: Any, complaint: str) -> None:
    _fashion(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BadData) as found:
        idx.load(str(tmp_path))
    assert complaint in str(found.value)
    assert str(path) in str(found.value)


def test_a_truncated_gzip_missing_files_and_labels_out_of_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BadData, match=r"key 'task.directory': expected the directory of the IDX files .*nowhere' is not"
    ):
        idx.load(str(tmp_path / "nowhere"))
    with pytest.raises(BadData, match=r"has no file train-images-idx3-ubyte \(or train-images.idx3-ubyte, or"):
        idx.load(str(tmp_path))
    _fashion(tmp_path, labels=11)
    with pytest.raises(BadData, match="labels must be 0 to 9, found 10"):
        idx.load(str(tmp_path))
    path = tmp_path / "train-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BadData, match="cannot be read"):
        idx.load(str(tmp_path))


def _cifar(folder: Path, classes: int, count: int = 20) -> np.ndarray[Any, Any]:
    """Write files as the authors' own did: protocol 2, keys of both kinds among them."""
    key, names, test = cifar.FILES[classes]
    pixels = RANDOM.integers(0, 256, (count, 3072), dtype=np.uint8)
    for name in (*names, test):
        labels = [i % classes for i in range(count)]
        (folder / name).write_bytes(pickle.dumps({"data": pixels, key: labels, "batch_label": name}, protocol=2))
    return pixels


@pytest.mark.parametrize("classes", [10, 100])
def test_cifars_pickles_come_out_as_images_with_mean_0_and_deviation_1(tmp_path: Path, classes: int) -> None:
    pixels, data = _cifar(tmp_path, classes), cifar.load(str(tmp_path), classes)
    assert data.classes == classes
    assert data.train.inputs.shape[1:] == (3, 32, 32)
    everything = torch.cat([data.train.inputs, data.validation.inputs])
    torch.testing.assert_close(everything.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(everything.std((0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)
    red = pixels.reshape(-1, 3, 32, 32)[:, 0].astype(np.float64).ravel()  # channel, row, column: the authors' order
    ours = everything[: len(pixels), 0].ravel().double().numpy()
    assert np.corrcoef(red, ours)[0, 1] > 0.999999


def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    _cifar(tmp_path, 10)
    (tmp_path / "data_batch_3").write_bytes(pickle.dumps({"data": Evil(), "labels": []}, protocol=2))
    with pytest.raises(BadData, match=r"data_batch_3' is not one of CIFAR's pickles: it asks for posix.system"):
        cifar.load(str(tmp_path), 10)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"data": np.zeros((4, 3072), np.uint8)}, "expected 'data' and 'labels' in it"),
        ([1, 2], "expected 'data' and 'labels' in it"),
        ({"data": np.zeros((4, 3000), np.uint8), "labels": [0] * 4}, "expected 4 rows of 3072 bytes, found (4, 3000)"),
        ({"data": np.zeros((4, 3072), np.float32), "labels": [0] * 4}, "of float32"),
        (
            {"data": np.zeros((4, 3072), np.uint8), "labels": [0, 1, 2, 10]},
            "labels must be a list of whole numbers from 0 to 9",
        ),
        ({"data": np.zeros((4, 3072), np.uint8), "labels": [0.5] * 4}, "labels must be a list of whole numbers"),
    ],
)
def test_a_cifar_file_with_something_else_is_refused(tmp_path: Path, content: object, complaint: str) -> None:
    _cifar(tmp_path, 10)
    (tmp_path / "test_batch").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(BadData) as found:
        cifar.load(str(tmp_path), 10)
    assert complaint in str(found.value)


def test_a_pickle_that_would_make_numpy_trust_addresses_is_refused(tmp_path: Path) -> None:
    _cifar(tmp_path, 10)
    objects = b"cnumpy\nndarray\n((I1\ntcnumpy\ndtype\n(VO\ntR" + b"VAAAAAAAA\ntR."  # an array of pointers
    (tmp_path / "data_batch_1").write_bytes(objects)
    with pytest.raises(BadData, match="data_batch_1' is not one of CIFAR's pickles"):
        cifar.load(str(tmp_path), 10)
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps({"data": np.array([{}]), "labels": [1]}, protocol=2))
    with pytest.raises(BadData, match="something else than whole numbers"):
        cifar.load(str(tmp_path), 10)


@pytest.mark.parametrize("labels", [3, None, [[1]] * 4, [1, [2, 3], 4, 5], []])
def test_labels_that_are_no_list_of_numbers_are_refused(tmp_path: Path, labels: object) -> None:
    _cifar(tmp_path, 10)
    content = {"data": np.zeros((4, 3072), np.uint8), "labels": labels}
    (tmp_path / "test_batch").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(BadData, match="test_batch': labels must be a list of whole numbers"):
        cifar.load(str(tmp_path), 10)


def test_too_few_images_and_images_of_two_sizes_are_refused(tmp_path: Path) -> None:
    _fashion(tmp_path)
    small = RANDOM.integers(0, 256, (20, 12, 12), dtype=np.uint8)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(_idx(small))
    with pytest.raises(BadData, match="must be of one size"):
        idx.load(str(tmp_path))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(_idx(small[:0]))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(_idx(np.zeros(0, np.uint8))))
    with pytest.raises(BadData, match="at least 6 images are needed in each part, found 0"):
        idx.load(str(tmp_path))


def test_a_truncated_or_missing_cifar_file_is_refused_and_the_usual_folder_is_found(tmp_path: Path) -> None:
    inner = tmp_path / "cifar-10-batches-py"
    inner.mkdir()
    _cifar(inner, 10)
    assert len(cifar.load(str(tmp_path), 10).train.labels) == 90
    (inner / "data_batch_2").write_bytes((inner / "data_batch_2").read_bytes()[:500])
    with pytest.raises(BadData, match="data_batch_2' is not one of CIFAR's pickles"):
        cifar.load(str(tmp_path), 10)
    (inner / "data_batch_2").unlink()
    with pytest.raises(BadData, match="data_batch_2' cannot be read: No such file"):
        cifar.load(str(tmp_path), 10)
    with pytest.raises(BadData, match="expected the directory of the Python version of CIFAR-10; none is named"):
        cifar.load("", 10)


@pytest.mark.slow
def test_resnet20_is_trained_on_files_of_cifars_format(tmp_path: Path) -> None:
    _cifar(tmp_path, 10)
    task = TaskSettings(name="cifar10", directory=str(tmp_path), batch=8, augment=True, optimiser="sgd")
    assert train_population([Request("swish", 0, 2)], resolve(task))[0].status in {Status.SCORED, Status.DIVERGED}


def test_digits_are_scikit_learns() -> None:
    data = digits.load()
    assert [len(split.labels) for split in data.splits.values()] == [1197, 300, 300]
    assert float(data.train.inputs.max()) == 1.0


def test_a_text_becomes_windows_whose_labels_are_the_next_characters(tmp_path: Path) -> None:
    path = tmp_path / "some.txt"
    path.write_text("abcdefgh" * 1000)
    data = text.load(str(path))
    assert data.classes == 9  # eight letters, and one for whatever is rare
    assert torch.equal(data.train.inputs[:, 1:], data.train.labels[:, :-1])
    assert torch.equal(data.train.labels, (data.train.inputs + 1) % 8)


def test_without_a_file_the_text_is_pythons_own_library() -> None:
    data = text.load("")
    assert len(data.train.labels) > 5000
    assert data.classes == text.KEPT + 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"short", "is too short: at least 6400 characters are needed, found 5"),
        (b"\xff\xfe\x00" * 9000, "cannot be read"),
    ],
)
def test_a_text_that_cannot_be_used_is_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "some.txt"
    path.write_bytes(content)
    with pytest.raises(BadData, match=complaint):
        text.load(str(path))
    with pytest.raises(BadData, match="cannot be read: No such file"):
        text.load(str(tmp_path / "none.txt"))


def test_the_names_of_mirrors_and_torchvisions_folder_are_read_as_well(tmp_path: Path) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    made = _fashion(raw)
    for file in [*raw.iterdir()]:
        file.rename(file.with_name(file.name.replace("-idx", ".idx")))
    for folder in (tmp_path, tmp_path / "FashionMNIST", raw):
        data = idx.load(str(folder))
        assert torch.cat([data.train.labels, data.validation.labels]).tolist() == made["train labels"].tolist()


def test_nine_bytes_that_ask_for_eight_gigabytes_are_refused(tmp_path: Path) -> None:
    _cifar(tmp_path, 10)
    (tmp_path / "data_batch_1").write_bytes(b"\x80\x02]r\xff\xff\xff\x1f.")
    with pytest.raises(BadData, match=r"it counts 536870911 parts in 9 bytes; take the file as it was published"):
        cifar.load(str(tmp_path), 10)


def test_a_directory_that_nobody_reads_is_said() -> None:
    said = resolve(TaskSettings(name="digits", directory="somewhere")).prepare()
    assert said == ["task.directory does nothing here: the task 'digits' reads no files of yours"]
    assert resolve(TaskSettings(name="digits")).prepare() == []


def test_a_cache_that_cannot_be_written_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTSEARCH_CACHE", "/proc/nowhere")
    with pytest.raises(BadData, match=r"cannot be kept in '/proc/nowhere'.*ACTSEARCH_CACHE names another directory"):
        mnist1d.load()
