"""A race gives seeds to who is still open, claims no more than its level allows, and goes on where it was left."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from actsearch.evaluators.outcome import Outcome, Status
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import TaskSettings
from actsearch.search.ladder import LEAST, FinalSettings, rungs
from actsearch.search.memory.records import Key, Rung
from actsearch.search.race import Race
from actsearch.search.ranking.claims import Entrants, closed, wanted
from actsearch.search.ranking.evidence import SHOWN
from actsearch.search.ranking.significance import compare, raced
from actsearch.search.ranking.standing import Standing
from actsearch.search.trainings import Training, Trainings

RUNG = rungs(resolve(TaskSettings()), [], FinalSettings(6, 11, 2000))[-1]
MEASURED = (0.61, 0.44, -0.2, -0.23, -0.18, -0.47, 1.03, 0.81, -5.05)
"""Mean differences from ReLU in standard deviations, over 50 seeds: six finalists of the quick search of seed 0 and
Swish, GELU, tanh (`actsearch search configs/quickstart.yaml --set final.seeds=50 --set final.race=false`)."""


class Drawn(Trainings):
    """Trainings whose losses are drawn before; counts what was asked for and not there."""

    def __init__(self, losses: NDArray[np.float64]) -> None:
        self.drawn, self.trained, self.outcomes = losses, 0, {}

    def missing(self, rung: Rung, behaviours: Sequence[str] | Mapping[str, int]) -> list[Training]:
        assert isinstance(behaviours, Mapping)
        for name, seeds in behaviours.items():
            for repeat in range(seeds):
                key = Key(name, rung.name, repeat)
                if key not in self.outcomes:
                    self.trained += 1
                    loss = float(self.drawn[int(name), repeat])
                    failed = Outcome(Status.DIVERGED, reason="it left the finite numbers")
                    self.outcomes[key] = Outcome(Status.SCORED, loss) if np.isfinite(loss) else failed
        return []


def _drawn(effects: Sequence[float], seed: int, seeds: int = 400) -> NDArray[np.float64]:
    """Return losses by function and seed, the incumbent's first, with effects in standard deviations of differences."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((len(effects), seeds))
    shared = rng.standard_normal(seeds)  # a seed may be hard for everybody
    return np.vstack([shared, shared + noise - np.asarray(effects)[:, None]])


def _race(trainings: Drawn, known: int = 0) -> Race:
    names = [str(n) for n in range(1, len(trainings.drawn))]
    return Race(trainings, RUNG, "0", Entrants(tuple(names[: len(names) - known]), tuple(names[len(names) - known :])))


def _raced(losses: NDArray[np.float64], budget: int, known: int = 0) -> tuple[set[int], Race, Drawn]:
    trainings = Drawn(losses)
    race = _race(trainings, known)
    list(race.blocks(budget))
    told = race.standing().verdicts
    return {int(name) for name, verdict in told.items() if verdict == "better"}, race, trainings


def test_where_nothing_is_better_something_is_claimed_in_one_of_twenty_races_at_most() -> None:
    claims = sum(bool(_raced(_drawn([0.0] * 6, seed), 120)[0]) for seed in range(200))
    assert claims <= 16  # of 200: more would happen with a chance below 2 % at a level of 5 %


def test_of_effects_that_were_measured_something_is_named_with_half_of_the_trainings_of_a_fixed_rung() -> None:
    tables = [_drawn(MEASURED, seed) for seed in range(80)]
    raced = [_raced(table, 14 * 10, 3) for table in tables]
    named, spent = np.mean([bool(better) for better, _, _ in raced]), np.mean([t.trained for _, _, t in raced])

    def fixed(seeds: int) -> float:
        found = 0
        for table in tables:
            rows = [dict(enumerate(row[:seeds])) for row in table]
            told = compare({str(n): row for n, row in enumerate(rows[1:])}, rows[0])
            found += any((one.corrected or 1) <= 0.05 and one.difference < 0 for one in told.values())
        return found / len(tables)

    assert named >= 0.9
    assert spent < 110
    assert fixed(11) < 0.8  # the fixed rung, at no less
    assert fixed(int(2 * spent / 10) - 1) <= named  # nor does it name something more often with twice the trainings
    assert sum(bool(better & {3, 4, 5, 6, 9}) for better, _, _ in raced) <= 8  # of 80, claims that are wrong


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=5), st.integers(0, 40), st.integers(0, 5))
def test_a_race_stays_within_its_budget_and_pairs_by_seed(effects: list[float], budget: int, seed: int) -> None:
    _, race, trainings = _raced(_drawn(effects, seed, 50), budget)
    assert trainings.trained <= budget
    assert len(trainings.outcomes) == trainings.trained
    for name, seeds in race.seeds.items():
        kept = {key.repeat for key in trainings.outcomes if key.fingerprint == name}
        assert kept == set(range(seeds))
        assert seeds <= race.seeds["0"]  # who has a seed has it beside the incumbent


def test_a_race_that_was_left_goes_on_to_the_same_end_and_trains_nothing_twice() -> None:
    table = _drawn(MEASURED, 1)
    whole, race, trainings = _raced(table, 140, 3)
    for left in (0, 13, 57, trainings.trained - 1):
        again = Drawn(table)
        again.outcomes = dict(list(trainings.outcomes.items())[:left])
        other = _race(again, 3)
        list(other.blocks(140))
        assert again.outcomes == trainings.outcomes
        assert again.trained == trainings.trained - left
        assert (other.seeds, other.racing) == (race.seeds, race.racing)
    assert whole


