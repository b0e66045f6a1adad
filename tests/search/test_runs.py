"""A run: killed at any moment and gone on with, it ends as if nothing had happened."""

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from actsearch.evaluators.outcome import Outcome, Request, Status
from actsearch.evaluators.pools.pool import Pool, SerialPool
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.sentences import BadSettings
from actsearch.grammar.behaviour.census import distinct_expressions
from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.rows.known import read
from actsearch.search.core import train_all
from actsearch.search.jobs import launch
from actsearch.search.memory.records import FINAL, SEARCH
from actsearch.search.memory.store import Store
from actsearch.search.plan import resolve as plan_of
from actsearch.search.progress import Progress
from actsearch.search.ranking.entry import Entry
from actsearch.search.ranking.finding import find
from actsearch.search.ranking.leaderboard import leaderboard
from actsearch.search.run import Search
from actsearch.search.settings.classes import SearchSettings
from actsearch.search.settings.reading import from_tree, to_json
from actsearch.search.settings.space import build_space

TREE: dict[str, object] = {
    "seed": 5,
    "task": {"steps": 2, "batch": 16},
    "proposer": {"reinforce": {"warm_up": 16}},
    "pool": {"kind": "serial"},
    "budget": {"children": 12, "batch": 5},
    "ladder": [{"share": 0.5, "steps": 3, "seeds": 2}],
    "final": {"top": 3, "seeds": 2, "steps": 4},
    "baselines": ["relu", "tanh"],
}
SMALL = from_tree(TREE)


class Killed(BaseException):
    """Stands for kill -9: nothing in the program catches it, nothing is tidied up."""


class FakePool(Pool):
    """Scores by a hash of the request; dies after so many outcomes; counts what it trained."""

    def __init__(self, dies_after: int | None = None) -> None:
        self.dies_after, self.trained = dies_after, 0

    def evaluate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Outcome]]:
        for place, request in enumerate(requests):
            if self.trained == self.dies_after:
                raise Killed
            self.trained += 1
            loss = 0.1 + (zlib.crc32(f"{request.expression} {request.seed}".encode()) % 1000) / 500
            metrics = {"validation_loss": loss, "validation_accuracy": 0.5}
            if request.test:
                metrics |= {"test_loss": loss, "test_accuracy": 0.5}
            yield place, Outcome(Status.SCORED, score=loss, metrics=metrics)


def _run(directory: Path, pool: Pool, settings: SearchSettings = SMALL) -> None:
    with Store(directory, create=True) as store:
        train_all(Search(plan_of(settings), store).core(), pool)


def _result(directory: Path) -> tuple[list[Entry], list[object], bytes | None]:
    with Store(directory) as store:
        return leaderboard(store).entries, [store.proposals(), store.updates()], store.proposer_state()


@pytest.mark.slow
def test_a_run_killed_after_any_outcome_ends_like_one_never_interrupted(tmp_path: Path) -> None:
    whole = FakePool()
    _run(tmp_path / "whole", whole)
    expected = _result(tmp_path / "whole")
    for moment in range(whole.trained):
        directory = tmp_path / str(moment)
        with pytest.raises(Killed):
            _run(directory, FakePool(dies_after=moment))
        rest = FakePool()
        _run(directory, rest)
        assert rest.trained == whole.trained - moment, "a finished child was trained again"
        assert _result(directory) == expected


@pytest.mark.parametrize("step", ["add_proposals", "add_update", "add_baselines"])
@pytest.mark.parametrize("moment", [1, 2])
def test_a_run_killed_between_two_steps_ends_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, moment: int
) -> None:
    _run(tmp_path / "whole", FakePool())
    original, calls = getattr(Store, step), []

    def dying(*arguments: object) -> None:
        original(*arguments)
        calls.append(step)
        if len(calls) == moment:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Store, step, dying)
        for _ in range(2):  # the second sitting meets the second moment where a sitting makes one call
            with contextlib.suppress(Killed):
                _run(tmp_path / "killed", FakePool())
    assert len(calls) >= moment
    _run(tmp_path / "killed", FakePool())
    assert _result(tmp_path / "killed") == _result(tmp_path / "whole")


def test_a_finished_run_trains_nothing_more(tmp_path: Path) -> None:
    _run(tmp_path, FakePool())
    again = FakePool()
    _run(tmp_path, again)
    assert again.trained == 0


