"""What a challenge to Swish says, against SciPy's own tests."""

import dataclasses
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.outcome import Outcome, Request, Status
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import TaskSettings
from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.rows.known import read
from actsearch.search.ladder import FinalSettings, rungs, transfer_rung
from actsearch.search.memory.behaviours import Behaviours
from actsearch.search.memory.records import FINAL, Key, Record
from actsearch.search.memory.store import Store
from actsearch.search.settings.reading import load_settings
from scripts.replays.replay import file_of, load_table
from scripts.studies.challengers import Challenge, challenge_of

pytestmark = pytest.mark.nightly  # a study's

SEEDS = 12
HOME, AWAY = "mnist1d, 3000 steps", "digits, 60 steps"
TEXTS = {"swish": "mul(x,sigmoid(scale(x)))", "relu": "relu(x)", "abs": "abs(x)", "tanh": "tanh(x)"}


@pytest.fixture
def losses() -> dict[str, dict[str, np.ndarray]]:
    draw = np.random.default_rng(5)
    seed = draw.normal(size=(2, SEEDS))
    means = {"swish": (1.0, 1.0), "relu": (1.5, 0.5), "abs": (0.2, 1.6), "tanh": (0.9, 3.0)}
    return {
        task: {name: mean[place] + 0.3 * seed[place] + 0.1 * draw.normal(size=SEEDS) for name, mean in means.items()}
        for place, task in enumerate((HOME, AWAY))
    }


@pytest.fixture
def found(tmp_path: Path, losses: dict[str, dict[str, np.ndarray]]) -> Challenge:
    """Return the challenge of a store in which tanh fails once, on the other task."""
    ladder = rungs(resolve(TaskSettings()), [], FinalSettings(1, SEEDS, 3000))
    away = transfer_rung(resolve(dataclasses.replace(resolve(TaskSettings(name="digits")).settings, steps=60)), SEEDS)
    with Store(tmp_path, create=True) as store:
        store.add_rungs([*ladder, away])
        store.describe({"settings": json.dumps({"seed": 7})})
        met = Behaviours((), "none")
        rows = [met.meet(BUILT_IN.read(text), baseline=True) for text in TEXTS.values()]
        store.add_baselines([*rows])
        stranger = met.propose(BUILT_IN.read("sin(x)"))
        store.add_proposals([stranger], [], b"")
        for rung, task in ((FINAL, HOME), (away.name, AWAY)):
            for (name, text), row in zip(TEXTS.items(), rows, strict=True):
                for repeat, loss in enumerate(losses[task][name].tolist()):
                    failed = (name, task, repeat) == ("tanh", AWAY, 4)
                    store.add_outcome(_record(row.fingerprint, text, rung, repeat, None if failed else loss))
            store.add_outcome(_record(stranger.fingerprint, "sin(x)", rung, 0, 0.0))
        return challenge_of(store)


def _record(fingerprint: str, text: str, rung: str, repeat: int, loss: float | None) -> Record:
    if loss is None:
        outcome = Outcome(Status.DIVERGED, reason="loss is not finite")
    else:
        outcome = Outcome(Status.SCORED, loss, metrics={"validation_loss": loss, "test_loss": loss})
    return Record(Key(fingerprint, rung, repeat), Request(text, repeat, 60, test=True), outcome)


def test_baselines_are_challengers_and_what_the_run_proposed_is_none(found: Challenge) -> None:
    assert found.seed == 7
    assert [*found.losses] == [HOME, AWAY]
    assert found.challengers == ["abs", "tanh", "relu"]


@pytest.mark.parametrize("task", [HOME, AWAY])
def test_differences_are_paired_by_seed_and_tested_as_scipy_does(
    found: Challenge, losses: dict[str, dict[str, np.ndarray]], task: str
) -> None:
    against = found.against_swish()[task]
    names = [name for name in found.challengers if (name, task) != ("tanh", AWAY)]
    assert sorted(against) == sorted(names)
    oracle = [stats.wilcoxon(losses[task][name] - losses[task]["swish"], method="exact").pvalue for name in names]
    assert [against[name].p_value for name in names] == pytest.approx(oracle)
    for name in names:
        difference = losses[task][name] - losses[task]["swish"]
        assert against[name].difference == pytest.approx(difference.mean())
        half = stats.t.interval(0.95, SEEDS - 1, difference.mean(), stats.sem(difference))
        assert against[name].interval == pytest.approx(half)


def test_one_failed_seed_leaves_no_comparison_and_is_never_averaged_away(found: Challenge) -> None:
    assert found.losses[AWAY]["tanh"] == {}
    assert "tanh" not in found.against_swish()[AWAY]
    assert "tanh" in found.against_swish()[HOME]


@pytest.mark.parametrize("script", ["challengers", "rediscovery"])
@pytest.mark.parametrize(("made", "sentence"), [(False, "holds no run"), (True, "is not finished")])
def test_a_study_of_no_run_or_of_an_unfinished_one_is_refused_in_a_sentence(
    script: str,
    made: bool,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if made:
        Store(tmp_path, create=True).close()
    assert sentence in _refusal(script, tmp_path, monkeypatch, capsys)


def test_a_run_without_swish_is_no_challenge_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(tmp_path, create=True) as store:
        store.add_rungs(rungs(resolve(TaskSettings()), [], FinalSettings(1, SEEDS, 3000)))
        store.describe({"settings": json.dumps({"seed": 7}), "finished": "1"})
    assert "has no swish to compare with" in _refusal("challengers", tmp_path, monkeypatch, capsys)


def test_who_challenges_on_the_default_task_is_what_the_readme_says_of_the_tables() -> None:
    home, away = (load_table(file_of(task)) for task in ("mnist1d", "mnist1d_mlp"))
    swish = fingerprint(read("swish"))
    both = [n for n in home.means if home.means[n] < home.means[swish] and away.means[n] < away.means[swish]]
    assert len(both) == 5
    baselines = load_settings(Path("configs/challengers_table.yaml")).baselines
    assert {fingerprint(read(text)) for text in baselines} == {
        *both,
        *home.ranking[:2],
        swish,
        fingerprint(read("relu")),
    }


def _refusal(script: str, directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(sys, "argv", [script, "runs", str(directory)])
    with pytest.raises(SystemExit) as end:
        importlib.import_module(f"scripts.studies.{script}").main()
    assert end.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err
