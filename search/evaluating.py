"""Scoring of expressions with several seeds each, without a run. Not here: printing (``show.display``)."""

from collections.abc import Sequence
from dataclasses import dataclass

from actsearch.evaluators.activation import BUILT_IN, Vocabulary
from actsearch.evaluators.outcome import Outcome, Request, child_seed
from actsearch.evaluators.pools.pool import PoolSettings
from actsearch.evaluators.task import Task
from actsearch.search.jobs import open_pool, prepared
from actsearch.search.memory.decisions import Say, unsaid


@dataclass(frozen=True)
class Evaluation:
    """Result of ``evaluate`` for one expression: one outcome a seed."""

    text: str
    fingerprint: str
    outcomes: tuple[Outcome, ...]


def evaluate(
    texts: Sequence[str],
    task: Task,
    pool: PoolSettings,
    seeds: int,
    run_seed: int,
    vocabulary: Vocabulary = BUILT_IN,
    say: Say = unsaid,
) -> list[Evaluation]:
    """Train each expression with ``seeds`` seeds, and return the outcomes in the order of the texts.

    Raises:
        BadExpression: a text is neither a known activation nor an expression.
    """
    activations, steps = [vocabulary.read(text) for text in texts], task.settings.steps
    requests = [
        Request(one.text, child_seed(run_seed, one.identity, repeat), steps, patient=True)
        for one in activations
        for repeat in range(seeds)
    ]
    with open_pool(prepared(task, say), pool, vocabulary) as workers:
        by_index = dict(workers.evaluate(requests))
    outcomes = [by_index[index] for index in range(len(requests))]
    return [
        Evaluation(text, one.identity, tuple(outcomes[i * seeds : (i + 1) * seeds]))
        for i, (text, one) in enumerate(zip(texts, activations, strict=True))
    ]
