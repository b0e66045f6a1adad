"""Fit the prior of a search to the panel's tables, and say how well it serves a problem that it has not seen.

``python -m scripts.panel.prior fit`` writes ``search/proposers/prior.npz``. ``python -m scripts.panel.prior report``
leaves out one problem and its relatives at a time, and prints how its ranks agree with what others say. Not here: the
tables (``tables``), and searches with the prior (``rivals``).
"""

import argparse
import functools
import importlib.metadata
import json
import math
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

import actsearch.search.proposers
from actsearch.evaluators.activation import BUILT_IN
from actsearch.grammar.behaviour.profile import profile
from actsearch.search.proposers.gaussian_process import normal_scores
from actsearch.search.proposers.prior import FILE, Array, Prior, fitted, matern, standardised, write
from scripts.panel.problems import ASIDE, MNIST1D, relatives
from scripts.panel.tables import FACTS, WHOLE, loaded, means, sampled

LENGTH, NOISE = 0.7, 0.1
"""Length of the kernel, and variance that profiles do not explain: chosen by leaving out functions of four problems.
What seeds leave open comes on top, one problem at a time."""


@functools.cache
def profiles() -> Array:
    """Return the profiles of the sample, ``(n, d)``."""
    return np.array([profile(BUILT_IN.read(text).as_expression()).numpy() for text in sampled()], dtype=float)


@functools.cache
def scores(problem: str) -> Array:
    """Return the standard normal scores of the sample's ranks on a problem, higher is better; NaN without a loss."""
    losses = means(problem)
    mine = np.array([-losses.get(text, math.nan) for text in sampled()])
    return np.where(np.isnan(mine), np.nan, normal_scores(mine))


@functools.cache
def noise(problem: str) -> float:
    """Return the variance of a score that a profile cannot explain, with that between seeds (Spearman 1910; Brown)."""
    if problem in MNIST1D:
        return NOISE  # three seeds of all functions, and ten of the best
    pairs = np.array([mine[WHOLE][:2] for mine in loaded()[problem].values()])
    agreement = spearmanr(*np.where(np.isfinite(pairs), pairs, np.finfo(float).max).T).statistic
    return NOISE + 1 - 2 * float(agreement) / (1 + float(agreement))


def prior_of(problems: list[str]) -> Prior:
    """Return the prior of some problems."""
    provenance = {
        "tables": json.loads(FACTS.read_text(encoding="utf-8")), "torch": importlib.metadata.version("torch"),
        "noise": {name: round(noise(name), 3) for name in problems}, "command": "python -m scripts.panel.prior fit",
    }  # fmt: skip
    ranks = {problem: scores(problem) for problem in problems}
    noises = {problem: noise(problem) for problem in problems}
    return fitted(ranks, profiles(), noises, length=LENGTH, provenance=provenance)


def known() -> list[str]:
    """Return the problems that a prior may know: all that are not aside."""
    return [*(name for name in loaded() if name not in ASIDE), *MNIST1D]


def others(problem: str) -> list[str]:
    """Return the problems that a prior for this one may know: those that are neither aside nor relatives."""
    return [name for name in known() if name not in relatives(problem)]


@functools.cache
def unseen(problem: str) -> dict[str, tuple[float, ...]]:
    """Return the expected rank of each function of the sample on every other problem.

    Each expectation comes from the other functions alone, as for a function that no table has: the regression's
    residual leaving one out, in closed form (Rasmussen & Williams 2006, equation 5.12).
    """
    points = standardised(profiles(), profiles().mean(0), profiles().std(0))
    kernel, columns = matern(points, points, LENGTH), []
    for name in others(problem):
        mine = scores(name)
        there = np.isfinite(mine)
        inverse = np.linalg.inv(kernel[np.ix_(there, there)] + noise(name) * np.eye(int(there.sum())))
        weights = inverse @ mine[there]
        expected = kernel[:, there] @ weights
        expected[there] = mine[there] - weights / np.diag(inverse)
        columns.append(expected)
    return dict(zip(sampled(), map(tuple, np.column_stack(columns).tolist()), strict=True))


def report() -> None:
    """Print how others' mean rank agrees with each problem's, and where that order meets its best functions."""
    print("| problem | Spearman's rho of the others' mean | first of its best 2 % in their order | by chance |")
    print(4 * "|---" + "|")
    for problem in [*loaded(), *MNIST1D]:
        mine, expected = scores(problem), np.array([np.mean(ranks) for ranks in unseen(problem).values()])
        there = np.flatnonzero(np.isfinite(mine))
        best = math.ceil(0.02 * len(there))
        top = {*there[np.argsort(-mine[there])[:best]].tolist()}
        order = there[np.argsort(-expected[there])].tolist()
        first = next(place for place, index in enumerate(order, start=1) if index in top)
        rho = spearmanr(expected[there], mine[there]).statistic
        aside = " (aside)" if problem in ASIDE else ""
        print(f"| {problem}{aside} | {rho:.2f} | {first} | {(len(there) + 1) / (best + 1):.0f} |")


def main() -> None:
    """Do what is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=["fit", "report"])
    if parser.parse_args().what == "report":
        report()
        return
    path = Path(actsearch.search.proposers.__path__[0]) / FILE
    write(prior_of(known()), str(path))
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB, {', '.join(known())}")


if __name__ == "__main__":
    main()