def test_a_finished_run_starts_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launch(plan_of(SMALL), tmp_path)
    monkeypatch.setattr("actsearch.search.jobs.open_pool", lambda *_: pytest.fail("a worker was started"))
    launch(plan_of(SMALL), tmp_path)


@pytest.mark.parametrize("name", ["exhaustive", "reinforce"])
def test_an_exhausted_space_ends_the_run_and_a_baselines_behaviour_is_not_trained_twice(
    tmp_path: Path, name: str
) -> None:
    space = {"primitives": ["identity", "relu", "sin", "tanh", "mul", "max"]}
    proposer = {"name": name, "reinforce": {"warm_up": 16}}
    settings = from_tree({**TREE, "space": space, "proposer": proposer, "budget": {"children": 500}})
    pool = FakePool()
    _run(tmp_path, pool, settings)
    with Store(tmp_path) as store:
        asked = [proposal.fingerprint for proposal in store.proposals()]
        searched = {key.fingerprint for key, record in store.outcomes().items() if key.rung == SEARCH}
        trained = [key for key, record in store.outcomes().items() if record.outcome.status is not Status.REJECTED]
    assert len(asked) == len(set(asked)) == len(distinct_expressions(build_space(settings.space)))
    assert searched == set(asked) | {fingerprint(read("relu")), fingerprint(read("tanh"))}
    assert len(trained) == pool.trained


