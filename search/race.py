"""The final rung as a race: fresh seeds, the same ones for every function, go where they can change the answer.

The question is which functions are better than the incumbent, the network's present activation. The most promising find
and the most promising known function race first, a few seeds at a time, until each is better, worse, clearly behind, or
too costly to decide. Then the next one races; the incumbent's seeds are already there. A budget too small for both goes
to the more promising one. The race ends when no function is left or the budget is spent. Each step depends only on
earlier losses, so a killed race resumes as it would have gone on. The idea is that of F-race (Birattari et al. 2002;
Lopez-Ibanez et al. 2016, irace), with tests that stay valid when read after every seed. Not here: these tests
(``ranking.standing``, ``ranking.claims``), and the training (``core``).
"""

import math
import types
from collections.abc import Collection, Generator, Mapping, Sequence

from actsearch.search.core import Block
from actsearch.search.memory.records import ENTRANTS, RACED, Key, Rung
from actsearch.search.memory.store import Store
from actsearch.search.ranking.claims import Entrants
from actsearch.search.ranking.entry import judged, without_failures
from actsearch.search.ranking.evidence import pairs_needed
from actsearch.search.ranking.significance import Losses
from actsearch.search.ranking.standing import Standing
from actsearch.search.trainings import Trainings

LOOK = 2  # seeds between two looks at the tests: a function plainly behind gets no more
FOR_TWO = 3 * (pairs_needed() + 1)  # trainings that may tell a find, a known function and the incumbent apart
STACKED = 4  # seeds between two looks in a stack, where fewer seeds cost as much


def look_of(stack: int) -> int:
    """Return the number of seeds between two looks, for stacks of this many children."""
    return LOOK if stack == 1 else STACKED


def enter(store: Store, finds: Sequence[str], known: Sequence[str]) -> Entrants:
    """Store the entrants of a race behind those of earlier races of the run, and return all of them.

    Args:
        store: store of the run.
        finds: fingerprints of finds, the most promising first.
        known: fingerprints of baselines without the incumbent, the most promising first.
    """
    facts = store.facts()
    before = Entrants.of(facts)
    if before.joined(finds, known) != before:
        number = 1 + sum(key.startswith(f"{ENTRANTS} ") for key in facts)
        store.describe({f"{ENTRANTS} {number}": Entrants(tuple(finds), tuple(known)).text})
    store.describe({RACED: "yes"})
    return before.joined(finds, known)


class Race:
    """One race.

    Args:
        trainings: trainings of the run.
        rung: rung of the race.
        incumbent: fingerprint of the incumbent.
        entrants: all functions ever judged in the run, the most promising first.
        racing: fingerprints of the entrants that race now; None is all.
        beside: losses of the other functions, since claims hold for all together.
        together: whether all functions race at once.
        look: number of seeds between two looks.
        below: mean losses on the rung below, which choose the function to race when the budget is enough for one.
    """

    def __init__(
        self, trainings: Trainings, rung: Rung, incumbent: str, entrants: Entrants,
        racing: Collection[str] | None = None,
        beside: Mapping[str, Losses] = types.MappingProxyType({}), *, together: bool = False,
        look: int = LOOK, below: Mapping[str, float] = types.MappingProxyType({}),
    ) -> None:  # fmt: skip
        self.trainings, self.rung, self.incumbent = trainings, rung, incumbent
        self.entrants, self.beside, self.together = entrants, beside, together
        self.look, self.below, self.alone = look, below, False
        judged = [*entrants.finds, *entrants.known]
        self.racing = judged if racing is None else [name for name in judged if name in racing]
        self.seeds = dict.fromkeys([incumbent, *self.racing], 0)  # seeds of each that count in this race

    def blocks(self, budget: int) -> Generator[Block, None, int]:
        """Race until no function is left or the budget is spent.

        Args:
            budget: number of trainings, those of earlier processes included.

        Returns:
            Number of trainings spent.
        """
        spent, self.alone = 0, budget < FOR_TWO
        while seeds := self.next_seeds(budget - spent):
            spent += sum(more - self.seeds[name] for name, more in seeds.items())
            yield self.block(seeds)
            if not self.losses(self.incumbent):
                break
            self.settle((budget - spent) // 2)
        return spent

    @property
    def active(self) -> list[str]:
        """The functions to train next: the first find and the first known function left, or the better of both."""
        if self.together:
            return self.racing
        families = ([name for name in self.racing if name in members] for members in
                    (self.entrants.finds, self.entrants.known))  # fmt: skip
        heads = [family[0] for family in families if family]
        return [min(heads, key=lambda name: self.below.get(name, math.inf))] if self.alone and heads else heads

    def next_seeds(self, budget: int) -> dict[str, int]:
        """Return the next number of seeds of the incumbent and each active function; empty if the budget is too small.

        Args:
            budget: number of trainings left.
        """
        active = self.active
        while active:
            for size in range(self.look, 0, -1):
                seeds = {name: self.seeds[name] + size for name in active}
                seeds = {self.incumbent: max(self.seeds[self.incumbent], *seeds.values())} | seeds
                if sum(more - self.seeds[name] for name, more in seeds.items()) <= budget:
                    return seeds
            active = active[:-1]
        return {}

    def block(self, seeds: Mapping[str, int]) -> Block:
        """Return the block that brings functions to these numbers of seeds, which count from now on."""
        self.seeds |= seeds
        return Block(self.trainings.missing(self.rung, seeds))

    def losses(self, name: str) -> Losses:
        """Return losses by repeat, of the seeds that count; empty if one of them failed."""
        outcomes, rung = self.trainings.outcomes, self.rung.name
        return without_failures({n: judged(outcomes[Key(name, rung, n)]) for n in range(self.seeds[name])})

    def standing(self) -> Standing:
        """Return the standing of all functions."""
        losses = {name: self.losses(name) for name in self.seeds if name != self.incumbent}
        return Standing({**self.beside, **losses}, self.losses(self.incumbent), self.entrants)

    def settle(self, affordable: int, staying: Sequence[str] = ("racing",)) -> None:
        """Remove from the race each active function that failed, or whose place is not in ``staying``.

        Args:
            affordable: number of seeds that the budget leaves for one function and the incumbent.
            staying: places whose functions stay in the race; see ``Standing.place``.
        """
        standing = self.standing()
        if self.alone:  # the rest of the budget is too small for any other function
            staying = (*staying, "costly")
        leaving = [
            name for name in self.active if not self.losses(name) or standing.place(name, affordable) not in staying
        ]
        self.racing = [name for name in self.racing if name not in leaving]
