"""What noise leaves of a top ten, against closed forms and searches whose truth is known."""

import numpy as np
import pytest

from scripts.studies.rediscovery_searches import Finalist, Search
from scripts.studies.repeatability import Spread, expected_overlap, spread

pytestmark = pytest.mark.nightly  # a study's


def _search(seed: int, truth: np.ndarray, noise: float, seeds: int = 14) -> Search:
    """Return a search all of whose functions are finalists; the first three are known."""
    draw = np.random.default_rng(seed)
    losses = truth[:, None] + noise * draw.normal(size=(len(truth), seeds)) + draw.normal(size=seeds)  # same for all
    finalists = tuple(
        Finalist(str(n), str(n), f"f{n}", (f"f{n}",) if n < 3 else (), n > 2, n, None, tuple(mine.tolist()), False,
                 None, None, None, None)
        for n, mine in enumerate(losses, start=0)
    )  # fmt: skip
    return Search(1, seed, len(truth), 1, 1, 0.1, finalists)


def test_truth_and_noise_are_told_apart_and_what_a_seed_does_to_everybody_is_neither() -> None:
    truth = np.random.default_rng(9).normal(0, 0.3, 200)
    found = spread([_search(seed, truth, 0.5) for seed in range(3)], best=200)
    assert found.functions == 200
    assert found.truth == pytest.approx(float(truth.std(ddof=1)), rel=0.05)
    assert found.noise == pytest.approx(0.5, rel=0.25)  # the median of three known ones is noisy itself


def test_functions_that_do_not_differ_have_no_true_spread() -> None:
    found = spread([_search(seed, np.zeros(100), 0.5) for seed in range(3)], best=100)
    assert found.truth < 0.06


@pytest.mark.parametrize(("functions", "top"), [(20, 10), (40, 10), (30, 5)])
def test_of_equal_functions_two_lists_share_what_two_draws_share(functions: int, top: int) -> None:
    found = expected_overlap(Spread(functions, 0.0, 1.0), seeds=14, top=top)
    assert found == pytest.approx(top * top / functions, rel=0.03)  # the mean of a hypergeometric draw


def test_without_noise_every_list_is_the_same_and_more_seeds_share_more() -> None:
    assert expected_overlap(Spread(40, 1.0, 0.0), seeds=1) == 10
    shared = [expected_overlap(Spread(40, 0.003, 0.009), seeds) for seeds in (5, 14, 50, 200)]
    assert shared == sorted(shared)
