"""Finalists trained elsewhere: added to the run, with fresh seeds, and never twice."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import OwnSettings, TaskSettings
from actsearch.search import jobs
from actsearch.search.command_line import main
from actsearch.search.jobs import launch
from actsearch.search.ladder import transfer_rung
from actsearch.search.memory.records import FINAL
from actsearch.search.memory.store import Store
from actsearch.search.plan import resolve as plan_of
from actsearch.search.ranking.leaderboard import leaderboard
from actsearch.search.settings.classes import SearchSettings
from actsearch.search.settings.reading import from_tree
from tests.search.test_runs import TREE

DIGITS = {"name": "digits", "steps": 3}
ELSEWHERE = "digits, 3 steps"


@pytest.fixture(scope="module")
def settings() -> SearchSettings:
    return from_tree({**TREE, "budget": {"children": 6, "batch": 5}, "transfer": [{"task": DIGITS, "seeds": 2}]})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, settings: SearchSettings) -> Path:
    directory = tmp_path_factory.mktemp("transferred")
    launch(plan_of(settings), directory)
    return directory


def test_a_search_transfers_finalists_and_baselines_where_its_settings_say_so(run: Path) -> None:
    with Store(run) as store:
        board, rungs = leaderboard(store), store.rungs()
    assert [rung.name for rung in rungs] == ["search", "rung 1", FINAL, ELSEWHERE]
    for entry in board.entries:
        assert (ELSEWHERE in entry.records) == (FINAL in entry.records)
        assert all("test_loss" in r.outcome.metrics for r in entry.records.get(ELSEWHERE, ()) if r.outcome.score)


def test_seeds_elsewhere_are_fresh_and_everybodys(run: Path) -> None:
    with Store(run) as store:
        records = store.outcomes().values()
    elsewhere = {record.request.seed for record in records if record.key.rung == ELSEWHERE}
    assert len(elsewhere) == 2
    assert not elsewhere & {record.request.seed for record in records if record.key.rung != ELSEWHERE}


def test_finalists_are_measured_for_what_they_cost(run: Path) -> None:
    with Store(run) as store:
        board, costs = leaderboard(store), store.costs()
    assert set(costs) == {entry.fingerprint for entry in board.entries if FINAL in entry.records}
    assert all(entry.cost == costs.get(entry.fingerprint) for entry in board.entries)
    assert any("cost" in entry.fronts for entry in board.entries)
    assert any("size" in entry.fronts for entry in board.entries)


def test_transfer_adds_a_task_to_a_finished_run_and_more_seeds_go_on(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["transfer", str(run), "--task=digits", "--steps=2", "--top=1", "--pool=serial", "--set=task.width=8"]
    main([*words, "--seeds=2"])
    assert "digits, 2 steps, width 8" in capsys.readouterr().out
    counts = []
    for seeds in (2, 3):
        main([*words, f"--seeds={seeds}"])
        with Store(run) as store:
            trained = [key for key in store.outcomes() if key.rung == "digits, 2 steps, width 8"]
        counts.append(len(trained))
    assert counts == [3 * 2, 3 * 3]  # the best finalist and two baselines

    monkeypatch.setattr(jobs, "open_pool", lambda *_: pytest.fail("a worker was started though nothing was missing"))
    main([*words, "--seeds=3"])
    capsys.readouterr()
    main(["show", str(run), "1", "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert set(facts["rungs"]) == {"search", "rung 1", FINAL, ELSEWHERE, "digits, 2 steps, width 8"}
    tally = facts["across_tasks"]["relu"]
    assert tally["wins"] + tally["ties"] + tally["losses"] == 3


def test_rungs_are_shown_with_their_agreement(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["rungs", str(run), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in found["rungs"][:4]] == ["search", "rung 1", FINAL, ELSEWHERE]
    pairs = {(row["below"], row["above"]) for row in found["agreements"]}
    assert {("search", "rung 1"), ("rung 1", FINAL), ("search", FINAL), (FINAL, ELSEWHERE)} <= pairs
    main(["rungs", str(run)])
    assert "Kendall's tau" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["transfer", "nowhere", "--task=digits"], "'nowhere' holds no run"),
        (["transfer", "RUN", "--task=digit"], "unknown task 'digit'; did you mean 'digits'?"),
        (["transfer", "RUN"], "name another task (--task) or another child of the same"),
        (["transfer", "UNFINISHED", "--task=digits"], "has no finalists yet: finish it with 'actsearch search' first"),
        (["rungs", "nowhere"], "'nowhere' holds no run"),
    ],
)
def test_wrong_input_is_one_sentence(
    words: list[str], sentence: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Store(tmp_path, create=True).close()
    places = {"RUN": str(run), "UNFINISHED": str(tmp_path)}
    with pytest.raises(SystemExit) as exit_:
        main([places.get(word, word) for word in words])
    assert exit_.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_rung_elsewhere_is_named_by_what_tells_it_from_others() -> None:
    task = TaskSettings(name="digits")
    assert transfer_rung(resolve(task), 1).name == "digits, 60 steps"
    assert transfer_rung(resolve(resolve(task).settings), 1) == transfer_rung(resolve(task), 1)
    assert transfer_rung(resolve(TaskSettings(name="digits", steps=9, width=64)), 1).name == "digits, 9 steps, width 64"


@pytest.mark.parametrize(
    "other", [{"build": "net.py:other"}, {"replace": ("blocks.0.act",)}, {"dimension": -1}, {"chance": 2.0}]
)
def test_own_tasks_that_train_differently_are_different_rungs(other: dict[str, Any]) -> None:
    usual = {"build": "net.py:make"}
    one, another = (TaskSettings(name="own", own=OwnSettings(**keys)) for keys in (usual, {**usual, **other}))
    assert transfer_rung(resolve(one), 1).name != transfer_rung(resolve(another), 1).name
    assert transfer_rung(resolve(one), 1).name == "own, net.py:make, 250 steps"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"transfer": [{"task": {"name": "digts"}}]}, "unknown task 'digts'; did you mean 'digits'?"),
        ({"transfer": [{"task": {"name": "cifar10", "directory": "nowhere"}}]}, "'nowhere'"),
        ({"task": {"name": "cifar10", "directory": "nowhere"}}, "'nowhere'"),
        ({"task": {"name": "own", "own": {"build": "nowhere.py:make"}}}, "there is no file 'nowhere.py'"),
    ],
)
def test_a_task_that_cannot_be_trained_is_said_before_the_search_and_leaves_no_run(
    changes: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        launch(plan_of(from_tree({**TREE, **changes})), tmp_path / "run")
    assert not (tmp_path / "run").exists()
