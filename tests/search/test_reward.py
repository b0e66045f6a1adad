"""Rewards: whatever real number a score is, the better one is worth more, and a failure is worth least."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from actsearch.evaluators.outcome import Outcome, Status
from actsearch.search.reward import Scale, reward, reward_of_loss, scale_of

numbers = st.floats(-1e12, 1e12)
scales = st.one_of(
    st.builds(Scale, st.floats(1e-3, 1e3)),
    st.builds(Scale, st.floats(-1e3, 1e3), st.floats(1e-3, 1e3)),
)


@given(numbers, numbers, scales)
def test_a_better_score_is_worth_more_and_every_score_more_than_a_failure(
    one: float, other: float, scale: Scale
) -> None:
    size = abs(scale.origin) + (scale.unit or 0) + max(abs(one), abs(other))
    assume(abs(one - other) > 1e-3 * size)
    better, worse = min(one, other), max(one, other)
    assert reward_of_loss(better, scale) > reward_of_loss(worse, scale) > 0 == reward_of_loss(None, scale)


@given(st.floats(0.011, 0.999))
def test_a_cross_entropy_is_worth_how_many_times_less_than_chance_it_is(share: float) -> None:
    assert reward_of_loss(share * math.log(10), Scale(math.log(10))) == pytest.approx(1 / share - 1, abs=2e-9)


def test_the_scores_of_the_first_report_are_told_apart() -> None:
    """-accuracy was worth 99 whatever it was, and 200 with a chance of 1 was worth nothing."""
    accuracies = scale_of(None, [-0.91, -0.93, -0.90], is_cross_entropy=False)
    assert reward_of_loss(-0.95, accuracies) - reward_of_loss(-0.93, accuracies) > 0.5
    for chance in (None, 1.0):
        prices = scale_of(chance, [200.0, 190.0, 210.0], is_cross_entropy=False)
        assert reward_of_loss(180.0, prices) - reward_of_loss(190.0, prices) > 0.5


@pytest.mark.parametrize(
    ("chance", "baselines", "expected"),
    [
        (2.3, [0.5, 0.9], Scale(2.3)),  # positive losses below the chance that was given
        (2.3, [0.5, 0.6, 1e6], Scale(2.3)),  # one diverged
        (2.3, [0.5, 2.9, 3.1], Scale(2.9, 2.4)),  # most are worse than what should know nothing
        (-0.1, [-0.9, -0.8], Scale(-0.85, 0.05)),
        (None, [0.5, None, 0.7], Scale(0.6, 0.1)),
        (None, [1e6, 0.3, 0.31, 0.29], Scale(0.305, 0.015)),
        (None, [4.0, 4.0], Scale(4.0, 0.4)),
        (None, [0.0], Scale(0.0, 1.0)),
        (None, [None], Scale(0.0, 1.0)),
        (3.0, [None], Scale(3.0)),
        (-3.0, [], Scale(-3.0, 3.0)),
    ],
)
def test_a_score_of_ones_own_is_measured_by_its_chance_or_by_the_baselines(
    chance: float | None, baselines: list[float | None], expected: Scale
) -> None:
    found = scale_of(chance, baselines, is_cross_entropy=False)
    assert found.origin == pytest.approx(expected.origin)
    assert found.unit == (None if expected.unit is None else pytest.approx(expected.unit))


def test_a_failure_is_worth_nothing() -> None:
    assert reward(Outcome(Status.DIVERGED, reason="nan"), Scale(1.0)) == 0.0
    assert reward(Outcome(Status.SCORED, 0.5), Scale(1.0)) == pytest.approx(1.0)
