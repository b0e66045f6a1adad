"""Runs of made up losses, within a second: what lists, pages and servers are tried with."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from actsearch.evaluators.activation import BUILT_IN, Activation, Vocabulary
from actsearch.evaluators.outcome import Cost, Outcome, Request, Status
from actsearch.evaluators.pools.pool import Pool, PoolSettings
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import TaskSettings
from actsearch.search.jobs import launch
from actsearch.search.ladder import FinalSettings, rungs, transfer_rung
from actsearch.search.memory.behaviours import Behaviours
from actsearch.search.memory.decisions import Say, unsaid
from actsearch.search.memory.records import (
    CLIMBED,
    FINAL,
    FINISHED,
    INCUMBENT,
    RACED,
    SEARCH,
    Key,
    Record,
    StoredProposal,
)
from actsearch.search.memory.schema import seal
from actsearch.search.memory.store import FILE_NAME, Store
from actsearch.search.plan import resolve as plan_of
from actsearch.search.settings.reading import from_tree

TREE = {
    "seed": 3,
    "pool": {"kind": "serial"},
    "proposer": {"name": "random"},
    "task": {"kernel": "torch"},
    "budget": {"children": 30, "batch": 10},
    "ladder": [],
    "final": {"top": 3, "seeds": 14},
    "baselines": ["relu", "swish", "tanh"],
}
GAINS = {"mul(x,sigmoid(scale(x)))": 2.0, "tanh(x)": -3.0}  # in standard deviations of the noise


class Noisy(Pool):
    """Scores a constant and noise of its own, less what the function gains; counts what it trained."""

    def __init__(self, gains: dict[str, float]) -> None:
        self.gains, self.trained = gains, 0

    def evaluate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Outcome]]:
        for index, request in enumerate(requests):
            self.trained += 1
            text = request.expression
            own = np.random.default_rng([request.seed % 2**32, len(text), ord(text[0])])
            loss = 1.0 + 0.1 * (float(own.standard_normal()) - self.gains.get(text, 0.0))
            metrics = {"validation_loss": loss} | ({"test_loss": loss, "test_accuracy": 0.5} if request.test else {})
            facts = {"learning_curve": [2.0, 1.5, loss], "gradient_norm_start": [0.1, 0.2], "dead_share": [0.0, 0.1]}
            facts |= {"gradient_norm_end": [0.2, 0.1], "saturated_share": [0.2, 0.1], "histogram": [1 / 16] * 16}
            yield index, Outcome(Status.SCORED, loss, "", 2.0, metrics, facts)


def measured(activations: Sequence[Activation]) -> dict[str, Cost]:
    """Return a cost by the length of a text, on no clock."""
    return {one.text: Cost(1.0, 1.0, 1.0 if one.text == "relu(x)" else len(one.text) / 8) for one in activations}


def offer(made: Noisy, patch: pytest.MonkeyPatch) -> None:
    """Let it train whatever is trained."""

    def opened(
        task: TaskSettings, settings: PoolSettings, vocabulary: Vocabulary = BUILT_IN, say: Say = unsaid
    ) -> Pool:
        return made

    for module in ("jobs", "refining"):
        patch.setattr(f"actsearch.search.{module}.open_pool", opened)


@contextmanager
def edited(directory: Path) -> Iterator[sqlite3.Connection]:
    """Yield the database of a run, to be changed as if it had been written so."""
    connection = sqlite3.connect(directory / FILE_NAME)
    with connection:
        yield connection
        seal(connection)
    connection.close()


def write_run(
    directory: Path, finals: Mapping[str, Sequence[float]], baselines: Sequence[str] = ("relu(x)",),
    elsewhere: Mapping[str, Sequence[float]] = MappingProxyType({}),
) -> None:  # fmt: skip
    """Write a finished run whose race gave these losses.

    Args:
        directory: of the run.
        finals: expression -> test losses, by seed; ReLU, the incumbent, has the most.
        baselines: which of these the search did not propose.
        elsewhere: losses on the perceptron.
    """
    ladder = rungs(resolve(TaskSettings()), [], FinalSettings())
    with Store(directory, create=True) as store:
        store.describe({"settings": "{}", RACED: "yes", CLIMBED: "yes", FINISHED: "yes"})
        other = transfer_rung(resolve(TaskSettings(name="mnist1d_mlp")), 6)
        store.add_rungs([*ladder, *([other] if elsewhere else [])])
        known, proposals = Behaviours(()), list[StoredProposal]()
        rows = {text: known.meet(BUILT_IN.read(text), baseline=text in baselines) for text in finals}
        proposals = [StoredProposal(1, (0,), text, row.fingerprint) for text, row in rows.items() if not row.baseline]
        store.add_proposals([*rows.values()], proposals, b"")
        store.describe({INCUMBENT: rows["relu(x)"].fingerprint})
        for text, losses in finals.items():
            for rung, numbers in ((SEARCH, losses[:1]), (FINAL, losses), (other.name, elsewhere.get(text, ()))):
                for repeat, loss in enumerate(numbers):
                    metrics = {"validation_loss": loss, **({} if rung == SEARCH else {"test_loss": loss})}
                    facts = {"betas": [0.4, 0.5, 0.6]} if "beta" in text or "scale" in text or "mix" in text else {}
                    request = Request(text, repeat, 2, test=rung != SEARCH)
                    outcome = Outcome(Status.SCORED, loss, "", 1.0, metrics, facts)
                    store.add_outcome(Record(Key(rows[text].fingerprint, rung, repeat), request, outcome))


def make_run(directory: Path, patch: pytest.MonkeyPatch, children: int = 30) -> Noisy:
    """Make a finished run."""
    made = Noisy(dict(GAINS))
    offer(made, patch)
    patch.setattr("actsearch.search.jobs.measure", measured)
    launch(plan_of(from_tree({**TREE, "budget": {"children": children, "batch": 10}})), directory)
    return made
