"""The final rung as a race: fresh seeds, the same ones for everybody, go where they can change the answer.

The question is which functions are better than the incumbent, what the network has now. The find and the known function
that promise most are asked about first, a few seeds at a time, until each is better, worse, clearly behind, or too
costly to decide; then it is the turn of the next one, which finds the incumbent's seeds already there. A budget that
would not do for both is spent on the one that promises more. The race ends when nobody is left or the budget is out.
Each step depends on the losses before alone, so a race that was killed goes on as it would have. The idea is that of
F-race (Birattari et al. 2002; Lopez-Ibanez et al. 2016, irace), with tests that stay valid when they are looked at
after every seed. Not here: these tests (``ranking.standing``, ``ranking.claims``), and who trains (``core``).
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

LOOK = 2  # seeds between two looks: who is plainly behind has no more of them
FOR_TWO = 3 * (pairs_needed() + 1)  # trainings with which a find, a known function and the incumbent may be told apart
STACKED = 4  # the same where seeds are trained as one, and few of them cost as much


def look_of(stack: int) -> int:
    """Return the seeds between two looks where so many children are trained as one."""
    return LOOK if stack == 1 else STACKED


def enter(store: Store, finds: Sequence[str], known: Sequence[str]) -> Entrants:
    """Keep with a run who is to be judged, behind those of earlier sittings, and return everybody.

    Args:
        store: of the run.
        finds: fingerprints, in the order of promise.
        known: those of baselines, without the incumbent, in theirs.
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
        trainings: of the run.
        rung: how everybody is trained.
        incumbent: the fingerprint that all are compared with.
        entrants: everybody who was ever judged in the run, in the order of promise.
        racing: who of them races now; None is everybody.
        beside: losses of who does not: claims hold for all together.
        together: whether everybody's turn is at once.
        look: seeds between two looks.
        below: mean losses on the rung below, that tell whose turn it is where there are seeds for one alone.
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
        everybody = [*entrants.finds, *entrants.known]
        self.racing = everybody if racing is None else [name for name in everybody if name in racing]
        self.seeds = dict.fromkeys([incumbent, *self.racing], 0)  # of each, that count in this race

    def blocks(self, budget: int) -> Generator[Block, None, int]:
        """Race until nobody is left or so many trainings are spent, those of earlier sittings among them.

        Returns:
            Number of trainings that were spent.
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
        """Whose turn it is: the first find that still races, and the first known function, or the better of both."""
        if self.together:
            return self.racing
        families = ([name for name in self.racing if name in members] for members in
                    (self.entrants.finds, self.entrants.known))  # fmt: skip
        heads = [family[0] for family in families if family]
        return [min(heads, key=lambda name: self.below.get(name, math.inf))] if self.alone and heads else heads

    def next_seeds(self, budget: int) -> dict[str, int]:
        """Return how many seeds each whose turn it is should have next, and the incumbent; nothing if none can be paid.

        Args:
            budget: trainings that are left.
        """
        turn = self.active
        while turn:
            for size in range(self.look, 0, -1):
                seeds = {name: self.seeds[name] + size for name in turn}
                seeds = {self.incumbent: max(self.seeds[self.incumbent], *seeds.values())} | seeds
                if sum(more - self.seeds[name] for name, more in seeds.items()) <= budget:
                    return seeds
            turn = turn[:-1]
        return {}

    def block(self, seeds: Mapping[str, int]) -> Block:
        """Return what gives each of these so many seeds, which count from now on."""
        self.seeds |= seeds
        return Block(self.trainings.missing(self.rung, seeds))

    def losses(self, name: str) -> Losses:
        """Return losses by repeat, of the seeds that count; none at all where one failed."""
        outcomes, rung = self.trainings.outcomes, self.rung.name
        return without_failures({n: judged(outcomes[Key(name, rung, n)]) for n in range(self.seeds[name])})

    def standing(self) -> Standing:
        """Return where everybody stands."""
        mine = {name: self.losses(name) for name in self.seeds if name != self.incumbent}
        return Standing({**self.beside, **mine}, self.losses(self.incumbent), self.entrants)

    def settle(self, affordable: int, staying: Sequence[str] = ("racing",)) -> None:
        """Let those go whose turn it was and who are settled.

        Args:
            affordable: seeds that the budget has left for one function and the incumbent.
            staying: places of who stays.
        """
        standing = self.standing()
        if self.alone:  # what is left would do for nobody else
            staying = (*staying, "costly")
        gone = [
            name for name in self.active if not self.losses(name) or standing.place(name, affordable) not in staying
        ]
        self.racing = [name for name in self.racing if name not in gone]
