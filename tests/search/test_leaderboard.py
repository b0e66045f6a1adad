"""The ranking: finalists by fresh seeds first, failures shown and never averaged away."""

import math
from pathlib import Path

import pytest

from evaluators.outcome import Outcome, Request, Status
from grammar.fingerprint import behaviour, digest, fingerprint, twin_key
from grammar.known import read
from search.leaderboard import NotFound, find, leaderboard
from search.reward import reward
from search.store import Behaviour, Key, Record, Store, StoredProposal


def _keep(store: Store, text: str, rung: int, repeat: int, loss: float | None) -> None:
    name = fingerprint(read(text))
    metrics = {} if loss is None else {"validation_loss": loss, "test_loss": loss, "test_accuracy": 0.5}
    outcome = (
        Outcome(Status.DIVERGED, reason="validation_loss is not finite after 2 steps")
        if loss is None
        else Outcome(Status.SCORED, loss, metrics=metrics)
    )
    store.add_outcome(Record(Key(name, rung, repeat), Request(text, repeat, 2, test=rung > 0), outcome))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path, create=True)
    texts = ("relu(x)", "tanh(x)", "sin(x)", "abs(x)", "exp(x)")
    numbers = [behaviour(read(text)) for text in texts]
    store.add_proposals(
        [Behaviour(digest(n), text, False, twin_key(n)) for text, n in zip(texts, numbers, strict=True)],
        [StoredProposal(1, (0,), text, digest(n)) for text, n in zip(texts, numbers, strict=True)],
        b"",
    )
    for text, loss in zip(texts, (0.5, 0.4, 0.3, 0.2, None), strict=True):
        _keep(store, text, 0, 0, loss)
    for repeat, loss in ((1, 0.30), (2, 0.40)):
        _keep(store, "relu(x)", 1, repeat, loss)
        _keep(store, "tanh(x)", 1, repeat, loss + 0.1)
    _keep(store, "sin(x)", 1, 1, 0.01)
    _keep(store, "sin(x)", 1, 2, None)
    return store


def test_finalists_come_first_then_the_rest_then_what_has_no_score(store: Store) -> None:
    assert [entry.expression for entry in leaderboard(store)] == ["relu(x)", "tanh(x)", "abs(x)", "sin(x)", "exp(x)"]


def test_mean_and_standard_error_are_those_of_the_fresh_seeds(store: Store) -> None:
    relu = find(leaderboard(store), "relu")
    assert relu.final_mean() == pytest.approx(0.35)
    assert relu.final_error() == pytest.approx(0.05)  # deviation 0.0707 over the root of 2


def test_a_finalist_that_failed_once_has_no_mean(store: Store) -> None:
    sin = find(leaderboard(store), "sin(x)")
    assert (sin.failures, sin.final_mean(), sin.final_error()) == (1, None, None)


def test_an_entry_is_found_by_rank_id_name_and_any_equal_expression(store: Store) -> None:
    entries = leaderboard(store)
    for which in ("1", entries[0].fingerprint, entries[0].fingerprint[:8], "relu", "relu(x)", "max(x,sub(x,x))"):
        assert find(entries, which) is entries[0]


@pytest.mark.parametrize(
    ("which", "complaint"),
    [
        ("99", "this run has ranks 1 to 5"),
        ("gelu", "was not trained in this run"),
        ("sgmoid", "did you mean 'sigmoid'?"),
        ("mul(x", "found the end of the text"),
    ],
)
def test_what_is_not_there_is_said_so(store: Store, which: str, complaint: str) -> None:
    with pytest.raises(NotFound) as found:
        find(leaderboard(store), which)
    assert complaint in str(found.value)


def test_a_reward_grows_as_the_loss_falls_and_no_failure_is_worth_anything() -> None:
    chance = math.log(10)
    scored = [reward(Outcome(Status.SCORED, loss), chance) for loss in (0.0, 0.1, 0.2, 1.0, chance, 50.0)]
    assert scored == sorted(scored, reverse=True)
    assert math.isfinite(scored[0])
    assert scored[4:] == [0.0, 0.0]
    assert scored[1] + 1 == pytest.approx(2 * (scored[2] + 1))
    assert scored[0] == pytest.approx(99)
    assert all(reward(Outcome(s, reason="r"), chance) == 0.0 for s in Status if s is not Status.SCORED)


def test_an_outcome_with_a_score_that_is_none_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="a score belongs to a scored outcome"):
        Outcome(Status.DIVERGED, score=1.0)
    with pytest.raises(ValueError, match="must be finite"):
        Outcome(Status.SCORED, score=math.nan)
