"""Every contestant of the comparison searches a table, on every kind of clock."""

import math
import statistics

import numpy as np
import pytest

from actsearch.grammar.behaviour.census import distinct_expressions
from actsearch.grammar.rows.swish2017 import SWISH2017
from actsearch.grammar.shape import core_units
from actsearch.grammar.space import Space
from scripts.replays import contest
from scripts.replays.contest import CONTESTANTS
from scripts.replays.replay import Table

pytestmark = pytest.mark.nightly  # a study's

ROWS = {row.name: row for row in SWISH2017}
SMALL = Space(core_units(1), tuple(ROWS[n] for n in ("identity", "relu", "sin", "tanh")), (ROWS["add"], ROWS["mul"]))
NAMES = sorted(distinct_expressions(SMALL))


@pytest.fixture(autouse=True)
def _a_small_table(monkeypatch: pytest.MonkeyPatch) -> None:
    losses: dict[str, tuple[float | None, ...]] = {name: (0.1 * place,) for place, name in enumerate(NAMES, start=1)}
    table = Table(losses, dict.fromkeys(NAMES, "x"), frozenset(), dict.fromkeys(NAMES, 1.0), math.log(10))
    drawn = np.random.default_rng(0).normal(size=(contest.LOOKS, len(NAMES)))
    readouts = [dict(zip(NAMES, draw, strict=True)) for draw in drawn.tolist()]
    monkeypatch.setattr(contest, "SPACE", SMALL)
    monkeypatch.setattr(contest, "table_for", lambda task: table)
    monkeypatch.setattr(contest, "readouts_for", lambda task: readouts)


@pytest.mark.parametrize("name", CONTESTANTS)
def test_a_contestant_trains_the_whole_of_a_small_space_once(name: str) -> None:
    trained = contest.search("small", name, 1)
    assert sorted(one.identity for one in trained) == NAMES
    assert contest.search("small", name, 1) == trained


@pytest.mark.parametrize("wait", [True, False])
def test_more_workers_are_sooner_at_the_top_10(wait: bool) -> None:
    taken = [
        statistics.fmean(contest.seconds("small", "random", seed, workers, wait) for seed in range(40))
        for workers in (1, 2, 64)
    ]
    assert taken[0] > taken[1] > taken[2] == 1.0  # a child takes a second, and 64 train the whole space in one
