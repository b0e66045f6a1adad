"""What a run is made of stays the same from its first child to its last, or the run is not gone on with."""

import dataclasses
import json
import shutil
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import pytest

from actsearch.evaluators.native import compiler
from actsearch.evaluators.native.compiler import is_available
from actsearch.evaluators.outcome import WORKER_DEATHS, Outcome, Request, Status
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.sentences import BadSettings
from actsearch.evaluators.settings import CompleteSettings, OwnSettings, TaskSettings
from actsearch.search.core import train_all
from actsearch.search.jobs import launch
from actsearch.search.memory.decisions import KERNEL, NotTheSame, decided
from actsearch.search.memory.records import SEARCH
from actsearch.search.memory.store import Store
from actsearch.search.plan import resolve as plan_of
from actsearch.search.ranking.leaderboard import leaderboard
from actsearch.search.run import Search
from actsearch.search.settings.classes import SearchSettings
from actsearch.search.settings.reading import from_tree
from tests.search.made_runs import edited
from tests.search.test_runs import SMALL, TREE, FakePool


@pytest.fixture
def _forgotten_kernel() -> Iterator[None]:
    compiler._attempt.cache_clear()
    yield
    compiler._attempt.cache_clear()


def _said(directory: Path, task: TaskSettings) -> tuple[CompleteSettings, list[str]]:
    sentences: list[str] = []
    with Store(directory, create=True) as store:
        return decided(store, resolve(task), sentences.append).settings, sentences


@pytest.mark.skipif(not is_available(), reason="no C compiler here: torch trains the children")
@pytest.mark.usefixtures("_forgotten_kernel")
def test_a_run_begun_with_the_kernel_is_not_gone_on_with_by_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch(plan_of(_children(3)), tmp_path)
    with Store(tmp_path) as store:
        assert store.fact(KERNEL) == "native"
    _unfinish(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    compiler._attempt.cache_clear()
    with pytest.raises(NotTheSame, match=r"begun with the kernel.*cc, gcc, clang.*--set task.kernel=torch"):
        launch(plan_of(_children(3)), tmp_path)
    monkeypatch.undo()
    compiler._attempt.cache_clear()
    launch(plan_of(_children(3)), tmp_path)


@pytest.mark.usefixtures("_forgotten_kernel")
def test_a_run_begun_by_torch_is_gone_on_with_by_torch_also_where_a_compiler_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert _said(tmp_path, TaskSettings())[0].kernel == "torch"
    monkeypatch.undo()
    compiler._attempt.cache_clear()
    assert _said(tmp_path, TaskSettings())[0].kernel == "torch"


def _children(count: int) -> SearchSettings:
    return from_tree({**TREE, "budget": {"children": count, "batch": 5}, "task": {"steps": 2, "batch": 32}})


def _unfinish(directory: Path) -> None:
    with edited(directory) as connection:
        connection.execute("DELETE FROM run WHERE key IN ('finished', 'climbed')")


def _own(directory: Path) -> TaskSettings:
    path = directory / "mine.py"
    path.write_text(
        "import torch\nfrom torch import nn\nX = torch.linspace(-1, 1, 60).view(20, 3)\nY = torch.arange(20) % 2\n"
        "def build(settings):\n"
        "    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), dict.fromkeys(\n"
        "        ('train', 'validation', 'test'), (X, Y))\n"
    )
    return TaskSettings(name="own", own=OwnSettings(build=f"{path}:build"))


def test_a_run_is_not_gone_on_with_on_other_data(tmp_path: Path) -> None:
    run, task = tmp_path / "run", _own(tmp_path)
    for _ in range(2):
        kept, sentences = _said(run, task)
        assert (dataclasses.replace(kept, stack=None), sentences) == (resolve(task).settings, [])
    with edited(run) as connection:
        assert connection.execute("UPDATE run SET value = 'else' WHERE key LIKE 'data of %'").rowcount == 1
    with pytest.raises(
        NotTheSame, match=r"was begun with other data of the task '.*mine.py:build': seed the generator"
    ):
        _said(run, task)


def test_another_torch_than_the_run_was_begun_with_is_said(tmp_path: Path) -> None:
    with Store(tmp_path, create=True) as store:
        store.describe({"versions": json.dumps({"torch": "1.0"})})
    task, sentences = _said(tmp_path, TaskSettings(name="digits"))
    assert task.name == "digits"
    assert sentences[0].startswith("this run was begun with torch 1.0, here is ")


def test_a_run_that_another_version_of_this_program_began_says_so(tmp_path: Path) -> None:
    for version, count in (("0.1.0", 1), (metadata.version("actsearch"), 0)):
        with Store(tmp_path / version, create=True) as store:
            store.describe({"versions": json.dumps({"actsearch": version})})
        _, sentences = _said(tmp_path / version, TaskSettings(name="digits"))
        assert len(sentences) == count
        assert all(said.endswith(": its changelog says which scores differ from now on") for said in sentences)


class _Dying(FakePool):
    """Loses the workers under one child, as if somebody had killed them."""

    def evaluate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Outcome]]:
        for place, outcome in super().evaluate(requests):
            lost = Outcome(Status.CRASHED, reason="the worker died", metrics={WORKER_DEATHS: 4.0})
            yield place, lost if self.trained == 7 else outcome


