"""Which of several functions may be called better than the incumbent: a closed test of weighted evidence.

Finds and known functions are two families, each at half of the level, so that in at most 5 of 100 runs anything is
called better that is not. Within a family the functions stand in the order of their promise, which seeds gave that
judge nothing. The first has the most weight, so that a leader is tested almost as if it stood alone, and who was shown
to be better burdens nobody behind. Not here: the evidence of one function (``evidence``).
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actsearch.search.memory.records import ENTRANTS
from actsearch.search.ranking.evidence import SHOWN, log_evidence, pairs_needed

HALVED = 0.5
"""Weight of a function beside that of the one before. 0 is the fixed-sequence test (Maurer, Hothorn & Lehmacher 1995),
which ends at the first function that is not shown; 1 is no order at all."""


@dataclass(frozen=True)
class Entrants:
    """Who is judged, in the order of promise; later ones stand behind.

    Args:
        finds: fingerprints of what the search proposed.
        known: those of baselines, without the incumbent.
    """

    finds: tuple[str, ...] = ()
    known: tuple[str, ...] = ()

    def joined(self, finds: Sequence[str], known: Sequence[str]) -> "Entrants":
        """Return them with further ones behind; who is there already keeps the place."""
        both = {*self.finds, *self.known}
        more = [tuple(name for name in names if name not in both) for names in (finds, known)]
        return Entrants((*self.finds, *more[0]), (*self.known, *more[1]))

    def weights(self, names: Sequence[str]) -> list[tuple[int, float]]:
        """Return the family and the weight of each of these; who is no entrant stands behind the finds.

        Where nobody is, as in a run of an earlier version, all are one family and weigh alike.
        """
        if not self.finds and not self.known:
            return [(0, 1.0)] * len(names)
        places = self.joined([name for name in names if name not in self.known], ())
        found = {
            name: (family, HALVED**place)
            for family, members in enumerate((places.finds, places.known))
            for place, name in enumerate(members)
        }
        return [found[name] for name in names]

    @property
    def text(self) -> str:
        """The entrants as a fact of the run."""
        return json.dumps({"finds": self.finds, "known": self.known})

    @classmethod
    def of(cls, facts: Mapping[str, str]) -> "Entrants":
        """Read those of every sitting of a run; no such fact is nobody.

        Args:
            facts: of the run; those of a race are ``entrants 1`` and on.
        """
        found, number = cls(), 0
        while (text := facts.get(f"{ENTRANTS} {(number := number + 1)}")) is not None:
            kept = json.loads(text)
            found = found.joined(kept["finds"], kept["known"])
        return found


def evidence_of(differences: Sequence[float]) -> float:
    """Return the evidence, as a number and not its logarithm, that losses are lower than the incumbent's."""
    if len(differences) < pairs_needed():
        return 1.0
    found = log_evidence(differences)
    return math.exp(found[-1]) if len(found) else 1.0


def wanted(evidence: Sequence[float], weights: Sequence[float], index: int) -> float:
    """Return the evidence that one function needs, as the others of its family stand.

    A claim must hold in every set of functions that this one is in (Marcus, Peritz & Gabriel 1976), each tested by the
    weighted mean of its evidence (Vovk & Wang 2021, section 5): the hardest set is that of all who are not shown.
    """
    burden = sum(
        weight * (SHOWN - have)
        for place, (have, weight) in enumerate(zip(evidence, weights, strict=True))
        if place != index and have < SHOWN
    )
    return SHOWN + burden / weights[index]


def closed(evidence: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return for each function the least weighted mean of evidence over all sets that it is in."""
    least = []
    for index, mine in enumerate(evidence):
        summed, weight = weights[index] * mine, weights[index]
        others = sorted((have, weights[place]) for place, have in enumerate(evidence) if place != index)
        for have, further in others:
            if have * weight >= summed:
                break
            summed, weight = summed + further * have, weight + further
        least.append(summed / weight)
    return least


Tested = tuple[float, float]
"""A p-value, valid at any time, and the same corrected for the other functions: at 5 % or below a claim holds."""


def tested(pairs: Mapping[str, Sequence[float]], entrants: Entrants) -> dict[str, Tested]:
    """Test each function on the side on which its mean difference lies.

    Args:
        pairs: function -> differences from the incumbent, by seed.
        entrants: their order; who was shown nothing of has an empty row.
    """
    pairs = {
        **dict.fromkeys((*entrants.finds, *entrants.known), ()),
        **pairs,
    }  # who has no seed yet may have some later
    places = entrants.weights([*pairs])
    sides = {sign: [evidence_of([sign * one for one in found]) for found in pairs.values()] for sign in (1, -1)}
    corrected = {-1: closed(sides[-1], [1.0] * len(pairs)), 1: [1.0] * len(pairs)}
    for family in {family for family, _ in places}:
        members = [index for index, (mine, _) in enumerate(places) if mine == family]
        least = closed([sides[1][index] for index in members], [places[index][1] for index in members])
        for index, value in zip(members, least, strict=True):
            corrected[1][index] = value
    found = {}
    for index, (name, mine) in enumerate(pairs.items()):
        sign = -1 if sum(mine) > 0 else 1
        found[name] = (_p(sides[sign][index]), _p(corrected[sign][index]))
    return found


def _p(evidence: float) -> float:
    """Return a p-value of both sides; the evidence of one alone is doubled."""
    return min(1.0, 2 / evidence) if evidence > 0 else 1.0