def test_who_fails_with_a_seed_leaves_and_who_is_far_behind_has_few_seeds() -> None:
    table = _drawn([2.0, 2.0, -6.0], 2)
    table[1, 2] = np.nan
    better, race, _ = _raced(table, 90)
    assert better == {2}
    assert (race.seeds["1"], race.seeds["3"]) == (4, 2)
    assert race.seeds["2"] > 4


def test_without_the_incumbent_there_is_nothing_to_race_against() -> None:
    table = _drawn([1.0, 1.0], 3)
    table[0, 1] = np.nan
    _, race, trainings = _raced(table, 90)
    assert trainings.trained == 4
    assert not race.losses("0")


def test_find_and_known_function_have_their_turn_side_by_side() -> None:
    race = _race(Drawn(_drawn([0.5, 0.1, 0.3, 0.2], 4)), known=2)
    assert race.next_seeds(24) == {"0": 2, "1": 2, "3": 2}


@pytest.mark.parametrize(("below", "first"), [({"1": 0.3, "3": 0.2}, "3"), ({"1": 0.2, "3": 0.3}, "1"), ({}, "1")])
def test_a_budget_that_shows_one_alone_is_spent_on_the_one_that_promises_more(
    below: dict[str, float], first: str
) -> None:
    trainings = Drawn(_drawn([3.0, 0.1, 3.0, 0.2], 4))
    race = Race(trainings, RUNG, "0", Entrants(("1", "2"), ("3", "4")), below=below)
    list(race.blocks(16))
    assert race.standing().verdicts[first] == "better"
    assert not any(race.seeds[name] for name in {"1", "3"} - {first})


def test_a_leader_is_shown_with_few_trainings_and_a_find_behind_one_that_is_not_has_its_chance() -> None:
    def named(effects: Sequence[float]) -> float:
        raced = [_raced(_drawn(effects, seed), 40, 2)[0] for seed in range(60)]
        return float(np.mean([any(effects[number - 1] > 0 for number in better) for better in raced]))

    assert named([1.5, 0, 0, 0, 0, 0]) >= 0.8
    assert named([0, 1.5, 0, 1.5, 0, 0]) >= 0.45


@pytest.mark.parametrize("look", [2, 4])
def test_the_shortest_race_shows_that_everybody_is_far_better(look: int) -> None:
    for seed in range(10):
        trainings = Drawn(_drawn([10.0] * 9, seed))
        names = [str(number) for number in range(1, 10)]
        race = Race(trainings, RUNG, "0", Entrants(tuple(names[:6]), tuple(names[6:])), look=look)
        list(race.blocks(LEAST))
        assert race.standing().verdicts["1"] == "better"


def test_a_leader_is_shown_with_sixteen_trainings_where_it_is_far_ahead() -> None:
    raced = [_raced(_drawn([2.5, 0, 0], seed), 16, 1) for seed in range(60)]
    assert np.mean([1 in better for better, _, _ in raced]) >= 0.85
    assert sum(bool(better - {1}) for better, _, _ in raced) <= 6


def test_entrants_of_later_sittings_stand_behind_and_nobody_changes_places() -> None:
    first = Entrants(("a", "b"), ("k",))
    facts = {"entrants 1": first.text, "entrants 2": Entrants(("c", "a"), ("l", "k")).text, "seed": "1"}
    assert Entrants.of(facts) == Entrants(("a", "b", "c"), ("k", "l"))
    assert Entrants.of({}) == Entrants()


def test_who_has_no_seeds_yet_counts_in_the_race_as_in_the_list() -> None:
    entrants, six = Entrants(("a", "b", "c", "d"), ("k",)), dict(enumerate([-1.0, -1.01, -0.99, -1.02, -0.98, -1.0]))
    nothing = dict.fromkeys(range(6), 0.0)
    listed = compare({"a": six}, nothing, raced(entrants))["a"].sure or "open"
    assert listed == Standing({"a": six}, nothing, entrants).verdicts["a"] == "open"
    assert compare({"a": six}, nothing, raced(Entrants(("a",), ())))["a"].sure == "better"


@given(st.lists(st.tuples(st.floats(0, 200), st.sampled_from([0.25, 0.5, 1.0])), min_size=1, max_size=6))
def test_a_claim_holds_in_every_set_of_functions_that_it_is_in(family: list[tuple[float, float]]) -> None:
    evidence, weights = [have for have, _ in family], [weight for _, weight in family]
    for index, least in enumerate(closed(evidence, weights)):
        others = [place for place in range(len(family)) if place != index]
        sets = [(index, *rest) for size in range(len(family)) for rest in combinations(others, size)]
        means = [sum(weights[i] * evidence[i] for i in one) / sum(weights[i] for i in one) for one in sets]
        assert least == pytest.approx(min(means))
        more = [*evidence]
        more[index] = wanted(evidence, weights, index)
        assert closed(more, weights)[index] == pytest.approx(SHOWN)  # what it takes, and no more
