"""The trainings of a run, in memory and in the store, and those still missing.

An outcome is in the store before the search acts on it. Not here: the choice of trainings (``run``, ``race``), and
their hand-out (``core``).
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from actsearch.evaluators.activation import Vocabulary
from actsearch.evaluators.outcome import Outcome, Request, Status
from actsearch.search.memory.behaviours import Behaviours
from actsearch.search.memory.records import SEARCH, Key, Record, Rung
from actsearch.search.memory.store import Store
from actsearch.search.progress import Meter
from actsearch.search.ranking.entry import judged, without_failures


@dataclass(frozen=True)
class Training:
    """One child to train.

    Args:
        key: key of the outcome: function, rung and repeat.
        request: request for a worker.
    """

    key: Key
    request: Request


class Trainings:
    """The children of one run.

    Args:
        store: store of the run; its outcomes are not trained again.
        seed: seed of the run.
        behaviours: all functions of the run, each with the fingerprint that it is trained as.
        vocabulary: primitives of the expressions.
        meter: counter of the children.
    """

    def __init__(self, store: Store, seed: int, behaviours: Behaviours, vocabulary: Vocabulary, meter: Meter) -> None:
        self.store, self.seed, self.meter = store, seed, meter
        self.behaviours, self.vocabulary = behaviours, vocabulary
        stored = {key: record.outcome for key, record in store.outcomes().items()}
        self.outcomes = {key: outcome for key, outcome in stored.items() if not outcome.may_be_tried_again}
        for key, outcome in self.outcomes.items():
            meter.count(key.rung, self.behaviours.text(key.fingerprint), outcome, tell=False)

    def missing(self, rung: Rung, behaviours: Sequence[str] | Mapping[str, int]) -> list[Training]:
        """Return the trainings without an outcome; functions rejected untrained get theirs now.

        Args:
            rung: rung of the trainings.
            behaviours: fingerprints, or fingerprint -> number of seeds if that is not the rung's.
        """
        seeds = behaviours if isinstance(behaviours, Mapping) else dict.fromkeys(behaviours, rung.seeds)
        keys = [
            Key(fingerprint, rung.name, repeat)
            for repeat in range(max(seeds.values(), default=0))
            for fingerprint, count in seeds.items()
            if repeat < count
        ]
        trainings: list[Training] = []
        for key in dict.fromkeys(keys):
            if key in self.outcomes:
                continue
            patient = rung.name != SEARCH or self.behaviours.is_baseline(key.fingerprint)
            seed = rung.seed(self.seed, key.fingerprint, key.repeat)
            text = self.behaviours.text(key.fingerprint)
            training = Training(key, Request(text, seed, rung.task.steps, test=rung.test, patient=patient))
            if (reason := self.vocabulary.read_kept(text).refusal) is None:
                trainings.append(training)
            else:
                self.keep(training, Outcome(Status.REJECTED, reason=str(reason)))
        return trainings

    def keep(self, training: Training, outcome: Outcome) -> None:
        """Store an outcome and count it."""
        self.store.add_outcome(Record(training.key, training.request, outcome))
        self.outcomes[training.key] = outcome
        self.meter.count(training.key.rung, training.request.expression, outcome)

    def losses(self, rung: Rung, fingerprint: str) -> dict[int, float]:
        """Return the losses that judge a behaviour on a rung, by repeat; empty if a seed failed."""
        by_repeat = {
            key.repeat: judged(outcome)
            for key, outcome in self.outcomes.items()
            if (key.fingerprint, key.rung) == (fingerprint, rung.name)
        }
        return without_failures(dict(sorted(by_repeat.items())))

    def count_trained(self, rung: Rung, fingerprints: Iterable[str]) -> int:
        """Return the number of behaviours trained on a rung, with or without a score; rejected ones do not count."""
        first = (self.outcomes.get(Key(fingerprint, rung.name, 0)) for fingerprint in fingerprints)
        return sum(outcome is not None and outcome.status is not Status.REJECTED for outcome in first)

    def mean(self, rung: Rung, fingerprint: str) -> float | None:
        """Return the mean validation loss over the seeds of a rung; None if a seed failed or is missing."""
        keys = [Key(fingerprint, rung.name, repeat) for repeat in range(rung.seeds)]
        scores = [self.outcomes[key].score for key in keys if key in self.outcomes]
        known = [score for score in scores if score is not None]
        return statistics.fmean(known) if len(known) == rung.seeds else None
