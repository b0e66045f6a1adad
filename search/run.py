"""The search itself: ask, train what is new, remember, tell; then train the finalists with fresh seeds.

Everything is in the store before it is acted upon, so a run that was killed goes on from its last outcome. Not here:
who proposes (``proposer``), who trains (``evaluators.pools.pool``) and the ranking (``leaderboard``).
"""

import dataclasses
import math
from collections.abc import Sequence
from itertools import pairwise

from actsearch.evaluators.activation import Elementwise
from actsearch.evaluators.outcome import Status
from actsearch.evaluators.pools.pool import Pool
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
    """One run.

    Args:
        plan: what is searched, how long, and what becomes of the best.
        store: the run's memory; what it already holds is not done again.
        pool: who trains.
        listener: is told after every outcome.
        log: is told what the proposer says of itself, by batch.
        stack: children that are trained as one: a batch has as many at least.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        pool: Pool,
        listener: Listener = silent,
        log: Log = unlogged,
        stack: int = 1,
    ) -> None:
        self.plan, self.store, self.log, self.incumbent = plan, store, log, ""
        self.batch, self.look = max(plan.budget.batch, stack), look_of(stack)
        store.add_rungs(plan.rungs)
        self.meter = Meter(plan.goals, listener)
        self.behaviours = Behaviours(store.behaviours(), plan.share, store.proposed())
        self.trainings = Trainings(store, pool, plan.seed, self.behaviours, plan.vocabulary, self.meter)
        describe = knowledge_of(plan.task, plan.seed)
        proposer = plan.proposer
        if proposer.name == "reinforce" and proposer.reinforce.warm_up and not is_readable(plan.task, plan.seed):
            unwarmed = dataclasses.replace(proposer.reinforce, warm_up=0)  # zeros alone would teach it something
            proposer = dataclasses.replace(proposer, reinforce=unwarmed)
        self.proposer = build_proposer(proposer, plan.space, plan.seed, describe)

    def run(self) -> None:
        """Search, then let the best climb the ladder; what the store already holds is passed over."""
        self._add_baselines()
        self._search()
        self._climb()

    def _search(self) -> None:
        state, updated = self.store.proposer_state(), self.store.updates()
        if state is not None:
            from_bytes(self.proposer, state)
        stored = self.store.proposals()
        batch, asked = max(updated, default=0), len(stored)
        learned_from = [self.behaviours.trained_as(row.fingerprint) for row in stored if row.batch <= batch]
        self.trainings.train(self.plan.rungs[0], learned_from)  # nothing, but for what may be tried again
        pending = [row for row in stored if row.batch > batch]  # asked for, but killed before it was learned from
        while pending or self._unfinished(asked):
            batch += 1
            if not pending:
                pending = self._ask(batch)
                asked += len(pending)
                if not pending:
                    break  # every behaviour of the space was asked for
            self.trainings.train(self.plan.rungs[0], [self.behaviours.trained_as(row.fingerprint) for row in pending])
            self._tell(batch, pending)
            pending = []

    def _search_key(self, fingerprint: str) -> Key:
        return Key(self.behaviours.trained_as(fingerprint), self.plan.rungs[0].name, 0)

    def _unfinished(self, asked: int) -> bool:
        return self._trained() < self.plan.budget.children and asked < self.plan.budget.proposals

    def _trained(self) -> int:
        """Return how many proposed behaviours were trained; baselines come on top of the budget."""
        outcomes = self.trainings.outcomes
        keys = map(self._search_key, self.behaviours.proposed)
        return sum(key in outcomes and outcomes[key].status is not Status.REJECTED for key in keys)

    def _ask(self, batch: int) -> list[StoredProposal]:
        rows, new = [], []
        for proposal in self.proposer.ask(self.batch):
            known = self.behaviours.propose(Elementwise(proposal.expression))
            new.append(known)
            rows.append(StoredProposal(batch, proposal.tokens, str(proposal.expression), known.fingerprint))
        self.store.add_proposals(new, rows, to_bytes(self.proposer))
        return rows

    def _tell(self, batch: int, rows: list[StoredProposal]) -> None:
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

    def _add_baselines(self) -> None:
        read = map(self.plan.vocabulary.read, self.plan.baselines)
        self.store.add_baselines([self.behaviours.meet(activation, baseline=True) for activation in read])
        incumbent = self.plan.vocabulary.read(self.plan.incumbent).identity
        self.store.describe({INCUMBENT: self.behaviours.trained_as(incumbent)})
        self.incumbent = self.store.fact(INCUMBENT) or incumbent
        self.trainings.train(self.plan.rungs[0], self.behaviours.baselines)
        found = [self.trainings.outcomes[self._search_key(name)] for name in self.behaviours.baselines]
        if all(outcome.score is None for outcome in found):
            raise NothingScored(
                f"the search ends here: not one of {len(found)} trainings has a score, all of them of baselines; "
                f"{found[0].status.value}: {found[0].reason}"
            )

    def _climb(self) -> None:
        """Train the best of each rung on the next one, and baselines with them."""
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
                self._race(below, rung, going, known)
            else:
                everybody = [*going, self.incumbent, *known]
                self.meter.expect(rung.name, len(everybody) * rung.seeds)
                self.trainings.train(rung, everybody)

    def _means(self, rung: Rung, names: Sequence[str]) -> dict[str, float]:
        """Return the mean losses of those whose seeds of a rung all have a score."""
        means = ((name, self.trainings.mean(rung, name)) for name in names)
        return {name: mean for name, mean in means if mean is not None}

    def _race(self, below: Rung, rung: Rung, finds: Sequence[str], known: Sequence[str]) -> None:
        """Race finds and known functions, each in the order of the rung below; without a loss there, behind."""
        means = self._means(below, [*finds, *known])
        known = sorted(known, key=lambda name: (means.get(name, math.inf), name if name in means else ""))
        entrants, everybody = enter(self.store, finds, known), [self.incumbent, *finds, *known]
        if self.plan.final.trainings is None and rung.seeds < pairs_needed():  # too few to decide anything
            self.meter.expect(rung.name, len(everybody) * rung.seeds)
            self.trainings.train(rung, everybody)
            return
        before = {key.fingerprint for key in self.trainings.outcomes if key.rung == rung.name} - {*everybody}
        beside = {name: losses for name in sorted(before) if (losses := self.trainings.losses(rung, name))}
        race = Race(self.trainings, rung, self.incumbent, entrants, everybody, beside, look=self.look, below=means)
        done = sum(self.meter.done[one.name] * one.task.steps for one in self.plan.rungs[:-1]) // rung.task.steps
        budget = of_a_race(self.plan.final, len(everybody) * rung.seeds, done)
        self.meter.expect(rung.name, budget)
        self.meter.expect(rung.name, race.run(budget))
