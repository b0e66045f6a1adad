"""Searches on a table: told one noisy seed, judged by the mean; clocks that can be computed by hand."""

import math
import random

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from actsearch.grammar.behaviour.census import distinct_expressions
from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.rows.swish2017 import SWISH2017
from actsearch.grammar.shape import core_units
from actsearch.grammar.space import Space
from actsearch.search.proposers.chance import ExhaustiveProposer, RandomProposer
from scripts.replays.comparison import (
    best_so_far,
    finding,
    seconds_to,
    targets_of,
    trainings_to,
    worse_than_random,
)
from scripts.replays.replay import Table, Trained, replay, replay_asynchronously, table_of
from scripts.replays.tabulation import Row
from scripts.studies.table import reliability

pytestmark = pytest.mark.nightly  # a study's

ROWS = {row.name: row for row in SWISH2017}
SMALL = Space(core_units(1), tuple(ROWS[n] for n in ("identity", "relu", "sin", "tanh")), (ROWS["add"], ROWS["mul"]))
NAMES = sorted(distinct_expressions(SMALL))
REFUSED = frozenset({fingerprint(SMALL.decode(SMALL.string(0)))})  # x + x is a line


def table(seconds: float = 1.0) -> Table:
    losses: dict[str, tuple[float | None, ...]] = {
        name: (0.1 * place, 0.1 * place + 0.02) for place, name in enumerate(NAMES, start=1)
    }
    return Table(losses, dict.fromkeys(NAMES, "x"), REFUSED, dict.fromkeys(NAMES, seconds), math.log(10))


TABLE = table()


def row(expression: str, repeat: int, loss: float | None, seconds: float = 1.0) -> Row:
    return Row("table", expression, repeat, 5, "scored" if loss else "diverged", loss, None, seconds, ())


def test_a_table_is_ranked_by_the_mean_over_seeds_and_a_failure_is_last() -> None:
    rows = [row("relu(x)", 0, 0.3), row("relu(x)", 1, 0.5, 3.0), row("tanh(x)", 0, 0.2), row("sin(x)", 0, 0.1)]
    rows += [row("sin(x)", 1, None), row("identity(x)", 0, 0.05)]
    found = table_of(rows, chance=2.3)
    relu, tanh, sin, line = (found_of(found, text) for text in ("relu(x)", "tanh(x)", "sin(x)", "identity(x)"))
    assert found.ranking == [tanh, relu, sin]
    assert found.means == {relu: pytest.approx(0.4), tanh: 0.2, sin: math.inf}
    assert found.refused == {line}
    assert found.seconds[relu] == 2.0
    told = {found.told(relu, random.Random(seed)) for seed in range(20)}
    assert told == {2.3 / 0.3 - 1, 2.3 / 0.5 - 1}


def found_of(found: Table, text: str) -> str:
    return next(name for name, written in found.texts.items() if written == text)


def test_a_replay_trains_every_behaviour_once_but_the_refused() -> None:
    trained = replay(RandomProposer(SMALL, 0), TABLE, 0, batch=4, trainings=10**6)
    assert sorted(one.identity for one in trained) == sorted(set(NAMES) - REFUSED)


def test_the_same_seed_replays_the_same_search() -> None:
    assert replay(RandomProposer(SMALL, 3), TABLE, 3, 4, 9) == replay(RandomProposer(SMALL, 3), TABLE, 3, 4, 9)


def test_a_replay_ends_when_what_was_wanted_is_trained() -> None:
    trained = replay(ExhaustiveProposer(SMALL, 0), TABLE, 0, 1, 10**6, until=TABLE.best(1))
    assert trained[-1].identity in TABLE.best(1)
    assert trainings_to(trained, TABLE.best(1)) == len(trained)


@pytest.mark.parametrize("workers", [1, 3, 100])
def test_batches_wait_for_their_last_child(workers: int) -> None:
    trained = replay(RandomProposer(SMALL, 0), TABLE, 0, batch=7, trainings=1, workers=workers)
    assert max(one.second for one in trained) == math.ceil(len(trained) / workers)


def test_workers_that_never_wait_are_always_busy() -> None:
    whole = len(NAMES) - len(REFUSED)
    for workers in (1, 3, 100):
        trained = replay_asynchronously(RandomProposer(SMALL, 0), TABLE, 0, 2, 10**6, workers)
        assert len(trained) == whole
        assert trained[-1].second == math.ceil(whole / workers)
        assert [one.second for one in trained] == sorted(one.second for one in trained)


