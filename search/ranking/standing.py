"""Which functions of a race are better than the incumbent, which are clearly behind, and which still race.

The standing depends on the losses alone, so a killed race resumes as if it had never stopped. A function that leaves
the race loses its own chance, but does not change the level of any claim: claims rest on ``claims`` alone. Not here:
the training (``race``).
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
Student's t). irace likewise drops candidates that a t-test at such a level tells from the best (Lopez-Ibanez et al.
2016)."""
THRIFT = 0.25
"""A function also leaves when the budget would hardly suffice even if its effect were the 75 % limit. In simulations
over the losses of finalists of the quick search, 0.1 spends a tenth more trainings for the same claims, and 0.5 finds
fewer."""


class Standing:
    """The standing of every function of a race against the incumbent.

    Args:
        losses: losses by function, including functions that left the race.
        incumbent: losses of the incumbent.
        entrants: the functions in the order of promise.
    """

    def __init__(self, losses: Mapping[str, Losses], incumbent: Losses, entrants: Entrants) -> None:
        self.entrants = entrants
        names = [*entrants.finds, *entrants.known, *losses]
        self.pairs = {name: differences_by_seed(losses.get(name, {}), incumbent) for name in dict.fromkeys(names)}

    @functools.cached_property
    def verdicts(self) -> dict[str, str]:
        """Function -> ``better`` or ``worse``, each at 5 % for all functions together, or ``open``."""
        return {
            name: "open" if corrected > LEVEL else "better" if sum(self.pairs[name]) < 0 else "worse"
            for name, (_, corrected) in tested(self.pairs, self.entrants).items()
        }

    def wanted(self, name: str) -> float:
        """Return the evidence that a function needs to be shown better, given the other functions."""
        places = dict(zip(self.pairs, self.entrants.weights([*self.pairs]), strict=True))
        family = [other for other, (number, _) in places.items() if number == places[name][0]]
        evidence = [evidence_of(self.pairs[other]) for other in family]
        return wanted(evidence, [places[other][1] for other in family], family.index(name))

    def place(self, name: str, affordable: int) -> str:
        """Return the standing of a function: ``better``, ``worse``, ``behind``, ``costly``, or ``racing``.

        Args:
            name: fingerprint of the function.
            affordable: number of further seeds that the budget allows this function and the incumbent.
        """
        verdict, differences = self.verdicts[name], self.pairs[name]
        if verdict != "open":
            return verdict
        if is_behind(differences):
            return "behind"
        return "racing" if self._can_afford(name, differences, affordable) else "costly"

    def _can_afford(self, name: str, differences: Sequence[float], affordable: int) -> bool:
        """Return whether the budget would suffice if the function were as good as its optimistic limit."""
        if len(differences) < FIRST:
            return True
        spread, limit = statistics.stdev(differences), _limit(differences, THRIFT)
        if spread == 0 or limit >= 0:
            return spread == 0
        needed = pairs_to_decide(differences, self.wanted(name), effect=limit / spread)
        return needed is not None and needed <= affordable


def _limit(differences: Sequence[float], level: float) -> float:
    """Return the one-sided optimistic limit of the mean difference at a level."""
    error = standard_error(differences) if len(differences) > 1 else float("inf")
    return statistics.fmean(differences) - float(special.stdtrit(max(1, len(differences) - 1), 1 - level)) * error


def is_behind(differences: Sequence[float]) -> bool:
    """Return whether even the optimistic limit of the mean difference is no better than the incumbent."""
    return _limit(differences, HOPE) >= 0


def may_be_better(differences: Sequence[float]) -> bool:
    """Return whether more seeds may show that a function is better: whether it is ahead so far."""
    return sum(differences) < 0
