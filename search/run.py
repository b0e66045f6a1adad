"""The search itself: ask, train what is new, remember, tell; then train the finalists with fresh seeds.

Everything is in the store before it is acted upon, so a run that was killed goes on from its last outcome. Not here:
who proposes (``proposer``), who trains (``evaluators.pool``) and the ranking (``leaderboard``).
"""

from collections.abc import Iterable

from evaluators.outcome import Outcome, Request, Status, child_seed
from evaluators.pool import Pool
from evaluators.task import TASKS
from grammar.fingerprint import fingerprint
from grammar.known import read
from grammar.screening import refusal
from grammar.shape import CoreUnits
from grammar.space import Space
from grammar.swish2017 import BINARY, UNARY
from search.progress import Goal, Listener, Meter, silent
from search.proposer import Proposal, Proposer, RandomProposer
from search.reinforce import Reinforce
from search.reward import reward
from search.settings import ProposerSettings, SearchSettings, SpaceSettings
from search.store import Key, Record, Store, StoredProposal

SEARCH, FINAL = 0, 1  # rungs
STAGES = ("search", "final")  # their names


def build_space(settings: SpaceSettings) -> Space:
    """Return the space that the settings describe."""
    return Space(CoreUnits(settings.units, UNARY, BINARY))


def build_proposer(settings: ProposerSettings, space: Space, seed: int) -> Proposer:
    """Return the proposer that the settings name."""
    if settings.name == "random":
        return RandomProposer(space, seed)
    return Reinforce(space, seed, settings.reinforce)


class Search:
    """One run.

    Args:
        settings: what is searched, how long, and what becomes of the best.
        store: the run's memory; what it already holds is not done again.
        pool: who trains.
        listener: is told after every outcome.
    """

    def __init__(self, settings: SearchSettings, store: Store, pool: Pool, listener: Listener = silent) -> None:
        self.settings, self.store, self.pool = settings, store, pool
        self.texts = {behaviour.fingerprint: behaviour.expression for behaviour in store.behaviours()}
        self.outcomes = {key: record.outcome for key, record in store.outcomes().items()}
        self.space = build_space(settings.space)
        self.proposer = build_proposer(settings.proposer, self.space, settings.seed)
        finalists = (settings.final.top + len(settings.baselines)) * settings.final.seeds
        goals = {
            "search": Goal(settings.budget.children, settings.task.steps),
            "final": Goal(finalists, settings.final.steps),
        }
        self.meter = Meter(goals, listener)
        for key, outcome in self.outcomes.items():
            self.meter.count(STAGES[key.rung], self.texts[key.fingerprint], outcome)

    def run(self) -> None:
        """Search, then train the finalists; what the store already holds is passed over."""
        self._add_baselines()
        self._search()
        self._finish()

    def _search(self) -> None:
        state, updated = self.store.proposer_state(), self.store.updates()
        if state is not None:
            self.proposer.from_bytes(state)
        stored = self.store.proposals()
        batch, asked = max(updated, default=0), len(stored)
        pending = [row for row in stored if row.batch > batch]  # asked for, but killed before it was learned from
        while pending or self._unfinished(asked):
            batch += 1
            if not pending:
                pending = self._ask(batch)
                asked += len(pending)
            self.evaluate((Key(row.fingerprint, SEARCH, 0) for row in pending), self.settings.task.steps)
            self._tell(batch, pending)
            pending = []

    def _unfinished(self, asked: int) -> bool:
        return self._trained() < self.settings.budget.children and asked < self.settings.budget.proposals

    def _trained(self) -> int:
        return sum(
            key.rung == SEARCH and outcome.status is not Status.REJECTED for key, outcome in self.outcomes.items()
        )

    def _ask(self, batch: int) -> list[StoredProposal]:
        rows = [
            StoredProposal(batch, proposal.tokens, str(proposal.expression), fingerprint(proposal.expression))
            for proposal in self.proposer.ask(self.settings.budget.batch)
        ]
        self.store.add_proposals(rows, self.proposer.to_bytes())
        for row in rows:
            self.texts.setdefault(row.fingerprint, row.expression)
        return rows

    def _tell(self, batch: int, rows: list[StoredProposal]) -> None:
        chance = TASKS[self.settings.task.name].chance
        proposals = [Proposal(row.tokens, self.space.decode(row.tokens)) for row in rows]
        rewards = [reward(self.outcomes[Key(row.fingerprint, SEARCH, 0)], chance) for row in rows]
        metrics = self.proposer.tell(proposals, rewards)
        self.store.add_update(batch, metrics, self.proposer.to_bytes())

    def _add_baselines(self) -> None:
        known = {fingerprint(read(text)): str(read(text)) for text in self.settings.baselines}
        self.store.add_baselines(known.items())
        for name, text in known.items():
            self.texts.setdefault(name, text)
        self.evaluate((Key(name, SEARCH, 0) for name in known), self.settings.task.steps)

    def _finish(self) -> None:
        final = self.settings.final
        proposed = {row.fingerprint for row in self.store.proposals()}
        scores = {
            key.fingerprint: outcome.score
            for key, outcome in self.outcomes.items()
            if key.rung == SEARCH and outcome.score is not None
        }
        best = sorted(proposed & scores.keys(), key=lambda name: (scores[name], name))[: final.top]
        baselines = [b.fingerprint for b in self.store.behaviours() if b.baseline and b.fingerprint not in best]
        # the search used repeat 0; the finalists' seeds are the ones after it
        keys = [Key(name, FINAL, repeat) for repeat in range(1, final.seeds + 1) for name in [*best, *baselines]]
        self.evaluate(keys, final.steps)

    def evaluate(self, keys: Iterable[Key], steps: int) -> None:
        """Make sure that every key has an outcome in memory and in the store."""
        missing = [key for key in dict.fromkeys(keys) if key not in self.outcomes]
        requests: dict[Key, Request] = {}
        for key in missing:
            seed = child_seed(self.settings.seed, key.fingerprint, key.repeat)
            requests[key] = Request(self.texts[key.fingerprint], seed, steps, test=key.rung == FINAL)
        refused = {key: reason for key in missing if (reason := refusal(read(self.texts[key.fingerprint])))}
        for key, reason in refused.items():
            self._remember(key, requests.pop(key), Outcome(Status.REJECTED, reason=reason))
        places = list(requests)
        for place, outcome in self.pool.evaluate(list(requests.values())):
            self._remember(places[place], requests[places[place]], outcome)

    def _remember(self, key: Key, request: Request, outcome: Outcome) -> None:
        self.store.add_outcome(Record(key, request, outcome))
        self.outcomes[key] = outcome
        self.meter.count(STAGES[key.rung], self.texts[key.fingerprint], outcome)