def test_workers_that_ask_together_wait_for_each_other_and_train_the_same_functions() -> None:
    whole = len(NAMES) - len(REFUSED)
    trained = replay_asynchronously(RandomProposer(SMALL, 0), TABLE, 0, 3, 10**6, 6, together=3)
    assert len({one.identity for one in trained}) == len(trained) == whole
    assert trained[-1].second >= math.ceil(whole / 6)


def test_what_never_arrives_is_behind_all_that_do() -> None:
    found = finding([5.0, 7.0, math.inf], [50.0, 90.0, 40.0], ended=60)
    assert (found.median, found.ratio, found.seeds) == (7.0, 0.14, 3)
    assert finding([math.inf] * 3, [50.0, 90.0, 40.0], ended=60).median == math.inf
    assert found.p_value == mannwhitneyu([5, 7, 61], [50, 61, 40], alternative="less").pvalue


def test_targets_are_the_truly_best() -> None:
    targets = targets_of(TABLE)
    first = next(name for name in NAMES if name not in REFUSED)
    assert targets["best"] == targets["top_1_percent"] == {first}
    assert len(targets["top10"]) == 10


def test_best_so_far_is_judged_by_the_mean_and_keeps_its_best() -> None:
    order = [Trained(name, float(second)) for second, name in enumerate((NAMES[-1], NAMES[1], NAMES[-2]), start=1)]
    curve = best_so_far(order, TABLE, 5)
    wanted = [TABLE.means.get(name, TABLE.chance) for name in (NAMES[-1], NAMES[1])]
    np.testing.assert_allclose(curve, [wanted[0], *[wanted[1]] * 4])
    assert seconds_to(order, frozenset({NAMES[1]})) == 2.0
    assert seconds_to(order, frozenset()) == math.inf


def test_worse_than_random_is_seen_and_equal_is_not() -> None:
    numbers = np.random.default_rng(0)
    chance, same, worse = (numbers.normal(mean, 1, (60, 60)) for mean in (0, 0, 1))
    curves = {"random": chance, "same": same, "worse": worse}
    found = worse_than_random(curves, "random", dict.fromkeys(curves, 60))
    assert found["worse"] < 0.001
    assert found["same"] > 0.05


def test_searches_that_end_early_are_not_compared_with_what_random_found_later() -> None:
    numbers = np.random.default_rng(0)
    falling = np.minimum.accumulate(numbers.normal(0, 1, (2, 100, 150)), axis=2)
    early = falling[1].copy()
    early[:, 20:] = early[:, 19:20]  # searches like random's own that end after 20 trainings
    curves = {"random": falling[0], "early": early}
    assert worse_than_random(curves, "random", {"random": 150, "early": 150})["early"] < 0.001
    assert worse_than_random(curves, "random", {"random": 150, "early": 20})["early"] > 0.05


def test_reliability_is_that_of_the_noise_it_is_given() -> None:
    numbers = np.random.default_rng(1)
    true, noise, seeds = numbers.normal(0, 1, 400), 0.5, 4
    rows = [
        row(f"f{place}", repeat, math.exp(mean + noise * numbers.normal()))
        for place, mean in enumerate(true)
        for repeat in range(seeds)
    ]
    found = reliability(rows, chance=1e9)
    assert (found.functions, found.seeds) == (400, seeds)
    assert found.noise == pytest.approx(noise, rel=0.05)
    assert found.of_mean == pytest.approx(1 / (1 + noise**2 / seeds), abs=0.02)
    # Kendall's tau of two normal variables whose correlation is that of two halves
    correlation = 1 / (1 + noise**2 / 2)
    assert found.tau == pytest.approx(2 / math.pi * math.asin(correlation), abs=0.03)


def test_reliability_of_one_function_cannot_be_had() -> None:
    with pytest.raises(ValueError, match="two functions with two seeds, found 1 with 1"):
        reliability([row("relu(x)", 0, 0.1)], chance=2.3)


def test_a_failure_and_what_is_worse_than_chance_count_as_chance() -> None:
    rows = [row("a", 0, None), row("a", 1, 99.0), row("b", 0, 1.0), row("b", 1, 1.0)]
    assert reliability(rows, chance=2.3).noise == 0.0
