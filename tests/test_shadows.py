"""Nothing of the user's own that happens to be called as something of ours, or of Python's, stands in the way."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ACTSEARCH = str(Path(sys.executable).with_name("actsearch"))
SHADOWS = ("grammar.py", "types.py", "search.py", "search/__init__.py", "evaluators/__init__.py", "scripts/__init__.py")
CONFIG = "task: {name: own, steps: 40, batch: 20, own: {build: my_task.py:build}}\n"
TASK = """
import torch

def build(settings):
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(120, 2, generator=draw)
    labels = (inputs[:, 0] > 0).long()
    data = {name: (inputs[start::3], labels[start::3]) for start, name in enumerate(("train", "validation", "test"))}
    return torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)), data
"""


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """A user's directory in which many names are taken; whatever is imported of it leaves a trace and fails."""
    trace = str(tmp_path / "imported")
    for name in SHADOWS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"open({trace!r}, 'a').write({name!r})\nraise SystemExit(7)\n")
    (tmp_path / "my_task.py").write_text(TASK)
    (tmp_path / "actsearch.yaml").write_text(CONFIG)
    return tmp_path


def _answer(crowded: Path, *words: str) -> str:
    answer = subprocess.run([ACTSEARCH, *words], cwd=crowded, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert not (crowded / "imported").exists(), (crowded / "imported").read_text()
    return answer.stdout


def test_a_function_is_described_with_what_sympy_knows(crowded: Path) -> None:
    assert "Heaviside" in _answer(crowded, "describe", "relu")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pool", "config"),
    [("serial", []), ("ray", ["--config", "actsearch.yaml"])],
    ids=["our task, serial", "own task, Ray"],
)
def test_children_are_trained_in_this_process_and_in_a_worker(crowded: Path, pool: str, config: list[str]) -> None:
    words = ["evaluate", "relu", "--pool", pool, "--steps", "40", "--json", "--set", "pool.workers=1", *config]
    (row,) = json.loads(_answer(crowded, *words))
    assert row["accuracy"] > 0


def test_a_script_beside_them_imports_ours(crowded: Path) -> None:
    (crowded / "types.py").unlink()  # in the way of Python itself, where a script lies beside it
    (crowded / "mine.py").write_text("from actsearch.search.run import Search\nprint(Search.__name__)\n")
    answer = subprocess.run([sys.executable, "mine.py"], cwd=crowded, capture_output=True, text=True, check=False)
    assert answer.stdout == "Search\n", answer.stderr
    assert not (crowded / "imported").exists()