def _lost(directory: Path) -> list[str]:
    with Store(directory) as store:
        return [key.rung for key, record in store.outcomes().items() if record.outcome.may_be_tried_again]


def test_a_child_whose_workers_died_is_tried_again_by_the_same_command(tmp_path: Path) -> None:
    with Store(tmp_path, create=True) as store:
        train_all(Search(plan_of(SMALL), store).core(), _Dying())
    assert _lost(tmp_path) == [SEARCH]
    again = FakePool()
    with Store(tmp_path, create=True) as store:
        train_all(Search(plan_of(SMALL), store).core(), again)
        entries = leaderboard(store).entries
    assert _lost(tmp_path) == []
    assert 1 <= again.trained < 12
    found = {record.outcome.status for entry in entries for record in entry.records[SEARCH]}
    assert found <= {Status.SCORED, Status.REJECTED}


def test_a_finished_run_with_such_a_child_is_taken_up_again(tmp_path: Path) -> None:
    launch(plan_of(_children(3)), tmp_path)
    with edited(tmp_path) as connection:
        changed = connection.execute(
            "UPDATE outcomes SET status = 'crashed', score = NULL, reason = 'the worker died', "
            "metrics = '{\"worker_deaths\": 4.0}' WHERE rung = 'search' AND rowid = (SELECT min(rowid) FROM outcomes)"
        )
        assert changed.rowcount == 1
    assert _lost(tmp_path) == [SEARCH]
    launch(plan_of(_children(3)), tmp_path)
    assert _lost(tmp_path) == []


def test_rungs_are_in_the_tasks_own_steps_unless_said_otherwise() -> None:
    own = {"name": "own", "steps": 5, "own": {"score": "mine:score"}}
    found = plan_of(from_tree({"task": own})).settings
    assert ([rung.steps for rung in found.ladder], found.final.steps) == ([20], 20)
    said = plan_of(from_tree({"task": own, "ladder": [{"steps": 7}, {}], "final": {"steps": 11}})).settings
    assert ([rung.steps for rung in said.ladder], said.final.steps) == ([7, 11], 11)
    usual = plan_of(from_tree({})).settings
    assert ([rung.steps for rung in usual.ladder], usual.final.steps) == ([2000], 2000)


def test_a_run_begun_when_the_final_rung_had_fourteen_seeds_goes_on_with_these(tmp_path: Path) -> None:
    unsaid = from_tree({**TREE, "final": {"top": 2, "steps": 8}})
    launch(plan_of(unsaid), tmp_path)
    _unfinish(tmp_path)
    with edited(tmp_path) as connection:
        (text,) = connection.execute("SELECT value FROM run WHERE key = 'settings'").fetchone()
        tree = json.loads(text)
        assert tree["final"]["seeds"] is None
        tree["final"]["seeds"] = 14
        connection.execute("UPDATE run SET value = ? WHERE key = 'settings'", (json.dumps(tree),))
    launch(plan_of(unsaid), tmp_path)
    with pytest.raises(BadSettings, match=r"final.seeds: 14 -> 13"):
        launch(plan_of(from_tree({**TREE, "final": {"top": 2, "steps": 8, "seeds": 13}})), tmp_path)


def test_a_run_goes_on_as_it_was_planned_by_a_version_that_planned_otherwise(tmp_path: Path) -> None:
    budget = {"trainings": 16}
    whole = from_tree({**TREE, "budget": budget})
    launch(plan_of(whole), tmp_path)
    _unfinish(tmp_path)
    with edited(tmp_path) as connection:
        (text,) = connection.execute("SELECT value FROM run WHERE key = 'settings'").fetchone()
        tree = json.loads(text)
        tree["budget"]["children"] += 2
        tree["ladder"][0]["share"] /= 2
        tree["final"]["top"] = 1
        connection.execute("UPDATE run SET value = ? WHERE key = 'settings'", (json.dumps(tree),))
    launch(plan_of(whole), tmp_path)
    with Store(tmp_path) as store:
        assert json.loads(store.fact("settings") or "") == tree
        searched = sum(key.rung == SEARCH for key in store.outcomes())
    assert searched >= tree["budget"]["children"]
    with pytest.raises(BadSettings, match=r"final.steps: \d+ -> 24"):
        launch(plan_of(from_tree({**TREE, "budget": budget, "final": {"steps": 24}})), tmp_path)
    launch(plan_of(from_tree({**TREE, "budget": {"trainings": 24}})), tmp_path, extend=True)


def test_a_run_begun_before_own_settings_were_open_is_gone_on_with_where_they_mean_nothing(tmp_path: Path) -> None:
    launch(plan_of(SMALL), tmp_path)
    _unfinish(tmp_path)
    with edited(tmp_path) as connection:
        (text,) = connection.execute("SELECT value FROM run WHERE key = 'settings'").fetchone()
        tree = json.loads(text)
        tree["task"]["own"] |= {"dimension": 1, "chance": 1.0}
        connection.execute("UPDATE run SET value = ? WHERE key = 'settings'", (json.dumps(tree),))
    launch(plan_of(SMALL), tmp_path)
    with pytest.raises(BadSettings, match=r"started with other settings \(seed: 5 -> 6\)"):
        launch(plan_of(from_tree({**TREE, "seed": 6})), tmp_path)
