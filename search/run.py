"""The search itself: baselines, what a proposer proposes, the ladder, and the finalists with fresh seeds.

Everything is in the store before it is acted upon, so a run that was killed goes on from its last outcome. Not here:
who asks for trainings (``core``), who proposes (``proposer``), and the ranking (``leaderboard``).
"""

import dataclasses
import math
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from actsearch.evaluators.activation import Elementwise
from actsearch.evaluators.outcome import Status
from actsearch.search.core import Block, Core
from actsearch.search.ladder import best, known_on, of_a_race
from actsearch.search.memory.behaviours import Behaviours
from actsearch.search.memory.records import INCUMBENT, Key, Rung, StoredProposal
from actsearch.search.memory.store import Store
from actsearch.search.plan import Plan
from actsearch.search.progress import Listener, Log, Meter, NothingScored, silent, unlogged
from actsearch.search.proposers.knowledge import is_readable, knowledge_of
from actsearch.search.proposers.proposer import Proposal, from_bytes, to_bytes
from actsearch.search.proposers.registry import build_proposer
from actsearch.search.race import Race, enter, look_of
from actsearch.search.ranking.evidence import pairs_needed
from actsearch.search.reward import Scale, reward, scale_of
from actsearch.search.trainings import Trainings


class Search:
    """A search of one run: which trainings it wants, and how its proposer learns from them.

    Args:
        plan: what is searched, how long, and what becomes of the best.
        store: memory of the run; what it already holds is not done again.
        listener: is told after every outcome.
        log: is told what the proposer says of itself, by batch.
        stack: number of children that are trained as one; a batch has as many at least.
        asynchronous: whether the proposer may be asked before it has learned from all that it proposed: no worker
            waits for another, and the order of the outcomes decides what is proposed.
    """

    def __init__(
        self, plan: Plan, store: Store, listener: Listener = silent, log: Log = unlogged, stack: int = 1, *,
        asynchronous: bool = False,
    ) -> None:  # fmt: skip
        self.plan, self.store, self.listener, self.log, self.incumbent = plan, store, listener, log, ""
        self.batch, self.look, self.asynchronous = max(plan.budget.batch, stack), look_of(stack), asynchronous
        store.add_rungs(plan.rungs)
        describe = knowledge_of(plan.task, plan.seed)
        proposer = plan.proposer
        if proposer.name == "reinforce" and proposer.reinforce.warm_up and not is_readable(plan.task, plan.seed):
            unwarmed = dataclasses.replace(proposer.reinforce, warm_up=0)  # zeros alone would teach it something
            proposer = dataclasses.replace(proposer, reinforce=unwarmed)
        self.proposer = build_proposer(proposer, plan.space, plan.seed, describe, plan.given)

    def core(self, elsewhere: Collection[Key] = ()) -> Core:
        """Return the core that goes on where the store ends.

        Args:
            elsewhere: trainings that another process has.
        """
        plan, store = self.plan, self.store
        self.meter = Meter(plan.goals, self.listener)
        self.behaviours = Behaviours(store.behaviours(), plan.share, store.proposed())
        self.trainings = Trainings(store, plan.seed, self.behaviours, plan.vocabulary, self.meter)
        self.open: dict[int, tuple[list[StoredProposal], set[Key]]] = {}
        """By batch, proposals that the proposer has not learned from, and the keys of their missing outcomes."""
        if (state := store.proposer_state()) is not None:
            from_bytes(self.proposer, state)
        return Core(self.trainings, self._blocks(), self._learn, elsewhere)

    def _blocks(self) -> Iterator[Block]:
        """Yield baselines, the search, then the ladder; what the store already holds is passed over."""
        yield from self._baselines()
        yield from self._search()
        yield from self._climb()

    def _search(self) -> Iterator[Block]:
        stored, learned = self.store.proposals(), self.store.updates()
        before = [self.behaviours.trained_as(row.fingerprint) for row in stored if row.batch in learned]
        yield Block(self.trainings.missing(self.plan.rungs[0], before))  # nothing, but for what may be tried again
        batches = {row.batch: [one for one in stored if one.batch == row.batch] for row in stored}
        for batch, rows in batches.items():
            if batch not in learned:  # proposed, but killed before it was learned from
                yield from self._block(batch, rows)
        asked, batch = len(stored), max([0, *learned, *batches])
        while self._unfinished(asked):
            batch += 1
            rows = self._propose(batch)
            asked += len(rows)
            if not rows:
                break  # every behaviour of the space was proposed
            yield from self._block(batch, rows)
        yield Block([])

    def _block(self, batch: int, rows: list[StoredProposal]) -> Iterator[Block]:
        names = [self.behaviours.trained_as(row.fingerprint) for row in rows]
        missing = self.trainings.missing(self.plan.rungs[0], names)
        without = {key for row in rows if (key := self._search_key(row.fingerprint)) not in self.trainings.outcomes}
        if not without:
            self._update(batch, rows)
            return
        self.open[batch] = (rows, without)
        yield Block(missing, joint=not self.asynchronous)

    def _learn(self, key: Key) -> None:
        """Let the proposer learn from each batch whose last outcome this is."""
        for batch, (rows, without) in [*self.open.items()]:
            without.discard(key)
            if not without:
                del self.open[batch]
                self._update(batch, rows)

    def _search_key(self, fingerprint: str) -> Key:
        return Key(self.behaviours.trained_as(fingerprint), self.plan.rungs[0].name, 0)

    def _unfinished(self, asked: int) -> bool:
        out = {key for _, without in self.open.values() for key in without}
        return self._trained() + len(out) < self.plan.budget.children and asked < self.plan.budget.proposals

    def _trained(self) -> int:
        """Return how many proposed behaviours were trained; baselines come on top of the budget."""
        outcomes = self.trainings.outcomes
        keys = map(self._search_key, self.behaviours.proposed)
        return sum(key in outcomes and outcomes[key].status is not Status.REJECTED for key in keys)

    def _propose(self, batch: int) -> list[StoredProposal]:
        rows, new = [], []
        for proposal in self.proposer.ask(self.batch):
            known = self.behaviours.propose(Elementwise(proposal.expression))
            new.append(known)
            rows.append(StoredProposal(batch, proposal.tokens, str(proposal.expression), known.fingerprint))
        self.store.add_proposals(new, rows, to_bytes(self.proposer))
        return rows

    def _update(self, batch: int, rows: list[StoredProposal]) -> None:
        scale = self._scale()
        proposals = [Proposal(row.tokens, self.plan.space.decode(row.tokens)) for row in rows]
        rewards = [reward(self.trainings.outcomes[self._search_key(row.fingerprint)], scale) for row in rows]
        metrics = self.proposer.tell(proposals, rewards)
        self.store.add_update(batch, metrics, to_bytes(self.proposer))
        self.log(batch, metrics)

    def _scale(self) -> Scale:
        """Return what scores are measured by; the baselines have theirs before anything is asked for."""
        outcomes = [
            self.trainings.outcomes[Key(fingerprint, self.plan.rungs[0].name, 0)]
            for fingerprint in self.behaviours.baselines
        ]
        scores = [outcome.score for outcome in outcomes]
        return scale_of(self.plan.task.chance, scores, is_cross_entropy=not self.plan.task.is_own)

    def _baselines(self) -> Iterator[Block]:
        read = map(self.plan.vocabulary.read, self.plan.baselines)
        self.store.add_baselines([self.behaviours.meet(activation, baseline=True) for activation in read])
        incumbent = self.plan.vocabulary.read(self.plan.incumbent).identity
        self.store.describe({INCUMBENT: self.behaviours.trained_as(incumbent)})
        self.incumbent = self.store.fact(INCUMBENT) or incumbent
        yield Block(self.trainings.missing(self.plan.rungs[0], self.behaviours.baselines))
        found = [self.trainings.outcomes[self._search_key(name)] for name in self.behaviours.baselines]
        if all(outcome.score is None for outcome in found):
            raise NothingScored(
                f"the search ends here: not one of {len(found)} trainings has a score, all of them of baselines; "
                f"{found[0].status.value}: {found[0].reason}"
            )

    def _climb(self) -> Iterator[Block]:
        """Yield the best of each rung for the next one, and baselines with them."""
        going = sorted({*self.behaviours.proposed} - {*self.behaviours.baselines})
        known = [name for name in self.behaviours.baselines if name != self.incumbent]
        for height, (below, rung) in enumerate(pairwise(self.plan.rungs), start=1):
            self.meter.expect(below.name, self.meter.done[below.name])
            room = self.plan.candidates_on(height, self.trainings.count_trained(below, going))
            going = best(self._means(below, going), room)
            if self.plan.final.known is not None:
                room = known_on(self.plan.final, len(known), last=rung is self.plan.rungs[-1])
                known = best(self._means(below, known), room)
            if rung is self.plan.rungs[-1] and self.plan.final.race:
                yield from self._race(below, rung, going, known)
            else:
                everybody = [*going, self.incumbent, *known]
                self.meter.expect(rung.name, len(everybody) * rung.seeds)
                yield Block(self.trainings.missing(rung, everybody))

    def _means(self, rung: Rung, names: Sequence[str]) -> dict[str, float]:
        """Return the mean losses of those whose seeds of a rung all have a score."""
        means = ((name, self.trainings.mean(rung, name)) for name in names)
        return {name: mean for name, mean in means if mean is not None}

    def _race(self, below: Rung, rung: Rung, finds: Sequence[str], known: Sequence[str]) -> Iterator[Block]:
        """Race finds and known functions, each in the order of the rung below; without a loss there, behind."""
        means = self._means(below, [*finds, *known])
        known = sorted(known, key=lambda name: (means.get(name, math.inf), name if name in means else ""))
        entrants, everybody = enter(self.store, finds, known), [self.incumbent, *finds, *known]
        if self.plan.final.trainings is None and rung.seeds < pairs_needed():  # too few to decide anything
            self.meter.expect(rung.name, len(everybody) * rung.seeds)
            yield Block(self.trainings.missing(rung, everybody))
            return
        before = {key.fingerprint for key in self.trainings.outcomes if key.rung == rung.name} - {*everybody}
        beside = {name: losses for name in sorted(before) if (losses := self.trainings.losses(rung, name))}
        race = Race(self.trainings, rung, self.incumbent, entrants, everybody, beside, look=self.look, below=means)
        done = sum(self.meter.done[one.name] * one.task.steps for one in self.plan.rungs[:-1]) // rung.task.steps
        budget = of_a_race(self.plan.final, len(everybody) * rung.seeds, done)
        self.meter.expect(rung.name, budget)
        self.meter.expect(rung.name, (yield from race.blocks(budget)))
