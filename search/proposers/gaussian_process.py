"""The surrogate's model: what other problems say of a function, corrected by the outcomes of this one.

A function's score is a weighted sum of its ranks on other problems and of its readout, plus a remainder that is alike
for functions of similar profiles. Weights and remainder are normal, so that all together is a Gaussian process
(Rasmussen & Williams 2006, section 2.7). A problem that contradicts this one loses its weight. The parameters are
fixed: a dozen outcomes cannot choose them. Not here: the knowledge of a function (``knowledge``), and the use of the
model (``surrogate``).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import ndtri

from actsearch.search.proposers.prior import matern, standardised

Array = np.ndarray[Any, np.dtype[np.float64]]
READOUT = 0.3  # expected weight of the readout beside other problems, which share the rest
FREEDOM = 0.5  # standard deviation of the weight of all other problems together, and of the readout's
REMAINDER = 0.6  # variance of what neither other problems nor the readout explain
LEAST_SPREAD = 0.6  # least spread of the trained functions' scores: chosen functions are alike, in a model's eyes


@dataclass(frozen=True, eq=False)
class Features:
    """Knowledge of ``n`` functions as arrays.

    Args:
        profiles: ``(n, d)``.
        elsewhere: expected ranks on other problems as standard normal scores, ``(n, problems)``.
        readouts: ``(n,)``, NaN where there is none.
    """

    profiles: Array
    elsewhere: Array
    readouts: Array


def normal_scores(numbers: Array) -> Array:
    """Return the standard normal scores of ranks, ``(n,)`` (Blom 1958); 0 where there is no number."""
    from scipy.stats import rankdata  # noqa: PLC0415  importing it takes half a second; not every command needs a model

    scores, known = np.zeros(len(numbers)), np.flatnonzero(~np.isnan(numbers))
    scores[known] = ndtri((rankdata(numbers[known]) - 0.375) / (len(known) + 0.25))
    return scores


def quantile(number: int) -> float:
    """Return a quantile of the exponential distribution of mean 1, at the van der Corput point of a number.

    Optimism that is exponentially distributed over the choices is that of Hutter, Hoos & Leyton-Brown 2012 (Parallel
    Algorithm Configuration). Van der Corput's points are even over any few successive choices; that of 0 is 0.
    """
    return -math.log1p(-int(f"{number:b}"[::-1], 2) / 2 ** number.bit_length())


class Model:
    """A Gaussian process over some functions, of which the first few were trained.

    Args:
        features: knowledge of all functions, the trained ones first.
        rewards: rewards of the trained functions, ``(k,)``, higher is better.
        length: length of the kernel over profiles, in typical distances between functions.
        noise: variance of a score between seeds.
    """

    def __init__(self, features: Features, rewards: Array, length: float, noise: float) -> None:
        problems, unread = features.elsewhere.shape[1], bool(np.isnan(features.readouts).all())
        linear = np.column_stack([features.elsewhere, normal_scores(features.readouts)])
        others = 1.0 if unread else 1 - READOUT
        expected = np.array([*[others / max(problems, 1)] * problems, READOUT])
        spread = np.array([*[FREEDOM / math.sqrt(max(problems, 1))] * problems, FREEDOM])
        self.centre, self.weighted = linear @ expected, linear * spread
        self.points = standardised(features.profiles, features.profiles.mean(0), features.profiles.std(0))
        self.length, self.noise, told = length, noise, slice(len(rewards))
        self.untold = slice(len(rewards), None)
        self.mean, self.explained = self.centre[self.untold].copy(), np.zeros((0, len(self.centre) - len(rewards)))
        if len(rewards):
            prior = self.centre[told]
            scores = prior.mean() + max(float(prior.std()), LEAST_SPREAD) * normal_scores(rewards)
            factor = np.linalg.cholesky(self._covariance(told, told) + noise * np.eye(len(rewards)))
            self.explained = solve_triangular(factor, self._covariance(told, self.untold), lower=True)
            self.mean += self.explained.T @ solve_triangular(factor, scores - prior, lower=True)

    def _covariance(self, one: slice, other: slice) -> Array:
        """Return the covariances of the scores of some functions with others', ``(n, m)``."""
        remainder = REMAINDER * matern(self.points[one], self.points[other], self.length)
        covariance: Array = self.weighted[one] @ self.weighted[other].T + remainder
        return covariance

    def order(self, count: int, pending: int, optimism: float, number: int = 0) -> list[int]:
        """Return the functions that are neither trained nor pending, the best first.

        A pending or chosen function counts as known when the next is chosen, so that a batch does not crowd in one
        place: the believer of Ginsbourger et al. 2010, section 4.2, whose expected scores change no other's.
        Each choice has an optimism of its own, so that some explore: ``quantile``.

        Args:
            count: number of functions to choose one after the other; the others follow by what is left to learn then.
            pending: number of functions behind the trained ones that are being trained.
            optimism: number of standard deviations added to the expected score, the mean over choices.
            number: number of choices in the search before.

        Returns:
            Indices among the functions behind the trained ones, whose expected scores are ``mean``.
        """
        explained = self.explained
        variance = (self.weighted[self.untold] ** 2).sum(1) + REMAINDER - (explained**2).sum(0)
        known = list(range(pending))
        for step in range(min(pending + count, len(self.mean))):
            if step >= pending:
                own = optimism * quantile(number + step - pending)
                scores = self.mean + own * np.sqrt(np.maximum(variance, 0.0))
                scores[known] = -np.inf
                known.append(int(np.argmax(scores)))
            index = known[step]
            place = self.untold.start + index
            between = self._covariance(slice(place, place + 1), self.untold)[0] - explained[:, index] @ explained
            row = between / math.sqrt(max(variance[index], 0.0) + self.noise)
            explained, variance = np.vstack([explained, row]), variance - row * row
        scores = self.mean + optimism * np.sqrt(np.maximum(variance, 0.0))
        scores[known] = -np.inf
        rest = np.argsort(-scores, kind="stable").tolist()[: len(self.mean) - len(known)]
        return [*known[pending:], *rest]
