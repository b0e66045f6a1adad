"""The search itself: ask, train what is new, remember, tell; then train the finalists with fresh seeds.

Everything is in the store before it is acted upon, so a run that was killed goes on from its last outcome. Not here:
who proposes (``proposer``), who trains (``evaluators.pool``) and the ranking (``leaderboard``).
"""

from collections.abc import Iterable

from evaluators.activation import identity_of, is_layer
from evaluators.outcome import Outcome, Request, Status, child_seed
from evaluators.pool import Pool
from evaluators.task import chance_of
from grammar.expression import Expression
from grammar.fingerprint import behaviour, fingerprint, twin_key
from grammar.known import read
from grammar.screening import Refusal, refusal
from search.knowledge import knowledge_of
from search.progress import Goal, Listener, Log, Meter, silent, unlogged
from search.proposers.proposer import Proposal, from_bytes, to_bytes
from search.proposers.registry import build_proposer
from search.reward import reward
from search.settings import SearchSettings
from search.spaces import build_space, own_rows
from search.store import Behaviour, Key, Record, Store, StoredProposal

SEARCH, FINAL = 0, 1  # rungs
STAGES = ("search", "final")  # their names


class Search:
    """One run.

    Args:
        settings: what is searched, how long, and what becomes of the best.
        store: the run's memory; what it already holds is not done again.
        pool: who trains.
        listener: is told after every outcome.
        log: is told what the proposer says of itself, by batch.
    """

    def __init__(
        self, settings: SearchSettings, store: Store, pool: Pool, listener: Listener = silent, log: Log = unlogged
    ) -> None:
        self.settings, self.store, self.pool, self.log = settings, store, pool, log
        self.own = own_rows(settings.space)
        known = store.behaviours()
        self.texts = {row.fingerprint: row.expression for row in known}
        self.first_twin: dict[str, str] = {}  # twin key -> the fingerprint that came first
        self.compared: set[str] = set()  # fingerprints of the baselines
        self.proposed: set[str] = set()  # fingerprints that proposals were trained as
        self.trained_as: dict[str, str] = {}  # fingerprint -> the one whose outcomes it has: itself or its twin
        for row in known:
            self._link(row.fingerprint, row.twin)
        self.outcomes = {key: record.outcome for key, record in store.outcomes().items()}
        self.space = build_space(settings.space)
        describe = knowledge_of(settings.task, settings.seed, self.own)
        self.proposer = build_proposer(settings.proposer, self.space, settings.seed, describe)
        finalists = (settings.final.top + len(settings.baselines)) * settings.final.seeds
        goals = {
            "search": Goal(settings.budget.children + len(settings.baselines), settings.task.steps),
            "final": Goal(finalists, settings.final.steps),
        }
        self.meter = Meter(goals, listener)
        for key, outcome in self.outcomes.items():
            self.meter.count(STAGES[key.rung], self.texts[key.fingerprint], outcome, tell=False)

    def run(self) -> None:
        """Search, then train the finalists; what the store already holds is passed over."""
        self._add_baselines()
        self._search()
        self._finish()

    def _search(self) -> None:
        state, updated = self.store.proposer_state(), self.store.updates()
        if state is not None:
            from_bytes(self.proposer, state)
        stored = self.store.proposals()
        self.proposed |= {self.trained_as[row.fingerprint] for row in stored}
        batch, asked = max(updated, default=0), len(stored)
        pending = [row for row in stored if row.batch > batch]  # asked for, but killed before it was learned from
        while pending or self._unfinished(asked):
            batch += 1
            if not pending:
                pending = self._ask(batch)
                asked += len(pending)
                if not pending:
                    break  # every behaviour of the space was asked for
            self.evaluate(map(self._search_key, pending), self.settings.task.steps)
            self._tell(batch, pending)
            pending = []

    def _search_key(self, row: StoredProposal) -> Key:
        return Key(self.trained_as[row.fingerprint], SEARCH, 0)

    def _unfinished(self, asked: int) -> bool:
        return self._trained() < self.settings.budget.children and asked < self.settings.budget.proposals

    def _trained(self) -> int:
        """Return how many proposed behaviours were trained; baselines come on top of the budget."""
        keys = (Key(name, SEARCH, 0) for name in self.proposed)
        return sum(key in self.outcomes and self.outcomes[key].status is not Status.REJECTED for key in keys)

    def _ask(self, batch: int) -> list[StoredProposal]:
        rows, new = [], []
        for proposal in self.proposer.ask(self.settings.budget.batch):
            known = self._meet(proposal.expression, baseline=False)
            new.append(known)
            rows.append(StoredProposal(batch, proposal.tokens, str(proposal.expression), known.fingerprint))
        self.store.add_proposals(new, rows, to_bytes(self.proposer))
        self.proposed |= {self.trained_as[row.fingerprint] for row in rows}
        return rows

    def _meet_baseline(self, text: str) -> Behaviour:
        if is_layer(text):  # no function of x and beta: its name is all there is to tell it by
            name = identity_of(text)
            return self._keep(Behaviour(name, text.strip().lower(), True, name))
        return self._meet(read(text, self.own), baseline=True)

    def _meet(self, expression: Expression, *, baseline: bool) -> Behaviour:
        """Give an expression its behaviour."""
        return self._keep(
            Behaviour(fingerprint(expression), str(expression), baseline, twin_key(behaviour(expression)))
        )

    def _keep(self, found: Behaviour) -> Behaviour:
        """Give a new behaviour the text and the twin it will be trained as."""
        self.texts.setdefault(found.fingerprint, found.expression)
        self._link(found.fingerprint, found.twin)
        return found

    def _link(self, fingerprint: str, twin: str) -> None:
        first = self.first_twin.setdefault(twin, fingerprint)
        self.trained_as.setdefault(fingerprint, first if self.settings.space.share_twins else fingerprint)

    def _tell(self, batch: int, rows: list[StoredProposal]) -> None:
        chance = chance_of(self.settings.task)
        proposals = [Proposal(row.tokens, self.space.decode(row.tokens)) for row in rows]
        rewards = [reward(self.outcomes[self._search_key(row)], chance) for row in rows]
        metrics = self.proposer.tell(proposals, rewards)
        self.store.add_update(batch, metrics, to_bytes(self.proposer))
        self.log(batch, metrics)

    def _add_baselines(self) -> None:
        known = [self._meet_baseline(text) for text in self.settings.baselines]
        self.compared = {row.fingerprint for row in known}
        self.store.add_baselines(known)
        keys = [Key(self.trained_as[row.fingerprint], SEARCH, 0) for row in known]
        self.evaluate(keys, self.settings.task.steps)

    def _finish(self) -> None:
        final = self.settings.final
        scores = {
            key.fingerprint: outcome.score
            for key, outcome in self.outcomes.items()
            if key.rung == SEARCH and outcome.score is not None
        }
        best = sorted(self.proposed & scores.keys(), key=lambda name: (scores[name], name))[: final.top]
        compared = [b.fingerprint for b in self.store.behaviours() if b.baseline]
        baselines = [name for name in compared if name not in best]
        # the search used repeat 0; the finalists' seeds are the ones after it
        keys = [Key(name, FINAL, repeat) for repeat in range(1, final.seeds + 1) for name in [*best, *baselines]]
        self.evaluate(keys, final.steps)

    def evaluate(self, keys: Iterable[Key], steps: int) -> None:
        """Make sure that every key has an outcome in memory and in the store."""
        missing = [key for key in dict.fromkeys(keys) if key not in self.outcomes]
        requests: dict[Key, Request] = {}
        for key in missing:
            seed = child_seed(self.settings.seed, key.fingerprint, key.repeat)
            final = key.rung == FINAL
            patient = final or key.fingerprint in self.compared
            requests[key] = Request(self.texts[key.fingerprint], seed, steps, test=final, patient=patient)
        refused = {key: reason for key in missing if (reason := self._refusal(self.texts[key.fingerprint]))}
        for key, reason in refused.items():
            self._remember(key, requests.pop(key), Outcome(Status.REJECTED, reason=str(reason)))
        places = list(requests)
        for place, outcome in self.pool.evaluate(list(requests.values())):
            self._remember(places[place], requests[places[place]], outcome)

    def _refusal(self, text: str) -> Refusal | None:
        return None if is_layer(text) else refusal(read(text, self.own))

    def _remember(self, key: Key, request: Request, outcome: Outcome) -> None:
        self.store.add_outcome(Record(key, request, outcome))
        self.outcomes[key] = outcome
        self.meter.count(STAGES[key.rung], self.texts[key.fingerprint], outcome)
