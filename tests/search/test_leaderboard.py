"""The ranking: finalists by fresh seeds first, failures shown and never averaged away."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.outcome import Outcome, Request, Status
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import TaskSettings
from actsearch.grammar.behaviour.fingerprint import behaviour, fingerprint, twin_key
from actsearch.grammar.rows.known import read
from actsearch.search.ladder import FinalSettings, RungSettings, rungs, transfer_rung
from actsearch.search.memory.behaviours import Behaviours
from actsearch.search.memory.records import FINAL, SEARCH, Behaviour, Key, Record, StoredProposal
from actsearch.search.memory.store import Store
from actsearch.search.ranking.agreement import kendall
from actsearch.search.ranking.finding import NotFound, find
from actsearch.search.ranking.leaderboard import Leaderboard, leaderboard
from actsearch.search.ranking.rung_facts import agreements, facts, short_sight
from actsearch.search.reward import Scale, reward
from actsearch.search.show.run_tables import remarks, rung_tables, transfer_table

TASK = resolve(TaskSettings()).settings
LADDER = rungs(resolve(TASK), [RungSettings(0.5, 4, 1)], FinalSettings(3, 2, 8))


def _keep(store: Store, text: str, rung: str, losses: Sequence[float | None], first: int = 0) -> None:
    name = fingerprint(read(text))
    for repeat, loss in enumerate(losses, start=first):
        test: dict[str, float] = {}
        if rung not in (SEARCH, "rung 1") and loss is not None:
            test = {"test_loss": loss, "test_accuracy": 0.5}
        outcome = (
            Outcome(Status.DIVERGED, reason="validation_loss is not finite after 2 steps")
            if loss is None
            else Outcome(Status.SCORED, loss, metrics={"validation_loss": 9.0 if test else loss, **test})
        )
        store.add_outcome(Record(Key(name, rung, repeat), Request(text, repeat, 2, test=bool(test)), outcome))


OPENED: list[Store] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def _store(directory: Path, *texts: str, baselines: tuple[str, ...] = ()) -> Store:
    store = Store(directory, create=True)
    OPENED.append(store)
    store.add_rungs(LADDER)
    rows = [Behaviours((), "all").meet(BUILT_IN.read(text), baseline=text in baselines) for text in texts]
    store.add_proposals(rows, [StoredProposal(1, (0,), row.expression, row.fingerprint) for row in rows], b"")
    return store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = _store(tmp_path, "relu(x)", "tanh(x)", "sin(x)", "abs(x)", "exp(x)", "cos(x)")
    for text, loss in zip(("relu(x)", "tanh(x)", "sin(x)", "abs(x)", "cos(x)"), (0.5, 0.4, 0.3, 0.2, 0.1), strict=True):
        _keep(store, text, SEARCH, [loss])
    _keep(store, "exp(x)", SEARCH, [None])
    for text in ("relu(x)", "tanh(x)", "sin(x)", "abs(x)"):
        _keep(store, text, "rung 1", [0.5])
    _keep(store, "relu(x)", FINAL, [0.30, 0.40])
    _keep(store, "tanh(x)", FINAL, [0.40, 0.50])
    _keep(store, "sin(x)", FINAL, [0.01, None])
    return store


def _board(store: Store) -> Leaderboard:
    return leaderboard(store)


def test_what_climbed_furthest_comes_first_and_failures_last_on_their_rung(store: Store) -> None:
    order = ["relu(x)", "tanh(x)", "sin(x)", "abs(x)", "cos(x)", "exp(x)"]
    assert [entry.expression for entry in _board(store).entries] == order


def test_a_finalist_is_judged_by_the_test_split_of_the_fresh_seeds(store: Store) -> None:
    relu = find(_board(store).entries, "relu")
    assert relu.mean() == pytest.approx(0.35)
    low, high = relu.interval() or (0, 0)
    assert (low + high) / 2 == pytest.approx(0.35)
    assert high - low == pytest.approx(2 * 12.706 * 0.05, rel=1e-4)  # Student's t of one degree of freedom


def test_a_finalist_that_failed_once_has_no_mean_and_is_shown(store: Store) -> None:
    board = _board(store)
    sin = find(board.entries, "sin(x)")
    assert (sin.failures(), sin.mean(), sin.interval(), sin.standing, dict(sin.against)) == (
        1,
        None,
        None,
        "failed",
        {},
    )
    assert any(line.startswith("sin(x): 1 of 2 seeds failed (validation_loss is not finite") for line in remarks(board))


def test_too_few_seeds_leave_everything_open_and_say_how_many_it_takes(store: Store) -> None:
    board = _board(store)
    assert [find(board.entries, name).standing for name in ("relu", "tanh")] == ["incumbent", "open"]
    assert "against relu: not enough seeds for a test: 2, needed 6" in remarks(board)


def test_finalists_are_told_apart_on_their_own_task_and_counted_over_tasks(tmp_path: Path) -> None:
    store = _store(tmp_path, "relu(x)", "tanh(x)", "sin(x)", baselines=("relu(x)",))
    elsewhere = [transfer_rung(resolve(TaskSettings(name=name)), 8) for name in ("digits", "mnist1d_mlp")]
    store.add_rungs(elsewhere)
    steps = [0.001 * n for n in range(8)]
    for text, level in (("relu(x)", 0.5), ("tanh(x)", 0.4), ("sin(x)", 0.6)):
        _keep(store, text, SEARCH, [level])
        _keep(store, text, FINAL, [level * (1 + step) for step in steps])
        for rung, flip in zip(elsewhere, (1, -1), strict=True):
            _keep(store, text, rung.name, [1 + flip * level * (1 + step) for step in steps])
    tanh, relu, sin = _board(store).entries
    assert (tanh.standing, relu.standing, sin.standing) == ("better", "incumbent", "worse")
    assert tanh.against["relu"].difference < 0 < sin.against["relu"].difference
    assert tanh.against["relu"].corrected == pytest.approx(2 * 2 / 2**8)
    assert (tanh.across["relu"].wins, tanh.across["relu"].losses) == (2, 1)
    assert "relu" not in relu.against


def test_while_the_final_rung_is_trained_losses_are_still_compared_seed_by_seed(tmp_path: Path) -> None:
    store = _store(tmp_path, "relu(x)", "tanh(x)", baselines=("relu(x)",))
    store.add_rungs([dataclasses.replace(LADDER[-1], seeds=12)])
    for text in ("relu(x)", "tanh(x)"):
        _keep(store, text, SEARCH, [0.5])
    harder = [0.1 * n for n in range(12)]  # each seed is harder than the one before
    _keep(store, "relu(x)", FINAL, [1 + step for step in harder])
    _keep(store, "tanh(x)", FINAL, [0.99 + step - 0.0001 * n for n, step in enumerate(harder)][1:], first=1)
    board = _board(store)
    tanh, relu = board.entries
    assert (tanh.expression, tanh.standing, relu.standing) == ("tanh(x)", "better", "incumbent")
    assert (tanh.mean() or 0) > (relu.mean() or 0)  # of its own seeds, which are the harder ones
    assert (tanh.against["relu"].pairs, tanh.against["relu"].verdict) == (11, "better")
    assert tanh.against["relu"].difference == pytest.approx(-0.0106)
    assert remarks(board)[0] == (
        "the final rung is not finished: 1 of 2 have fewer than 12 seeds; positions are by the 11 that all share"
    )


def test_finalists_without_a_seed_in_common_are_not_compared(tmp_path: Path) -> None:
    store = _store(tmp_path, "relu(x)", "tanh(x)", baselines=("relu(x)",))
    for text, repeat in (("relu(x)", 0), ("tanh(x)", 1)):
        _keep(store, text, SEARCH, [0.5])
        _keep(store, text, FINAL, [0.5 - 0.1 * repeat], first=repeat)
    board = _board(store)
    tanh, relu = board.entries
    assert (dict(tanh.against), tanh.standing, relu.standing) == ({}, "", "incumbent")
    assert remarks(board)[0].endswith("positions are by each one's own, as they share none yet")


def test_elsewhere_too_the_order_is_by_shared_seeds(tmp_path: Path) -> None:
    store = _store(tmp_path, "relu(x)", "tanh(x)", "sin(x)", baselines=("relu(x)",))
    rung = transfer_rung(resolve(TaskSettings(name="digits")), 2)
    store.add_rungs([rung])
    for text, losses in {"relu(x)": [1.0, 1.0], "sin(x)": [1.0, 1.1], "tanh(x)": [0.9, 0.9, 2.0, 2.0]}.items():
        _keep(store, text, SEARCH, [0.5])
        _keep(store, text, FINAL, [0.5])
        _keep(store, text, rung.name, [*losses])
    table = transfer_table(_board(store), rung.name)
    assert [*table.columns[0].cells] == ["tanh(x)", "relu(x)", "sin(x)"]
    assert [*table.columns[3].cells] == ["4", "2", "2"]


def test_when_every_candidate_fails_it_is_said_with_the_commonest_reason(tmp_path: Path) -> None:
    store = _store(tmp_path, "relu(x)", "exp(x)", "cosh(x)", baselines=("relu(x)",))
    _keep(store, "relu(x)", SEARCH, [0.5])
    for text in ("exp(x)", "cosh(x)"):
        _keep(store, text, SEARCH, [None])
    board = _board(store)
    assert board.entries[0].expression == "relu(x)"
    reason = "validation_loss is not finite after 2 steps"
    assert f"none of 2 candidates has a score; the commonest reason: {reason}" in remarks(board)


def test_rungs_say_what_they_trained_and_refused_and_what_failed(store: Store) -> None:
    refused = Outcome(Status.REJECTED, reason="linear")
    store.add_baselines([Behaviour("neg", "neg(x)", False, "neg", "neg")])
    store.add_outcome(Record(Key("neg", SEARCH, 0), Request("neg(x)", 0, 2), refused))
    assert [(f.rung.name, f.behaviours, f.rejected, f.failed) for f in facts(_board(store))] == [
        (SEARCH, 7, 1, 1), ("rung 1", 4, 0, 0), (FINAL, 3, 0, 1)
    ]  # fmt: skip


def test_of_a_run_that_just_begins_rungs_say_nothing(tmp_path: Path) -> None:
    with Store(tmp_path, create=True) as empty:
        assert (facts(_board(empty)), agreements(_board(empty))) == ([], [])
        with pytest.raises(NotFound, match="nothing was trained in this run yet"):
            find(_board(empty).entries, "1")


def test_of_four_functions_no_order_is_said_to_agree(store: Store) -> None:
    assert agreements(_board(store)) == []


def test_the_tau_of_two_rungs_is_scipys(tmp_path: Path) -> None:
    texts = ["relu(x)", "tanh(x)", "sin(x)", "abs(x)", "cos(x)", "erf(x)"]
    store, draw = _store(tmp_path, *texts), np.random.default_rng(0)
    below, above = draw.normal(2, 1, (2, 6)).tolist()
    for text, low, high in zip(texts, below, above, strict=True):
        _keep(store, text, SEARCH, [low])
        _keep(store, text, FINAL, [high, high + 0.1])
    (found,) = agreements(_board(store))
    assert (found.below, found.above, found.functions) == (SEARCH, FINAL, 6)
    assert found.tau.overall == pytest.approx(kendalltau(below, above).statistic)
    assert math.isnan(found.tau.best)  # two functions are not enough for an order
    (cell,) = rung_tables(_board(store))[1].columns[4].cells
    assert cell == "too few functions, or all equal"


def test_a_search_whose_order_says_nothing_of_the_long_run_says_so(tmp_path: Path) -> None:
    texts = ["relu(x)", "tanh(x)", "sin(x)", "abs(x)", "cos(x)", "erf(x)", "atan(x)", "sinh(x)"]
    for name, late in (("like", range(8)), ("unlike", reversed(range(8)))):
        (tmp_path / name).mkdir()
        store = _store(tmp_path / name, *texts)
        for text, early, loss in zip(texts, range(8), late, strict=True):
            _keep(store, text, SEARCH, [1.0 + early])
            _keep(store, text, FINAL, [1.0 + loss, 1.1 + loss])
        board = _board(store)
        assert short_sight(board) is None  # its final rung is the shorter one
        long = [dataclasses.replace(r, task=dataclasses.replace(r.task, steps=9 * 500)) for r in board.rungs]
        rungs = [r if r.name == SEARCH else longer for r, longer in zip(board.rungs, long, strict=True)]
        sight = short_sight(dataclasses.replace(board, rungs=rungs))
        assert (sight is None) is (name == "like")
        if sight is not None:
            assert sight.functions == 8
            assert sight.tau == pytest.approx(-1.0)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=12))
def test_the_fast_tau_is_scipys(pairs: list[tuple[int, int]]) -> None:
    one, other = ({str(n): float(pair[side]) for n, pair in enumerate(pairs)} for side in (0, 1))
    expected = kendalltau([*one.values()], [*other.values()]).statistic
    assert kendall(one, other) == pytest.approx(expected, nan_ok=True)


def test_an_entry_is_found_by_place_id_name_and_any_equal_expression(store: Store) -> None:
    entries = _board(store).entries
    for which in ("1", entries[0].fingerprint, entries[0].fingerprint[:8], "relu", "relu(x)", "max(x,sub(x,x))"):
        assert find(entries, which) is entries[0]


def test_a_twin_with_a_primitive_that_is_not_named_hides_nobody(tmp_path: Path) -> None:
    store = _store(tmp_path, "relu(x)", "tanh(x)")
    key = twin_key(behaviour(read("tanh(x)")))
    twins = (("own", "mine(x)"), ("neg", "neg(tanh(x))"))
    store.add_baselines([Behaviour(name, text, False, key, fingerprint(read("tanh(x)"))) for name, text in twins])
    _keep(store, "relu(x)", SEARCH, [0.5])
    _keep(store, "tanh(x)", SEARCH, [0.4])
    entries = _board(store).entries
    assert find(entries, "tanh(neg(x))").expression == "tanh(x)"
    with pytest.raises(NotFound, match="'gelu' was not trained in this run"):
        find(entries, "gelu")


def test_what_the_search_found_is_counted_without_the_baselines(tmp_path: Path) -> None:
    store = _store(tmp_path, "relu(x)", "tanh(x)", "sin(x)", baselines=("relu(x)",))
    for text, loss in (("relu(x)", 0.1), ("tanh(x)", 0.2), ("sin(x)", 0.3)):
        _keep(store, text, SEARCH, [loss])
    entries = _board(store).entries
    assert [find(entries, which).expression for which in ("1", "found", "found:2")] == ["relu(x)", "tanh(x)", "sin(x)"]
    for which in ("found:3", "found:0", "found:best"):
        with pytest.raises(NotFound, match="the search found 2, expected found or found:1 to found:2"):
            find(entries, which)


def test_a_list_counts_what_was_trained_apart_from_baselines_and_from_what_was_refused(tmp_path: Path) -> None:
    store = _store(tmp_path, "relu(x)", "neg(x)", "tanh(x)", "x", "sin(x)", baselines=("relu(x)", "neg(x)"))
    for text, loss in (("relu(x)", 0.1), ("tanh(x)", 0.2), ("sin(x)", None)):
        _keep(store, text, SEARCH, [loss])
    for text in ("neg(x)", "x"):
        refused = Outcome(Status.REJECTED, reason="linear")
        store.add_outcome(Record(Key(fingerprint(read(text)), SEARCH, 0), Request(text, 0, 2), refused))
    assert _board(store).counted == "2 behaviours trained, 2 baselines, 1 refused untrained"


@pytest.mark.parametrize(
    ("which", "complaint"),
    [
        ("99", "this run has positions 1 to 6"),
        ("gelu", "was not trained in this run"),
        ("sgmoid", "did you mean 'sigmoid'?"),
        ("mul(x", "found the end of the text"),
    ],
)
def test_what_is_not_there_is_said_so(store: Store, which: str, complaint: str) -> None:
    with pytest.raises(NotFound) as found:
        find(_board(store).entries, which)
    assert complaint in str(found.value)


def test_a_reward_grows_as_the_loss_falls_and_no_failure_is_worth_anything() -> None:
    chance = Scale(math.log(10))
    losses = (0.0, 0.01 * chance.origin, 0.1, 0.2, 1.0, chance.origin, 50.0)
    scored = [reward(Outcome(Status.SCORED, loss), chance) for loss in losses]
    assert all(better > worse > 0 for better, worse in pairwise(scored))
    assert math.isfinite(scored[0])
    assert scored[5:] == [pytest.approx(0.0, abs=1e-8)] * 2
    assert scored[2] + 1 == pytest.approx(2 * (scored[3] + 1))
    assert scored[1] == pytest.approx(99)
    assert all(reward(Outcome(s, reason="r"), chance) == 0.0 for s in Status if s is not Status.SCORED)


def test_an_outcome_with_a_score_that_is_none_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="a score belongs to a scored outcome"):
        Outcome(Status.DIVERGED, score=1.0)
    with pytest.raises(ValueError, match="must be finite"):
        Outcome(Status.SCORED, score=math.nan)
