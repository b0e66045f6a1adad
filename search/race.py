"""The final rung as a race: fresh seeds in blocks, the same ones for everybody, go where the question is still open.

The question is which functions are better than the incumbent, what the network has now. Who is better, worse, clearly
behind, or too costly to decide leaves after a block; the race ends when nobody is left or the budget is out. Each
step depends on the losses of the blocks before alone, so a race that was killed goes on as it would have. The idea is
that of F-race (Birattari et al. 2002; Lopez-Ibanez et al. 2016, irace), with tests that stay valid when they are looked
at after every block. Not here: these tests (``ranking.standing``, ``ranking.evidence``).
"""

import types
from collections.abc import Iterator, Mapping, Sequence

from actsearch.search.memory.records import Key, Rung
from actsearch.search.ranking.entry import judged, without_failures
from actsearch.search.ranking.evidence import FIRST
from actsearch.search.ranking.significance import Losses
from actsearch.search.ranking.standing import Standing, standing
from actsearch.search.trainings import Trainings

FIRST_BLOCK, BLOCK = FIRST, 3  # seeds


class Race:
    """One race.

    Args:
        trainings: of the run.
        rung: how everybody is trained.
        incumbent: the fingerprint that all are compared with.
        entrants: fingerprints, the incumbent not among them.
        beside: losses of who was judged before and does not race: claims hold for all together.
    """

    def __init__(
        self, trainings: Trainings, rung: Rung, incumbent: str, entrants: Sequence[str],
        beside: Mapping[str, Losses] = types.MappingProxyType({}),
    ) -> None:  # fmt: skip
        self.trainings, self.rung, self.incumbent, self.beside = trainings, rung, incumbent, beside
        self.seeds = dict.fromkeys([incumbent, *entrants], 0)  # of each, that count in this race
        self.racing = [*entrants]

    def run(self, budget: int) -> int:
        """Race until nobody is left or so many trainings are spent, those of earlier sittings among them.

        Returns:
            How many were spent.
        """
        spent = 0
        for size in self._blocks(budget):
            spent += size * (len(self.racing) + 1)
            self.block(size)
            affordable = (budget - spent) // 2
            self.racing = [*self.standing(affordable).racing] if self.losses(self.incumbent) else []
        return spent

    def _blocks(self, budget: int) -> Iterator[int]:
        """Yield seeds of the next block, while somebody races and the budget has one left for everybody."""
        size = FIRST_BLOCK
        while self.racing and (size := min(size, budget // (len(self.racing) + 1))):
            budget -= size * (len(self.racing) + 1)
            yield size
            size = BLOCK

    def block(self, size: int) -> None:
        """Train everybody who races, and the incumbent, to so many seeds more than who has the fewest."""
        going = [self.incumbent, *self.racing]
        seeds = min(self.seeds[name] for name in self.racing) + size
        self.trainings.train(self.rung, going, range(seeds))
        self.seeds |= {name: max(seeds, self.seeds[name]) for name in going}

    def losses(self, name: str) -> Losses:
        """Return losses by repeat, of the seeds that count; none at all where one failed."""
        outcomes, rung = self.trainings.outcomes, self.rung.name
        return without_failures({n: judged(outcomes[Key(name, rung, n)]) for n in range(self.seeds[name])})

    def standing(self, affordable: int) -> Standing:
        """Return where everybody stands; see ``ranking.standing``."""
        losses = {name: self.losses(name) for name in self.seeds if name != self.incumbent}
        failed = [name for name in self.racing if not losses[name]]
        judged_ones = {**self.beside, **{name: found for name, found in losses.items() if found}}
        return standing(judged_ones, self.losses(self.incumbent), self.racing, failed, affordable)
