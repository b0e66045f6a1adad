"""Everything that a run trained, in memory and in the store; what is missing is trained.

An outcome is in the store before anybody acts upon it. Not here: what is to be trained (``run``, ``transfer``) and by
whom (``evaluators.pools.pool``).
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence

from actsearch.evaluators.activation import Vocabulary
from actsearch.evaluators.outcome import Outcome, Request, Status
from actsearch.evaluators.pools.pool import Pool
from actsearch.search.memory.behaviours import Behaviours
from actsearch.search.memory.records import SEARCH, Key, Record, Rung
from actsearch.search.memory.store import Store
from actsearch.search.progress import Meter
from actsearch.search.ranking.entry import judged, without_failures


class Trainings:
    """The children of one run.

    Args:
        store: the run's memory; what it already holds is not trained again.
        pool: who trains.
        seed: of the run.
        behaviours: what is known of who is trained.
        vocabulary: what texts are read with.
        meter: counts what is trained.
    """

    def __init__(
        self, store: Store, pool: Pool, seed: int, behaviours: Behaviours, vocabulary: Vocabulary, meter: Meter
    ) -> None:
        self.store, self.pool, self.seed, self.meter = store, pool, seed, meter
        self.behaviours, self.vocabulary = behaviours, vocabulary
        stored = {key: record.outcome for key, record in store.outcomes().items()}
        self.outcomes = {key: outcome for key, outcome in stored.items() if not outcome.may_be_tried_again}
        for key, outcome in self.outcomes.items():
            meter.count(key.rung, self.behaviours.text(key.fingerprint), outcome, tell=False)

    def train(self, rung: Rung, behaviours: Sequence[str] | Mapping[str, int]) -> None:
        """Make sure that each of these behaviours has an outcome for its seeds of a rung.

        Args:
            rung: how they are trained.
            behaviours: fingerprints, each with its number of seeds where that is not the rung's.
        """
        seeds = behaviours if isinstance(behaviours, Mapping) else dict.fromkeys(behaviours, rung.seeds)
        keys = [
            Key(fingerprint, rung.name, repeat)
            for repeat in range(max(seeds.values(), default=0))
            for fingerprint, count in seeds.items()
            if repeat < count
        ]
        requests: dict[Key, Request] = {}
        for key in keys:
            if key not in self.outcomes:
                patient = rung.name != SEARCH or self.behaviours.is_baseline(key.fingerprint)
                seed = rung.seed(self.seed, key.fingerprint, key.repeat)
                text = self.behaviours.text(key.fingerprint)
                requests[key] = Request(text, seed, rung.task.steps, test=rung.test, patient=patient)
        refused = {
            key: reason
            for key, request in requests.items()
            if (reason := self.vocabulary.read_kept(request.expression).refusal)
        }
        for key, reason in refused.items():
            self._remember(key, requests.pop(key), Outcome(Status.REJECTED, reason=str(reason)))
        keys = list(requests)
        for index, outcome in self.pool.evaluate(list(requests.values())):
            self._remember(keys[index], requests[keys[index]], outcome)

    def _remember(self, key: Key, request: Request, outcome: Outcome) -> None:
        self.store.add_outcome(Record(key, request, outcome))
        self.outcomes[key] = outcome
        self.meter.count(key.rung, self.behaviours.text(key.fingerprint), outcome)

    def losses(self, rung: Rung, fingerprint: str) -> dict[int, float]:
        """Return what a behaviour is judged by on a rung, by repeat; none at all where a seed failed."""
        found = {
            key.repeat: judged(outcome)
            for key, outcome in self.outcomes.items()
            if (key.fingerprint, key.rung) == (fingerprint, rung.name)
        }
        return without_failures(dict(sorted(found.items())))

    def count_trained(self, rung: Rung, fingerprints: Iterable[str]) -> int:
        """Return how many of them were trained on a rung, with or without a score; who is refused is not trained."""
        first = (self.outcomes.get(Key(fingerprint, rung.name, 0)) for fingerprint in fingerprints)
        return sum(outcome is not None and outcome.status is not Status.REJECTED for outcome in first)

    def mean(self, rung: Rung, fingerprint: str) -> float | None:
        """Return the mean validation loss over the seeds of a rung; None if one failed or is not there."""
        keys = [Key(fingerprint, rung.name, repeat) for repeat in range(rung.seeds)]
        scores = [self.outcomes[key].score for key in keys if key in self.outcomes]
        known = [score for score in scores if score is not None]
        return statistics.fmean(known) if len(known) == rung.seeds else None
