"""What a score is in and which way is better is said of every number, and nothing claims a test that was none."""

import json
import math
import re
from pathlib import Path

import pytest

from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import OwnSettings, TaskSettings
from actsearch.grammar.rows.known import read
from actsearch.search.command_line import main
from actsearch.search.proposers.knowledge import KnowledgeOfTask, promise
from actsearch.search.proposers.prior import shipped

HEAD = """
import torch
from torch import nn

G = torch.Generator().manual_seed(0)
X = torch.randn(120, 6, generator=G)
Y = X[:, :3].sum(1)

def parts(*names):
    rows = {"train": slice(80), "validation": slice(80, 100), "test": slice(100, 120)}
    return {name: (X[rows[name]], Y[rows[name]]) for name in names}

def build(settings):
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1)), parts("train", "validation", "test")

def build_without(settings):
    return build(settings)[0], parts("train", "validation")

def quality(make, seed, budget):
    layer = make(4)
    return -float(layer(torch.linspace(-1, 1, 12).view(3, 4)).square().mean())

def told(make, seed, budget):
    return {"validation": quality(make, seed, budget), "test": quality(make, seed, budget) / 2, "recall": 0.5}
"""
SMALL = ["--set", "ladder=[]", "--set", "final={top: 2, seeds: 2, steps: 4}", "--set", "budget.children=3",
         "--set", "proposer.name=random", "--set", "pool.kind=serial", "--set", "task.steps=3"]  # fmt: skip


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> "object":
    (tmp_path / "mine.py").write_text(HEAD)

    def search(**own: str) -> tuple[str, list[dict[str, object]]]:
        settings = {"name": "own", "own": own, "batch": 20}
        config = tmp_path / "mine.yaml"
        config.write_text(json.dumps({"task": settings, "baselines": ["relu", "swish"]}))
        main(["search", str(config), "--run", str(tmp_path / "run"), *SMALL])
        said = capsys.readouterr().out
        main(["top", str(tmp_path / "run"), "--json"])
        listed = json.loads(capsys.readouterr().out)["entries"]
        main(["show", str(tmp_path / "run"), "relu"])
        return said + capsys.readouterr().out, listed

    return search


def _own(tmp_path: Path, **names: str) -> dict[str, str]:
    return {
        key: f"{tmp_path / 'mine.py'}:{value}" if key in {"build", "score"} else value for key, value in names.items()
    }


def test_a_regression_says_squared_error_and_nowhere_nats(tmp_path: Path, run: object) -> None:
    said, listed = run(**_own(tmp_path, build="build", loss="mse"))  # type: ignore[operator]
    assert "loss in squared error, lower is better" in said
    assert "nats" not in said
    assert "elsewhere:" not in said
    assert "mean over their seeds on the test split" in said
    assert listed[0]["unit"] == "squared error"
    assert not listed[0]["higher_is_better"]


def test_without_a_test_split_nothing_claims_a_test(tmp_path: Path, run: object) -> None:
    said, _ = run(**_own(tmp_path, build="build_without", loss="mse"))  # type: ignore[operator]
    assert "nothing was held out for judging" in " ".join(said.split())
    assert "mean over their seeds on the validation split" in said


def test_a_score_of_which_more_is_better_is_shown_as_it_is(tmp_path: Path, run: object) -> None:
    said, listed = run(**_own(tmp_path, score="told", direction="maximise"))  # type: ignore[operator]
    assert "scores of your own, higher is better" in said
    assert "nats" not in said
    assert " loss " not in said
    relu = next(row for row in listed if row["known_as"] == "relu")
    assert relu["score"] == pytest.approx(-(0.0 + sum((i / 11 * 2 - 1) ** 2 for i in range(6, 12))) / 24, rel=1e-5)
    assert relu["higher_is_better"] is True
    assert relu["rungs"]["final"]["loss"] == -relu["score"]
    assert all(row["recall"] == 0.5 for row in relu["outcomes"])
    scores = [row["score"] for row in listed if row["score"] is not None]
    assert scores == sorted(scores, reverse=True)


def test_one_number_makes_no_claim_of_a_test(tmp_path: Path, run: object) -> None:
    said, listed = run(**_own(tmp_path, score="quality"))  # type: ignore[operator]
    assert "nothing was held out for judging" in " ".join(said.split())
    assert all("test_loss" not in row for entry in listed for row in entry["outcomes"])
    assert "scores of your own, lower is better" in said


@pytest.mark.parametrize(
    ("own", "complaint"),
    [
        ({"build": "build", "direction": "maximise"}, "is minimised; metrics may be maximised"),
        ({"score": "quality", "direction": "maximize"}, "'maximise'"),
        ({"score": "quality", "loop": "true"}, "excludes|valid boolean|true or false"),
    ],
)
def test_a_direction_that_cannot_be_is_one_sentence(
    tmp_path: Path, run: object, own: dict[str, str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(**_own(tmp_path, **own))  # type: ignore[operator]
    assert ended.value.code == 2
    assert re.search(complaint, capsys.readouterr().err)


@pytest.mark.parametrize(("own", "warm"), [({"score": "quality"}, False), ({"build": "build", "loss": "mse"}, True)])
def test_without_a_prior_a_controller_is_warmed_up_only_where_something_can_be_read(
    tmp_path: Path, run: object, own: dict[str, str], warm: bool
) -> None:
    run  # noqa: B018  writes the file
    task = TaskSettings(name="own", batch=20, steps=3, own=OwnSettings(**_own(tmp_path, **own)))  # type: ignore[arg-type]
    knowledge = KnowledgeOfTask(resolve(task), seed=0, prior=None)
    assert math.isnan(promise(knowledge, read("relu"))) is not warm
    assert math.isfinite(promise(KnowledgeOfTask(resolve(task), seed=0, prior=shipped()), read("relu")))
