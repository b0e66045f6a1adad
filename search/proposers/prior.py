"""The prior of a search: how a function would rank on problems that other networks were trained on.

A sample of functions was trained on each problem of a panel. A regression over the profiles of these functions predicts
the rank of any other function there. Not here: the panel's tables and the fit to them (``scripts.panel.prior``), and
the weight of each problem in a search (``gaussian_process``).
"""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

Array = np.ndarray[Any, np.dtype[np.float64]]
FILE = "prior.npz"
FARTHEST = 4.0  # standard deviations at which the numbers of a profile are clipped: larger values say no more
SAME = 1e-9  # a number of smaller spread is the same for all functions


def standardised(rows: Array, centre: Array, spread: Array) -> Array:
    """Return rows of numbers in standard deviations from a centre, clipped at ``FARTHEST``, ``(n, d)``."""
    scaled: Array = np.clip((rows - centre) / np.where(spread < SAME, 1.0, spread), -FARTHEST, FARTHEST)
    return scaled


def matern(one: Array, other: Array, length: float) -> Array:
    """Return the Matern kernel of smoothness 5/2 between two sets of points (Rasmussen & Williams 2006, equation 4.17).

    Args:
        one: points, ``(n, d)``.
        other: points, ``(m, d)``.
        length: length of the kernel, in units of a typical distance: the root of d.

    Returns:
        Covariances, ``(n, m)``, 1 where two points are the same.
    """
    scaled = np.sqrt(5.0) * cdist(one, other) / (length * np.sqrt(one.shape[1]))
    kernel: Array = (1 + scaled + scaled * scaled / 3) * np.exp(-scaled)
    return kernel


@dataclass(frozen=True, eq=False)
class Prior:
    """Regressions of a function's rank on several problems.

    Args:
        problems: names of the problems.
        centre: means of the sample's profiles, ``(d,)``.
        spread: standard deviations of the sample's profiles, ``(d,)``.
        points: the sample's standardised profiles, ``(n, d)``.
        weights: weight of each function of the sample in the prediction for each problem, ``(n, problems)``.
        length: length of the kernel.
        provenance: versions, settings and reliability of the tables.
    """

    problems: tuple[str, ...]
    centre: Array
    spread: Array
    points: Array
    weights: Array
    length: float
    provenance: Mapping[str, Any]

    def predict(self, profile: Sequence[float]) -> Array:
        """Return the expected rank of a function on each problem, ``(problems,)``.

        Args:
            profile: profile of the function, ``(d,)``.

        Returns:
            Standard normal scores of the ranks: 0 is the median of the sample, and higher is better.
        """
        point = standardised(np.array([profile]), self.centre, self.spread)
        scores: Array = (matern(point, self.points, self.length) @ self.weights)[0]
        return scores

    def without(self, *names: str) -> "Prior":
        """Return the prior without some problems, to measure its worth for a problem that it has not seen."""
        kept = [index for index, name in enumerate(self.problems) if name not in names]
        problems = tuple(self.problems[index] for index in kept)
        return replace(self, problems=problems, weights=self.weights[:, kept])


def fitted(
    scores: Mapping[str, Array],
    profiles: Array,
    noise: Mapping[str, float],
    *,
    length: float,
    provenance: Mapping[str, Any],
) -> Prior:
    """Return the prior of some tables.

    Args:
        scores: problem -> standard normal scores of the functions' ranks, ``(n,)``; NaN for a function without one.
        profiles: profiles of the functions, ``(n, d)``.
        noise: problem -> variance of a score that the profile does not explain.
        length: length of the kernel, in typical distances between profiles.
        provenance: versions, settings and reliability of the tables.
    """
    centre, spread = profiles.mean(0), profiles.std(0)
    points = standardised(profiles, centre, spread)
    kernel, weights = matern(points, points, length), np.zeros((len(profiles), len(scores)))
    for column, (problem, mine) in enumerate(scores.items()):
        known = np.flatnonzero(np.isfinite(mine))
        inner = kernel[np.ix_(known, known)] + noise[problem] * np.eye(len(known))
        weights[known, column] = np.linalg.solve(inner, mine[known])
    return Prior(tuple(scores), centre, spread, points, weights, length, provenance)


def write(prior: Prior, path: str) -> None:
    """Write a prior as a compressed file of arrays, in the precision that ranks need."""
    said = {"problems": prior.problems, "length": prior.length, "provenance": dict(prior.provenance)}
    np.savez_compressed(
        path, centre=prior.centre.astype(np.float32), spread=prior.spread.astype(np.float32),
        points=prior.points.astype(np.float16), weights=prior.weights.astype(np.float32), said=json.dumps(said),
    )  # fmt: skip


@functools.cache
def shipped() -> Prior:
    """Return the prior of this package."""
    with resources.files(__package__).joinpath(FILE).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        said = json.loads(str(arrays["said"]))
        numbers = {name: arrays[name].astype(float) for name in ("centre", "spread", "points", "weights")}
    return Prior(tuple(said["problems"]), **numbers, length=said["length"], provenance=said["provenance"])
