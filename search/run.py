"""The search itself: baselines, candidates from a proposer, the ladder, and finalists with fresh seeds.

Everything is in the store before the search acts on it, so a killed run resumes from its last outcome. Not here: the
hand-out of trainings (``core``), the proposer (``proposer``), and the ranking (``leaderboard``).
"""

import math
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from actsearch.evaluators.activation import Elementwise
from actsearch.evaluators.outcome import Status
from actsearch.grammar.expression import Expression
from actsearch.search.core import Block, Core
from actsearch.search.ladder import best, known_on, of_a_race
from actsearch.search.memory.behaviours import Behaviours
from actsearch.search.memory.records import INCUMBENT, Key, Rung, StoredProposal
from actsearch.search.memory.store import Store
from actsearch.search.plan import Plan
from actsearch.search.progress import Listener, Log, Meter, NothingScored, silent, unlogged
from actsearch.search.proposers.knowledge import KnowledgeOfTask
from actsearch.search.proposers.prior import shipped
from actsearch.search.proposers.proposer import Proposal, from_bytes, to_bytes
from actsearch.search.proposers.registry import build_proposer
from actsearch.search.proposers.surrogate import Surrogate
from actsearch.search.race import Race, enter, look_of
from actsearch.search.ranking.evidence import pairs_needed
from actsearch.search.reward import Scale, reward, scale_of
from actsearch.search.trainings import Trainings


