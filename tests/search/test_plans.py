"""Before anything is trained: where the candidate goes and what it all costs; ``--dry-run`` stops there."""

import pickle
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from actsearch.evaluators import registry
from actsearch.evaluators.network_task import NetworkTask
from actsearch.search.command_line import main
from actsearch.search.forecast import forecast
from actsearch.search.plan import resolve
from actsearch.search.settings.reading import settings_of
from tests.test_tiny import TINY

NET = """
import torch
from torch import nn
from torch.nn import functional as F

G = torch.Generator().manual_seed(0)
X = torch.randn(90, 3, 8, generator=G)
K = (X.sum((1, 2)) > 0).long()

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.act, self.last = nn.Conv1d(3, 5, 3), nn.ReLU(), nn.Linear(5, 2)
    def forward(self, x):
        return self.last(F.relu(self.act(self.first(x)).mean(2)) + F.gelu(x.sum()))

def build(settings):
    return Net(), {"train": (X[:40], K[:40]), "validation": (X[40:60], K[40:60]), "test": (X[60:], K[60:])}

def score(make, seed, budget):
    return 1.0
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(NET)
    path = tmp_path / "net.yaml"
    path.write_text(
        f"task: {{name: own, steps: 10, batch: 20, own: {{build: '{tmp_path}/net.py:build'}}}}\n"
        "pool: {kind: serial}\nbudget: {children: 20}\nladder: [{share: 0.1}]\nfinal: {top: 2, seeds: 3}\n"
    )
    return path


def test_a_plan_says_where_the_candidate_goes_and_what_everything_costs(config: Path) -> None:
    found = forecast(resolve(settings_of(config, [])))
    assert found is not None
    assert [(place.channels, place.dimension) for place in found.places] == [(5, 1), (5, 1)]
    assert found.places[0].where == "layer 'act'"
    assert found.places[1].where.startswith("the call at net.py:")
    weights = 3 * 5 * 3 + 5 + 5 * 2 + 2
    assert found.parameters == (weights + 10, weights)
    assert 0.5 < (found.chance or 0) < 0.8
    assert 0 < found.untrained < 10
    assert {name: (goal.children, goal.steps) for name, goal in found.goals.items()} == {
        "search": (24, 10), "rung 1": (6, 40), "final": (18, 40),
    }  # fmt: skip
    trained = sum(goal.children * found.child(goal.steps) for goal in found.goals.values())
    assert found.seconds == pytest.approx(found.start + 24 * found.look + trained)
    assert 0 < found.look < 5
    assert found.child(found.goals["final"].steps) >= found.child(found.goals["search"].steps) > 0
    assert found.memory > 1e8


def test_a_dry_run_prints_it_and_trains_nothing(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["search", str(config), "--run", str(tmp_path / "run"), "--dry-run"])
    said = capsys.readouterr()
    assert "layer 'act'" in said.out
    assert "the call at net.py:" in said.out
    assert "seconds a child" in said.out
    assert "nothing was trained" in said.out
    assert "also calls gelu once" in said.err
    assert not (tmp_path / "run").exists()


def test_a_search_of_ones_own_network_shows_it_once(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["search", str(config), "--run", str(tmp_path / "run"), "--set", "budget.children=2", "--set", "ladder=[]",
             "--set", "final={top: 1, seeds: 2}", "--set", "proposer.name=random"]  # fmt: skip
    main(words)
    assert "the candidate takes the place of" in capsys.readouterr().out
    main(words)
    assert "the candidate takes the place of" not in capsys.readouterr().out


def test_a_dry_run_of_a_task_of_this_engine_and_of_a_whole_training(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["search", "configs/quickstart.yaml", *TINY, "--run", str(tmp_path / "run"), "--dry-run"])
    assert "seconds a child" in capsys.readouterr().out
    config.write_text(config.read_text().replace("build: '", "score: '").replace(":build'", ":score'"))
    main(["search", str(config), "--run", str(tmp_path / "run"), "--dry-run"])
    assert "known by what it returns" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def _entered(run: Callable[[], object], *functions: Any) -> list[int]:
    """Return how often each function was entered."""
    counts: Counter[object] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            counts[frame.f_code] += 1

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return [counts[function.__code__] for function in functions]


@pytest.mark.parametrize("transfer", ["[]", "[{task: {name: digits, steps: 2}, seeds: 1}]"])
@pytest.mark.parametrize("own", [True, False])
def test_a_search_resolves_each_of_its_tasks_once_and_tries_it_once(
    config: Path, tmp_path: Path, own: bool, transfer: str
) -> None:
    words = ["search", str(config if own else Path("configs/quickstart.yaml")), "--run", str(tmp_path / "run"), *TINY,
             f"--set=transfer={transfer}"]  # fmt: skip
    tasks = 1 + (transfer != "[]")
    assert _entered(lambda: main(words), registry.resolve, NetworkTask.prepare) == [tasks, tasks]
    assert _entered(lambda: main(words), registry.resolve, NetworkTask.prepare) == [tasks, 0]  # it is finished


@pytest.mark.parametrize(
    "changes", [["task.steps=7"], ["task.own={score: '{}/net.py:score'}"], ["task={name: digits}"]]
)
def test_a_task_crosses_to_a_worker_as_its_settings(config: Path, changes: list[str]) -> None:
    task = registry.resolve(settings_of(config, [change.replace("{}", str(config.parent)) for change in changes]).task)
    sent = pickle.dumps(task)
    assert pickle.loads(sent) == task  # noqa: S301  it was written here
    assert len(sent) < 3000
