"""One number plans a whole search: what it costs is what was asked for, and a network of the user's gets its answer."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from actsearch.evaluators.sentences import BadSettings
from actsearch.grammar.rows.known import USUAL
from actsearch.search.command_line import main
from actsearch.search.forecast import affordable
from actsearch.search.ladder import LEAST
from actsearch.search.memory.kept_settings import extended
from actsearch.search.memory.records import FINAL
from actsearch.search.memory.store import Store
from actsearch.search.plan import Plan, resolve
from actsearch.search.ranking.leaderboard import leaderboard
from actsearch.search.settings.reading import from_tree, to_json

NETWORK = """
import torch
from torch import nn

def build():
    x = torch.linspace(-2, 2, 96)[:, None]
    y = (x.abs() - 1).abs()
    net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
    return net, {"train": (x[::2], y[::2]), "validation": (x[1::4], y[1::4]), "test": (x[3::4], y[3::4])}, loss

def loss(output, labels):
    return ((output - labels) ** 2).mean()
"""


def _planned(trainings: int, baselines: int = len(USUAL), steps: int = 500) -> Plan:
    tree = {"baselines": list(USUAL[:baselines]), "task": {"steps": steps}, "budget": {"trainings": trainings}}
    return _plan(tree)


def _plan(tree: Mapping[str, object]) -> Plan:
    return resolve(from_tree(tree))


def _costs(plan: Plan) -> dict[str, float]:
    """Return what each rung costs at most, in trainings of the final rung's length."""
    long = plan.rungs[-1].task.steps
    return {name: goal.children * goal.steps / long for name, goal in plan.goals.items()}


@given(st.one_of(st.integers(12, 30), st.integers(20, 3000)), st.integers(1, 20), st.integers(4, 2000))
def test_a_search_that_is_planned_costs_what_was_asked_for_and_the_decision_no_more_than_half(
    trainings: int, baselines: int, steps: int
) -> None:
    try:
        costs = _costs(_planned(trainings, baselines, steps))
    except BadSettings:
        assume(trainings > 22)  # what does for twenty baselines
        raise
    assert 0.8 * trainings - 2 <= sum(costs.values()) <= 1.02 * trainings
    assert costs[FINAL] <= trainings / 2


@given(st.integers(1, 3000), st.integers(1, 20), st.booleans())
def test_a_final_rung_of_which_nobody_said_how_long_takes_no_more_steps_than_all_below_it(
    children: int, baselines: int, is_ladder_empty: bool
) -> None:
    tree = {"baselines": list(USUAL[:baselines]), "budget": {"children": children}}
    costs = _costs(_plan(tree | ({"ladder": []} if is_ladder_empty else {})))
    final = costs.pop(FINAL)
    assert final <= max(sum(costs.values()), LEAST)


@given(st.integers(1, 2000), st.integers(1, 30), st.integers(1, 200), st.sampled_from([None, 500, 1000, 2000]))
def test_a_plan_made_again_is_the_same_and_more_trainings_always_do(
    trainings: int, baselines: int, more: int, rung: int | None
) -> None:
    ladder = [] if rung is None else [{"steps": rung}]
    names = [*USUAL, *(f"min(x,{name}(x))" for name in ("sin", "cos", "tanh", "erf", "atan"))][:baselines]
    tree = {"baselines": names, "task": {"steps": 500}, "ladder": ladder, "budget": {"trainings": trainings}}
    try:
        plan = _plan(tree)
    except BadSettings:
        return
    assert resolve(plan.settings).settings == plan.settings
    larger = _plan({**tree, "budget": {"trainings": trainings + more}})
    assert larger.budget.children >= plan.budget.children
    assert plan.with_trainings(trainings + more) == larger


def test_a_final_rung_is_as_long_as_the_user_says() -> None:
    assert _costs(_plan({"budget": {"children": 30}, "ladder": [], "final": {"seeds": 14}}))[FINAL] == (6 + 4) * 14
    assert _costs(_plan({"budget": {"children": 30}, "final": {"trainings": 80}}))[FINAL] == 80


def test_a_plan_is_made_once_and_grows_with_its_number() -> None:
    plan = _planned(100)
    assert resolve(plan.settings) == plan == _plan({"baselines": list(USUAL), "budget": {"trainings": 100}})
    assert plan.budget.children == 100
    small, large = (json.loads(to_json(_planned(number).settings)) for number in (100, 200))
    assert extended(small, large) == {name: large[name] for name in ("budget", "ladder", "final")}
    assert _planned(200).with_trainings(100) == plan
    other = {**large, "final": {**large["final"], "steps": 64}}
    assert extended(small, other)["final"]["steps"] == 2000  # nothing else may change with it
    with pytest.raises(BadSettings, match=r"'budget.trainings': .* expected 200 or more, found 100"):
        extended(large, small)


@pytest.mark.parametrize("ladder", [[], [{"share": 0.5}, {"share": 0.5, "steps": 900}]])
def test_minutes_are_planned_whatever_the_ladder_was(ladder: list[dict[str, float]]) -> None:
    plan = _plan({"baselines": ["relu"], "task": {"name": "digits"}, "ladder": ladder})
    assert affordable(plan, 5.0) > 20


def test_trainings_that_do_not_do_for_the_baselines_are_refused_with_how_many_would() -> None:
    with pytest.raises(BadSettings, match=r"'budget.trainings': 8 do not do for 20 baselines .* expected 22 or more"):
        _planned(8)
    assert _planned(22).budget.children >= 4


def test_a_network_without_any_config_gets_an_answer_a_picture_and_what_to_do_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NETWORK)
    command = ["recommend", "net.py:build", "--steps", "16", "--set", "pool.kind=serial", "--set", "task.batch=16",
               "--set", "budget.trainings=24"]  # fmt: skip
    main(command)
    out = capsys.readouterr().out
    assert any(line.startswith(("use ", "keep tanh", "very likely ", "no verdict")) for line in out.splitlines())
    assert "tanh" in out  # what the network has
    assert Path("runs/recommend-net/answer.svg").read_text().startswith("<svg")
    assert f"top {Path('runs/recommend-net')}" in out
    with Store(Path("runs/recommend-net")) as store:
        board, before = leaderboard(store), len(store.outcomes())
    assert board.budget == ("trainings", 24)
    assert sum(entry.baseline for entry in board.entries) == len(USUAL)
    known = sum(entry.baseline and FINAL in entry.records for entry in board.entries)
    assert 1 <= known <= 3  # the others are plainly behind, and have a seed
    main(command)  # nothing is left to train
    with Store(Path("runs/recommend-net")) as store:
        assert len(store.outcomes()) == before
    main([*command, "--extend", "budget.trainings=40"])
    with Store(Path("runs/recommend-net")) as store:
        assert len(store.outcomes()) > before


def test_minutes_are_turned_into_trainings_once_and_kept_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NETWORK)
    found = iter([22, 99])
    monkeypatch.setattr("actsearch.search.forecast.affordable", lambda plan, minutes: next(found))
    command = ["recommend", "net.py:build", "--minutes", "1", "--steps", "8", "--set", "pool.kind=serial"]
    main(command)
    main(command)  # with the number of before, not with another estimate
    with Store(Path("runs/recommend-net")) as store:
        assert leaderboard(store).budget == ("trainings", 22)
    with pytest.raises(SystemExit) as stopped:
        main(["recommend", "net.py:buld"])
    assert stopped.value.code == 2
    assert "did you mean 'net.py:build'?" in capsys.readouterr().err