class Search:
    """The search of one run: it yields trainings, and lets the proposer learn from their outcomes.

    Args:
        plan: plan of the search.
        store: store of the run; the search repeats nothing that it already holds.
        listener: callback that gets the progress after every outcome.
        log: callback that gets the proposer's numbers of each batch.
        stack: number of children that are trained as one; a batch has at least as many.
        asynchronous: whether the proposer may propose before it has learned from all earlier proposals. Then no worker
            waits for another, and the order of the outcomes influences the proposals.
    """

    def __init__(
        self, plan: Plan, store: Store, listener: Listener = silent, log: Log = unlogged, stack: int = 1, *,
        asynchronous: bool = False,
    ) -> None:  # fmt: skip
        self.plan, self.store, self.listener, self.log, self.incumbent = plan, store, listener, log, ""
        self.batch, self.look, self.asynchronous = max(plan.budget.batch, stack), look_of(stack), asynchronous
        store.add_rungs(plan.rungs)
        knowledge = KnowledgeOfTask(plan.task, plan.seed, shipped() if plan.proposer.prior else None)
        self.proposer = build_proposer(plan.proposer, plan.space, plan.seed, knowledge, plan.given)

    def core(self, elsewhere: Collection[Key] = ()) -> Core:
        """Return the core of the search, which resumes where the store ends.

        Args:
            elsewhere: keys of trainings in other processes.
        """
        plan, store = self.plan, self.store
        self.meter = Meter(plan.goals, self.listener)
        self.behaviours = Behaviours(store.behaviours(), plan.share, store.proposed())
        self.trainings = Trainings(store, plan.seed, self.behaviours, plan.vocabulary, self.meter)
        self.open: dict[int, tuple[list[StoredProposal], set[Key]]] = {}
        """Batch -> proposals that the proposer has not learned from, and keys of their missing outcomes."""
        if (state := store.proposer_state()) is not None:
            from_bytes(self.proposer, state)
        return Core(self.trainings, self._blocks(), self._learn, elsewhere)

    def _blocks(self) -> Iterator[Block]:
        """Yield blocks of the baselines, the search and the ladder, without trainings that the store already holds."""
        yield from self._baselines()
        yield from self._search()
        yield from self._climb()

    def _search(self) -> Iterator[Block]:
        if isinstance(self.proposer, Surrogate):
            self.proposer.meet(self._rewards_of_baselines())
        stored, learned = self.store.proposals(), self.store.updates()
        before = [self.behaviours.trained_as(row.fingerprint) for row in stored if row.batch in learned]
        yield Block(self.trainings.missing(self.plan.rungs[0], before))  # only failures that may be tried again
        batches = {row.batch: [one for one in stored if one.batch == row.batch] for row in stored}
        for batch, rows in batches.items():
            if batch not in learned:  # proposed, but the run was killed before the update
                yield from self._block(batch, rows)
        proposed, batch = len(stored), max([0, *learned, *batches])
        while self._unfinished(proposed):
            batch += 1
            rows = self._propose(batch)
            proposed += len(rows)
            if not rows:
                break  # the space has no further behaviour
            yield from self._block(batch, rows)
        yield Block([])

    def _block(self, batch: int, rows: list[StoredProposal]) -> Iterator[Block]:
        names = [self.behaviours.trained_as(row.fingerprint) for row in rows]
        missing = self.trainings.missing(self.plan.rungs[0], names)
        pending = {key for row in rows if (key := self._search_key(row.fingerprint)) not in self.trainings.outcomes}
        if not pending:
            self._update(batch, rows)
            return
        self.open[batch] = (rows, pending)
        yield Block(missing, joint=not self.asynchronous)

    def _learn(self, key: Key) -> None:
        """Let the proposer learn from each batch that this outcome completes."""
        for batch, (rows, pending) in [*self.open.items()]:
            pending.discard(key)
            if not pending:
                del self.open[batch]
                self._update(batch, rows)

    def _search_key(self, fingerprint: str) -> Key:
        return Key(self.behaviours.trained_as(fingerprint), self.plan.rungs[0].name, 0)

    def _unfinished(self, proposed: int) -> bool:
        under_way = {key for _, pending in self.open.values() for key in pending}
        return self._trained() + len(under_way) < self.plan.budget.children and proposed < self.plan.budget.proposals

    def _trained(self) -> int:
        """Return the number of proposed behaviours that were trained; baselines do not count against the budget."""
        outcomes = self.trainings.outcomes
        keys = map(self._search_key, self.behaviours.proposed)
        return sum(key in outcomes and outcomes[key].status is not Status.REJECTED for key in keys)

    def _propose(self, batch: int) -> list[StoredProposal]:
        rows, behaviours = [], []
        for proposal in self.proposer.ask(self.batch):
            behaviour = self.behaviours.propose(Elementwise(proposal.expression))
            behaviours.append(behaviour)
            rows.append(StoredProposal(batch, proposal.tokens, str(proposal.expression), behaviour.fingerprint))
        self.store.add_proposals(behaviours, rows, to_bytes(self.proposer))
        return rows

    def _update(self, batch: int, rows: list[StoredProposal]) -> None:
        scale = self._scale()
        proposals = [Proposal(row.tokens, self.plan.space.decode(row.tokens)) for row in rows]
        rewards = [reward(self.trainings.outcomes[self._search_key(row.fingerprint)], scale) for row in rows]
        metrics = self.proposer.tell(proposals, rewards)
        self.store.add_update(batch, metrics, to_bytes(self.proposer))
        self.log(batch, metrics)

    def _scale(self) -> Scale:
        """Return the scale of rewards; the baselines have their scores before the first proposal."""
        outcomes = [
            self.trainings.outcomes[Key(fingerprint, self.plan.rungs[0].name, 0)]
            for fingerprint in self.behaviours.baselines
        ]
        scores = [outcome.score for outcome in outcomes]
        return scale_of(self.plan.task.chance, scores, is_cross_entropy=not self.plan.task.is_own)

    def _rewards_of_baselines(self) -> dict[Expression, float]:
        """Return the rewards of the baselines that are functions of one number."""
        scale, outcomes = self._scale(), self.trainings.outcomes
        read = {name: self.plan.vocabulary.read_kept(self.behaviours.text(name)) for name in self.behaviours.baselines}
        return {
            activation.expression: reward(outcomes[self._search_key(name)], scale)
            for name, activation in read.items()
            if isinstance(activation, Elementwise)
        }

    def _baselines(self) -> Iterator[Block]:
        activations = map(self.plan.vocabulary.read, self.plan.baselines)
        self.store.add_baselines([self.behaviours.meet(activation, baseline=True) for activation in activations])
        incumbent = self.plan.vocabulary.read(self.plan.incumbent).identity
        self.store.describe({INCUMBENT: self.behaviours.trained_as(incumbent)})
        self.incumbent = self.store.fact(INCUMBENT) or incumbent
        yield Block(self.trainings.missing(self.plan.rungs[0], self.behaviours.baselines))
        outcomes = [self.trainings.outcomes[self._search_key(name)] for name in self.behaviours.baselines]
        if all(outcome.score is None for outcome in outcomes):
            raise NothingScored(
                f"the search ends here: not one of {len(outcomes)} trainings has a score, all of them of baselines; "
                f"{outcomes[0].status.value}: {outcomes[0].reason}"
            )

    def _climb(self) -> Iterator[Block]:
        """Yield blocks for each rung above the search: the best of the rung below, and baselines."""
        climbers = sorted({*self.behaviours.proposed} - {*self.behaviours.baselines})
        known = [name for name in self.behaviours.baselines if name != self.incumbent]
        for height, (below, rung) in enumerate(pairwise(self.plan.rungs), start=1):
            self.meter.expect(below.name, self.meter.done[below.name])
            room = self.plan.candidates_on(height, self.trainings.count_trained(below, climbers))
            climbers = best(self._means(below, climbers), room)
            if self.plan.final.known is not None:
                room = known_on(self.plan.final, len(known), last=rung is self.plan.rungs[-1])
                known = best(self._means(below, known), room)
            if rung is self.plan.rungs[-1] and self.plan.final.race:
                yield from self._race(below, rung, climbers, known)
            else:
                functions = [*climbers, self.incumbent, *known]
                self.meter.expect(rung.name, len(functions) * rung.seeds)
                yield Block(self.trainings.missing(rung, functions))

    def _means(self, rung: Rung, names: Sequence[str]) -> dict[str, float]:
        """Return the mean losses of the functions whose seeds of a rung all have a score."""
        means = ((name, self.trainings.mean(rung, name)) for name in names)
        return {name: mean for name, mean in means if mean is not None}

    def _race(self, below: Rung, rung: Rung, finds: Sequence[str], known: Sequence[str]) -> Iterator[Block]:
        """Race finds and known functions, each in the order of the rung below; those without a loss there are last."""
        means = self._means(below, [*finds, *known])
        known = sorted(known, key=lambda name: (means.get(name, math.inf), name if name in means else ""))
        entrants, functions = enter(self.store, finds, known), [self.incumbent, *finds, *known]
        if self.plan.final.trainings is None and rung.seeds < pairs_needed():  # too few seeds to decide anything
            self.meter.expect(rung.name, len(functions) * rung.seeds)
            yield Block(self.trainings.missing(rung, functions))
            return
        before = {key.fingerprint for key in self.trainings.outcomes if key.rung == rung.name} - {*functions}
        beside = {name: losses for name in sorted(before) if (losses := self.trainings.losses(rung, name))}
        race = Race(self.trainings, rung, self.incumbent, entrants, functions, beside, look=self.look, below=means)
        done = sum(self.meter.done[one.name] * one.task.steps for one in self.plan.rungs[:-1]) // rung.task.steps
        budget = of_a_race(self.plan.final, len(functions) * rung.seeds, done)
        self.meter.expect(rung.name, budget)
        self.meter.expect(rung.name, (yield from race.blocks(budget)))