def test_the_same_seed_gives_the_same_run_and_another_seed_another(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        _run(tmp_path / name, FakePool(), from_tree({**TREE, "seed": seed}))
    first, again, other = (_result(tmp_path / name) for name in "abc")
    assert first == again
    assert first[1] != other[1]


def test_a_run_ends_when_it_has_proposed_enough(tmp_path: Path) -> None:
    settings = from_tree({**TREE, "budget": {"children": 10_000, "batch": 20, "proposals": 60}})
    _run(tmp_path, FakePool(), settings)
    with Store(tmp_path) as store:
        assert len(store.proposals()) == 60


def test_finalists_are_judged_on_seeds_the_search_never_saw(tmp_path: Path) -> None:
    _run(tmp_path, FakePool())
    with Store(tmp_path) as store:
        records = list(store.outcomes().values())
    seeds = {rung: {r.request.seed for r in records if r.key.rung == rung} for rung in (SEARCH, "rung 1", FINAL)}
    assert len(seeds[FINAL]) == 2
    assert not seeds[SEARCH] & seeds[FINAL]
    assert not seeds["rung 1"] & (seeds[SEARCH] | seeds[FINAL])
    assert all(r.request.test == (r.key.rung == FINAL) for r in records)


def test_on_a_rung_everybody_has_the_same_seeds_so_that_losses_are_paired(tmp_path: Path) -> None:
    _run(tmp_path, FakePool())
    with Store(tmp_path) as store:
        board = leaderboard(store)
    for rung in ("rung 1", FINAL):
        seeds = {tuple(r.request.seed for r in e.records[rung]) for e in board.entries if rung in e.records}
        assert len(seeds) == 1
        assert len(set(*seeds)) == 2


def test_the_best_share_of_each_rung_climbs_and_every_baseline_with_it(tmp_path: Path) -> None:
    _run(tmp_path, FakePool())
    with Store(tmp_path) as store:
        entries = leaderboard(store).entries
        asked = {proposal.fingerprint for proposal in store.proposals()}
    below: list[Entry] = [entry for entry in entries if entry.fingerprint in asked and entry.mean(SEARCH) is not None]
    for lower, rung, count in ((SEARCH, "rung 1", (len(below) + 1) // 2), ("rung 1", FINAL, 3)):
        best = sorted(below, key=lambda entry: entry.mean(lower) or 0.0)[:count]
        climbed = [entry for entry in entries if rung in entry.records]
        assert {e.fingerprint for e in climbed} == {e.fingerprint for e in entries if e in best or e.baseline}
        below = best


class DivergingPool(FakePool):
    """Every second candidate of the search has no score."""

    def evaluate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Outcome]]:
        for place, outcome in super().evaluate(requests):
            diverges = requests[place].steps == 2 and self.trained > 4 and self.trained % 2
            yield place, Outcome(Status.DIVERGED, reason="not finite") if diverges else outcome


def test_a_rung_has_as_much_room_whatever_became_of_those_below(tmp_path: Path) -> None:
    _run(tmp_path, DivergingPool())
    with Store(tmp_path) as store:
        entries = [entry for entry in leaderboard(store).entries if not entry.baseline]
    trained = [entry for entry in entries if not entry.is_refused]
    scored = [entry for entry in trained if entry.mean(SEARCH) is not None]
    assert len(scored) < len(trained)
    assert len(trained) >= SMALL.budget.children
    assert sum("rung 1" in entry.records for entry in entries) == math.ceil(SMALL.ladder[0].share * len(trained))
    assert all("rung 1" in entry.records for entry in sorted(scored, key=lambda e: e.mean(SEARCH) or 0.0)[:6])


def test_progress_only_grows_and_ends_at_its_goal(tmp_path: Path) -> None:
    seen: list[Progress] = []
    with Store(tmp_path, create=True) as store:
        train_all(Search(plan_of(SMALL), store, seen.append).core(), FakePool())  # type: ignore[arg-type]  # its parameter has no name
    assert [p.steps for p in seen] == sorted(p.steps for p in seen)
    assert seen[-1].steps == seen[-1].steps_goal
    assert [p.best_score for p in seen] == sorted((p.best_score for p in seen), reverse=True)


def test_other_settings_do_not_go_on_with_a_run(tmp_path: Path) -> None:
    with Store(tmp_path, create=True) as store:
        store.describe({"settings": to_json(plan_of(SMALL).settings)})
    with pytest.raises(BadSettings, match=r"task.steps: 2 -> 9\).*use the same ones"):
        launch(plan_of(from_tree({**TREE, "task": {"steps": 9, "batch": 16}})), tmp_path)


def test_a_second_driver_is_turned_away(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time\nfrom actsearch.search.memory.locks import held\n"
        "with held(pathlib.Path(sys.argv[1])):\n    print(flush=True)\n    time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(ValueError, match="another process is already searching"):
            launch(plan_of(SMALL), tmp_path)
        other.kill()


@pytest.mark.nightly
def test_kill_minus_nine_and_the_same_command_end_like_one_run(tmp_path: Path) -> None:
    config = tmp_path / "small.yaml"
    config.write_text(to_json(SMALL))  # JSON is YAML
    command = [sys.executable, "-m", "scripts.launch_search", str(config), "--run"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    killed = tmp_path / "killed"
    for children in (3, 9, 15):
        with subprocess.Popen([*command, str(killed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as driver:
            while driver.poll() is None and _trained(killed) < children:
                time.sleep(0.005)
            os.kill(driver.pid, signal.SIGKILL)
    subprocess.run([*command, str(killed)], check=True, capture_output=True)
    ours, theirs = _result(killed), _result(tmp_path / "whole")
    assert [_facts(entry) for entry in ours[0]] == [_facts(entry) for entry in theirs[0]]
    assert ours[1:] == theirs[1:]


def _facts(entry: Entry) -> tuple[object, ...]:
    """Everything but the seconds."""
    records = [record for rung in entry.records.values() for record in rung]
    return (
        entry.position,
        entry.standing,
        entry.expression,
        [(r.key, r.request, r.outcome.score, r.outcome.metrics) for r in records],
    )


def _trained(directory: Path) -> int:
    try:
        with Store(directory) as store:
            return len(store.outcomes())
    except ValueError:
        return 0


def test_baselines_may_be_layers_and_no_baseline_is_stopped_for_being_hopeless(tmp_path: Path) -> None:
    tree = {
        **TREE,
        "baselines": ["relu", "maxout", "RReLU"],
        "task": {"steps": 40, "batch": 32, "stop_after": 0.5, "stop_above": 0.01},
    }
    settings = from_tree(tree)
    with SerialPool(resolve(settings.task), settings.pool) as pool:
        _run(tmp_path, pool, settings)
    with Store(tmp_path) as store:
        entries = leaderboard(store).entries
    statuses = {
        baseline: {e.records[SEARCH][0].outcome.status for e in entries if e.baseline == baseline}
        for baseline in (True, False)
    }
    assert statuses[True] == {Status.SCORED}
    assert statuses[False] <= {Status.STOPPED, Status.REJECTED, Status.DIVERGED}
    assert {e.expression for e in entries if e.baseline} == {"relu(x)", "maxout", "rrelu"}
    assert find(entries, "maxout").mean() is not None
