"""Which of several functions may be called better than the incumbent: a closed test of weighted evidence.

Finds and known functions are two families, each tested at half of the level: in at most 5 of 100 runs a function is
called better that is not. Within a family, the functions stand in the order of their promise, which comes from seeds
that take no part in the test. The first function has the most weight, so a leader is tested almost as if it stood
alone. A function that was shown to be better does not burden those behind it. Not here: the evidence of one function
(``evidence``).
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actsearch.search.memory.records import ENTRANTS
from actsearch.search.ranking.evidence import SHOWN, log_evidence, pairs_needed

HALVED = 0.5
"""Ratio of a function's weight to the weight of the one before. 0 gives the fixed-sequence test (Maurer, Hothorn &
Lehmacher 1995), which ends at the first function that is not shown to be better; 1 gives no order at all."""


@dataclass(frozen=True)
class Entrants:
    """The functions that a race judges, in the order of promise; later additions stand behind.

    Args:
        finds: fingerprints of functions that the search proposed.
        known: fingerprints of baselines, without the incumbent.
    """

    finds: tuple[str, ...] = ()
    known: tuple[str, ...] = ()

    def joined(self, finds: Sequence[str], known: Sequence[str]) -> "Entrants":
        """Return the entrants with further ones behind them; an entrant that is named again keeps its place."""
        both = {*self.finds, *self.known}
        more = [tuple(name for name in names if name not in both) for names in (finds, known)]
        return Entrants((*self.finds, *more[0]), (*self.known, *more[1]))

    def weights(self, names: Sequence[str]) -> list[tuple[int, float]]:
        """Return the family and the weight of each function; a function that is no entrant stands behind the finds.

        Without entrants, as in a run of an earlier version, all functions are one family with equal weights.
        """
        if not self.finds and not self.known:
            return [(0, 1.0)] * len(names)
        places = self.joined([name for name in names if name not in self.known], ())
        weights = {
            name: (family, HALVED**place)
            for family, members in enumerate((places.finds, places.known))
            for place, name in enumerate(members)
        }
        return [weights[name] for name in names]

    @property
    def text(self) -> str:
        """The entrants as a fact of the run."""
        return json.dumps({"finds": self.finds, "known": self.known})

    @classmethod
    def of(cls, facts: Mapping[str, str]) -> "Entrants":
        """Read all entrants of a run, in the order in which its races recorded them; without such facts there are none.

        Args:
            facts: facts of the run; the entrants of a race are kept as ``entrants 1``, ``entrants 2`` and so on.
        """
        entrants, number = cls(), 0
        while (text := facts.get(f"{ENTRANTS} {(number := number + 1)}")) is not None:
            stored = json.loads(text)
            entrants = entrants.joined(stored["finds"], stored["known"])
        return entrants


def evidence_of(differences: Sequence[float]) -> float:
    """Return the evidence (not its logarithm) that losses are lower than the incumbent's."""
    if len(differences) < pairs_needed():
        return 1.0
    logarithms = log_evidence(differences)
    return math.exp(logarithms[-1]) if len(logarithms) else 1.0


def wanted(evidence: Sequence[float], weights: Sequence[float], index: int) -> float:
    """Return the evidence that one function needs to be called better, given the others of its family.

    A claim must hold in every set of functions that contains this one (Marcus, Peritz & Gabriel 1976). Each set is
    tested by the weighted mean of its evidence (Vovk & Wang 2021, section 5). The hardest set holds all functions that
    are not shown to be better.
    """
    burden = sum(
        weight * (SHOWN - other)
        for place, (other, weight) in enumerate(zip(evidence, weights, strict=True))
        if place != index and other < SHOWN
    )
    return SHOWN + burden / weights[index]


def closed(evidence: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return for each function the least weighted mean of evidence over all sets that contain it."""
    least = []
    for index, mine in enumerate(evidence):
        summed, weight = weights[index] * mine, weights[index]
        others = sorted((other, weights[place]) for place, other in enumerate(evidence) if place != index)
        for other, further in others:
            if other * weight >= summed:
                break
            summed, weight = summed + further * other, weight + further
        least.append(summed / weight)
    return least


Tested = tuple[float, float]
"""A p-value that is valid at any time, and the same corrected for the other functions; a claim holds at 5 % or less."""


def tested(pairs: Mapping[str, Sequence[float]], entrants: Entrants) -> dict[str, Tested]:
    """Test each function on the side on which its mean difference lies.

    Args:
        pairs: function -> differences from the incumbent, by seed.
        entrants: the functions in the order of promise; a function without differences counts with an empty row.
    """
    # an entrant without a seed may get some later
    pairs = {**dict.fromkeys((*entrants.finds, *entrants.known), ()), **pairs}
    places = entrants.weights([*pairs])
    sides = {sign: [evidence_of([sign * one for one in row]) for row in pairs.values()] for sign in (1, -1)}
    corrected = {-1: closed(sides[-1], [1.0] * len(pairs)), 1: [1.0] * len(pairs)}
    for family in {family for family, _ in places}:
        members = [index for index, (mine, _) in enumerate(places) if mine == family]
        least = closed([sides[1][index] for index in members], [places[index][1] for index in members])
        for index, value in zip(members, least, strict=True):
            corrected[1][index] = value
    results = {}
    for index, (name, mine) in enumerate(pairs.items()):
        sign = -1 if sum(mine) > 0 else 1
        results[name] = (_p(sides[sign][index]), _p(corrected[sign][index]))
    return results


def _p(evidence: float) -> float:
    """Return a two-sided p-value: twice the one-sided p-value that the evidence gives."""
    return min(1.0, 2 / evidence) if evidence > 0 else 1.0
