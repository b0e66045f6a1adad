"""The prior and the surrogate: regressions against scikit-learn's, and what a search makes of them."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import expon, kstest, norm, spearmanr
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern

import actsearch.search.proposers
from actsearch.evaluators.looks.readout import RIDGE, WORST, _predicted
from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.behaviour.profile import profile
from actsearch.grammar.expression import Expression
from actsearch.grammar.rows.known import read
from actsearch.search.proposers import gaussian_process
from actsearch.search.proposers.chance import RandomProposer
from actsearch.search.proposers.gaussian_process import REMAINDER, Features, Model, normal_scores
from actsearch.search.proposers.knowledge import promise
from actsearch.search.proposers.prior import FILE, Array, fitted, matern, shipped, standardised, write
from actsearch.search.proposers.proposer import Tokens
from actsearch.search.proposers.registry import ProposerSettings, completed_proposer
from actsearch.search.proposers.surrogate import Surrogate, SurrogateSettings, lessons
from actsearch.testing import ONE
from scripts.panel import prior as panel
from tests.search.knowing import Knowing

DRAW = np.random.default_rng(0)


def features(count: int, problems: int = 2, *, readouts: bool = True) -> Features:
    """Return drawn knowledge of functions."""
    unread = np.full(count, np.nan)
    return Features(DRAW.normal(size=(count, 5)), DRAW.normal(size=(count, problems)),
                    DRAW.normal(size=count) if readouts else unread)  # fmt: skip


def test_the_kernel_is_scikit_learns() -> None:
    one, other = DRAW.normal(size=(7, 4)), DRAW.normal(size=(3, 4))
    np.testing.assert_allclose(matern(one, other, 0.7), Matern(0.7 * 2, nu=2.5)(one, other), rtol=1e-10)


def test_a_prior_predicts_what_scikit_learns_regression_does(tmp_path: Path) -> None:
    rows, scores = DRAW.normal(size=(40, 6)), {"one": DRAW.normal(size=40), "two": DRAW.normal(size=40)}
    scores["two"][:5] = np.nan  # functions that have no score there
    prior = fitted(scores, rows, dict.fromkeys(scores, 0.1), length=0.7, provenance={"why": "a test"})
    points = standardised(rows, rows.mean(0), rows.std(0))
    for column, (name, mine) in enumerate(scores.items()):
        there = np.isfinite(mine)
        model = GaussianProcessRegressor(Matern(0.7 * math.sqrt(6), "fixed", nu=2.5), alpha=0.1, optimizer=None)
        expected = model.fit(points[there], mine[there]).predict(points[:1])
        assert prior.predict(rows[0].tolist())[column] == pytest.approx(expected[0], rel=1e-8)
        assert prior.without(name).problems == tuple({*scores} - {name})
    write(prior, str(tmp_path / "prior.npz"))
    with np.load(tmp_path / "prior.npz") as kept:
        np.testing.assert_allclose(kept["weights"], prior.weights, rtol=1e-6)


def test_the_rank_of_a_function_that_nobody_trained_is_that_of_a_regression_without_it() -> None:
    ranks, place, problem = panel.unseen("shells"), 17, panel.others("shells")[0]
    mine = panel.scores(problem).copy()
    mine[place] = np.nan
    noise = {problem: panel.noise(problem)}
    without = fitted({problem: mine}, panel.profiles(), noise, length=panel.LENGTH, provenance={})
    expected = without.predict(panel.profiles()[place].tolist())[0]
    assert [*ranks.values()][place][0] == pytest.approx(expected, abs=1e-6)


def test_the_shipped_prior_is_small_and_says_where_it_comes_from() -> None:
    prior = shipped()
    assert (Path(actsearch.search.proposers.__path__[0]) / FILE).stat().st_size < 200_000
    assert {"tables", "torch", "command"} <= prior.provenance.keys()
    assert len(prior.problems) == len({*prior.problems}) == prior.weights.shape[1]


def test_the_shipped_prior_expects_more_of_rectifiers_than_of_wild_functions() -> None:
    def expected(text: str) -> float:
        return float(shipped().predict(profile(read(text)).tolist()).mean())

    good = [expected(text) for text in ("max(x,0)", "mul(x,sigmoid(x))", "mul(x,erf(x))")]
    wild = [expected(text) for text in ("sin(cube(x))", "exp(square(x))", "sub(cos(cube(x)),sinh(x))")]
    assert min(good) > max(wild)


def test_scores_of_ranks_are_standard_normal_and_keep_the_order() -> None:
    numbers = np.array([*DRAW.normal(size=50) ** 3, np.nan])
    scores = normal_scores(numbers)
    assert scores[-1] == 0.0
    assert spearmanr(scores[:-1], numbers[:-1]).statistic == pytest.approx(1.0)
    assert scores[:-1].max() == pytest.approx(norm.ppf((50 - 0.375) / 50.25))


@pytest.mark.parametrize("readouts", [True, False])
def test_the_model_is_scikit_learns_process_over_weights_and_remainder(
    monkeypatch: pytest.MonkeyPatch, readouts: bool
) -> None:
    monkeypatch.setattr(gaussian_process, "LEAST_SPREAD", 0.0)
    known, rewards, noise = features(12, readouts=readouts), DRAW.normal(size=8), 0.2
    model = Model(known, rewards, 0.7, noise)
    points = standardised(known.profiles, known.profiles.mean(0), known.profiles.std(0))
    rows = np.column_stack([points, model.weighted])
    kernel = (
        _On(slice(5), ConstantKernel(REMAINDER) * Matern(0.7 * math.sqrt(5), nu=2.5)),
        _On(slice(5, None), DotProduct(0.0)),
    )
    covariance = kernel[0](rows) + kernel[1](rows)
    told, centre = slice(8), model.centre
    scores = centre[told].mean() + centre[told].std() * normal_scores(rewards)
    inner = covariance[told, told] + noise * np.eye(8)
    expected = centre[8:] + covariance[8:, told] @ np.linalg.solve(inner, scores - centre[told])
    np.testing.assert_allclose(model.mean, expected, rtol=1e-8)
    variance = np.diag(covariance)[8:] - np.einsum(
        "ij,ji->i", covariance[8:, told], np.linalg.solve(inner, covariance[told, 8:])
    )
    first = int(np.argmax(expected + 0.5 * np.sqrt(variance)))
    assert model.order(1, 0, 0.5)[0] == first


class _On:
    """A kernel of scikit-learn on some of the columns."""

    def __init__(self, columns: slice, kernel: object) -> None:
        self.columns, self.kernel = columns, kernel

    def __call__(self, rows: Array) -> Array:
        covariance: Array = self.kernel(rows[:, self.columns])  # type: ignore[operator]
        return covariance


def test_a_choice_counts_as_known_for_the_next_as_if_it_were_pending() -> None:
    known, rewards = features(20), DRAW.normal(size=6)
    first, second, *_ = Model(known, rewards, 0.7, 0.2).order(2, 0, 1.0)
    rest = [index for index in range(14) if index != first]
    rows = [*range(6), 6 + first, *(6 + index for index in rest)]
    moved = Features(known.profiles[rows], known.elsewhere[rows], known.readouts[rows])
    assert rest[Model(moved, rewards, 0.7, 0.2).order(1, 1, 1.0, number=1)[0] - 1] == second


def test_a_problem_that_contradicts_the_outcomes_loses_its_weight() -> None:
    known = features(60, readouts=False)
    agreeing, contrary = known.elsewhere.T
    trained = Model(known, agreeing[:30] - contrary[:30], 0.7, 0.2)
    assert np.corrcoef(trained.mean, (agreeing - contrary)[30:])[0, 1] > 0.8
    untrained = Model(known, np.zeros(0), 0.7, 0.2)
    assert np.corrcoef(untrained.mean, (agreeing + contrary))[0, 1] > 0.99


def test_the_promise_is_the_mean_rank_elsewhere_or_else_the_readout() -> None:
    assert promise(Knowing(elsewhere=lambda one: [1.0, 2.0], readout=lambda one: 9.0), read("relu(x)")) == 1.5
    assert promise(Knowing(readout=lambda one: 9.0), read("relu(x)")) == 9.0
    assert math.isnan(promise(Knowing(), read("relu(x)")))


def _length(expression: Expression) -> float:
    return float(len(str(expression)))


def _is_odd(expression: Expression) -> float:
    return float(len(str(expression)) % 2)


def test_a_surrogate_trains_the_most_promising_first_and_then_what_its_model_expects() -> None:
    knowing = Knowing(lambda one: [_length(one), _is_odd(one)], lambda one: [_length(one) / 10])
    settings = SurrogateSettings(candidates=200, fresh=10, optimism=0.0)
    proposer = Surrogate(RandomProposer(ONE, 0), settings, knowing)
    first = proposer.ask(8)
    assert min(_length(p.expression) for p in first) >= max(_length(ONE.decode(tokens)) for tokens in proposer.room)
    proposer.tell(first, [_is_odd(p.expression) for p in first])
    for _ in range(3):
        batch = proposer.ask(8)
        proposer.tell(batch, [_is_odd(p.expression) for p in batch])
    assert sum(_is_odd(p.expression) for p in batch) >= 6


def test_a_surrogate_looks_at_the_promising_alone() -> None:
    looked: list[Expression] = []

    def look(one: Expression) -> float:
        looked.append(one)
        return 0.0

    knowing = Knowing(lambda one: [_length(one)], lambda one: [_length(one) / 10], look)
    proposer = Surrogate(RandomProposer(ONE, 0), SurrogateSettings(candidates=100, looks=3, optimism=0.0), knowing)
    proposer.ask(4)
    assert len(looked) == 12
    assert min(map(_length, looked)) >= max(_length(ONE.decode(t)) for t in proposer.room if t not in proposer.readouts)


def test_the_error_of_a_prediction_is_small_where_this_problem_is_like_the_others() -> None:
    knowing = Knowing(lambda one: [_length(one)], lambda one: [_length(one) / 4 - 5])
    proposer = Surrogate(RandomProposer(ONE, 0), SurrogateSettings(candidates=50), knowing)
    for _ in range(4):
        batch = proposer.ask(8)
        like = proposer.tell(batch, [_length(p.expression) for p in batch])["prediction_error"]
    batch = proposer.ask(8)
    unlike = proposer.tell(batch, [-_length(p.expression) for p in batch])["prediction_error"]
    assert like < unlike


def test_the_optimism_of_successive_choices_is_exponentially_distributed() -> None:
    drawn = [gaussian_process.quantile(number) for number in range(1024)]
    assert kstest(drawn, expon.cdf).statistic < 0.002
    for first in range(0, 1000, 9):
        shares = sorted(expon.cdf(drawn[first : first + 8]))
        assert max(abs(share - place / 8) for place, share in enumerate(shares)) < 1 / 4


def test_a_surrogate_learns_from_functions_that_nobody_proposed() -> None:
    knowing = Knowing(lambda one: [_length(one), _is_odd(one)])
    proposer = Surrogate(RandomProposer(ONE, 0), SurrogateSettings(candidates=200, optimism=0.0), knowing)
    known = [read(text) for text in ("sin(x)", "relu(x)", "tanh(x)", "swish(x)", "abs(x)", "elu(x)", "gelu(x)")]
    proposer.meet({one: _is_odd(one) for one in known})
    assert sum(_is_odd(p.expression) for p in proposer.ask(8)) >= 7


@given(st.lists(st.floats(-9, 9), min_size=2, max_size=80), st.integers(2, 40))
def test_a_long_search_learns_from_the_best_the_worst_and_evenly_from_those_between(
    values: list[float], most: int
) -> None:
    rewards: dict[Tokens, float] = {(index,): value for index, value in enumerate(values)}
    learned = lessons(rewards, most)
    assert [*learned.items()] == [item for item in rewards.items() if item[0] in learned]
    assert len(learned) == min(most, len(values))
    assert {min(values), max(values)} <= {*learned.values()}
    places = sorted(sorted(rewards, key=rewards.__getitem__).index(tokens) for tokens in learned)
    steps = {later - earlier for earlier, later in itertools.pairwise(places)}
    assert max(steps) - min(steps) <= 1


def test_a_surrogate_of_version_0_4_keeps_its_rewards() -> None:
    inner = RandomProposer(ONE, 0)
    learned, expected, waiting = (proposal.tokens for proposal in inner.ask(3))
    old = {
        "inner": inner.state(), "strings": torch.tensor([learned, expected, waiting]), "numbers": torch.zeros(3, 2),
        "room": [2], "expected": [(1, 0.5)], "learned": [(0, 2.0)],
    }  # fmt: skip
    proposer = Surrogate(RandomProposer(ONE, 1), SurrogateSettings(candidates=50), Knowing())
    proposer.restore(old)
    assert proposer.rewards == {learned: 2.0}
    assert not {proposal.tokens for proposal in proposer.ask(4)} & {learned, expected}
    behaviours = {fingerprint(proposal.expression) for proposal in proposer.inner.ask(6250)}
    assert fingerprint(ONE.decode(waiting)) in behaviours | {fingerprint(ONE.decode(t)) for t in proposer.room}


def test_the_readout_of_a_wide_layer_is_that_of_a_regression_over_its_features() -> None:
    features, target = torch.tensor(DRAW.normal(size=(20, 64))), torch.tensor(DRAW.normal(size=(20, 2)))
    rows = (features - features.mean(0)) / (features.std(0) + 1e-6) / 8
    centred = target - target.mean(0)
    hat = rows @ torch.linalg.solve(rows.T @ rows + RIDGE * torch.eye(64, dtype=torch.float64), rows.T)
    residual = (centred - hat @ centred) / (1 - hat.diagonal())[:, None]
    expected = max(WORST, 1 - float(residual.square().sum() / centred.square().sum()))
    assert _predicted(features, target) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "use"),
    [("reinforce", True), ("evolution", True), ("random", False), ("exhaustive", False), ("mine.py:Mine", False)],
)
def test_a_surrogate_stands_behind_every_proposer_of_this_project_that_learns(name: str, use: bool) -> None:
    assert completed_proposer(ProposerSettings(name=name)).surrogate.use is use
