"""Who in a race is better than the incumbent, who is clearly behind, and who still races.

A pure reading of losses: the same ones always give the same standing, so that a race that was killed goes on as it
would have. Leaving costs a function its chance and nobody's level: claims rest on ``claims`` alone. Not here: the
training (``race``).
"""

import functools
import statistics
from collections.abc import Mapping, Sequence

from scipy import special

from actsearch.search.ranking.claims import Entrants, evidence_of, tested, wanted
from actsearch.search.ranking.evidence import FIRST, LEVEL, pairs_to_decide
from actsearch.search.ranking.significance import Losses, differences_by_seed, standard_error

HOPE = 0.1
"""A function leaves when even the 90 % limit of its mean difference is no better than the incumbent (one-sided, by
Student's t), as irace leaves behind whom a t-test at such a level tells from the best (Lopez-Ibanez et al. 2016)."""
THRIFT = 0.25
"""A function leaves, too, when the budget would hardly do if its effect were the 75 % limit. Simulated over the losses
of finalists of the quick search, 0.1 spends a tenth more trainings for the same claims, and 0.5 finds fewer."""


class Standing:
    """Where everybody stands beside the incumbent.

    Args:
        losses: of everybody who was judged, those who left included.
        incumbent: its losses.
        entrants: everybody's order.
    """

    def __init__(self, losses: Mapping[str, Losses], incumbent: Losses, entrants: Entrants) -> None:
        self.entrants = entrants
        names = [*entrants.finds, *entrants.known, *losses]
        self.pairs = {name: differences_by_seed(losses.get(name, {}), incumbent) for name in dict.fromkeys(names)}

    @functools.cached_property
    def verdicts(self) -> dict[str, str]:
        """Who is ``better`` or ``worse``, each at 5 % for all together; others are ``open``."""
        return {
            name: "open" if corrected > LEVEL else "better" if sum(self.pairs[name]) < 0 else "worse"
            for name, (_, corrected) in tested(self.pairs, self.entrants).items()
        }

    def wanted(self, name: str) -> float:
        """Return the evidence that a function needs to be shown better, as the others stand."""
        places = dict(zip(self.pairs, self.entrants.weights([*self.pairs]), strict=True))
        family = [other for other, (number, _) in places.items() if number == places[name][0]]
        evidence = [evidence_of(self.pairs[other]) for other in family]
        return wanted(evidence, [places[other][1] for other in family], family.index(name))

    def place(self, name: str, affordable: int) -> str:
        """Return where one stands: ``better``, ``worse``, ``behind``, ``costly``, or ``racing``.

        Args:
            name: who.
            affordable: seeds that the budget has left for this function and the incumbent.
        """
        verdict, found = self.verdicts[name], self.pairs[name]
        if verdict != "open":
            return verdict
        if is_behind(found):
            return "behind"
        return "racing" if self._can_afford(name, found, affordable) else "costly"

    def _can_afford(self, name: str, found: Sequence[float], affordable: int) -> bool:
        """Whether the budget would do if the function were as good as its limit."""
        if len(found) < FIRST:
            return True
        spread, limit = statistics.stdev(found), _limit(found, THRIFT)
        if spread == 0 or limit >= 0:
            return spread == 0
        needed = pairs_to_decide(found, self.wanted(name), effect=limit / spread)
        return needed is not None and needed <= affordable


def _limit(found: Sequence[float], level: float) -> float:
    """Return the optimistic limit of the mean difference."""
    error = standard_error(found) if len(found) > 1 else float("inf")
    return statistics.fmean(found) - float(special.stdtrit(max(1, len(found) - 1), 1 - level)) * error


def is_behind(found: Sequence[float]) -> bool:
    """Whether even an optimistic limit of the mean difference is no better than the incumbent."""
    return _limit(found, HOPE) >= 0


def may_be_better(found: Sequence[float]) -> bool:
    """Whether more seeds may show that a function is better: it is ahead so far."""
    return sum(found) < 0
