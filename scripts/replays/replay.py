"""A search without training: outcomes come from a table that holds a whole space, so hundreds of searches take minutes.

A proposer is told one noisy seed of each function, as a real search tells it; what it found is judged by the mean over
all seeds. Refused functions cost no training, as in a search. Not here: how the table is made (``tabulation``) and the
proposers.
"""

import heapq
import json
import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.behaviour.screening import refusal
from actsearch.grammar.rows.known import read
from actsearch.search.proposers.proposer import Proposal, Proposer
from actsearch.search.reward import Scale, reward_of_loss
from scripts.replays.tabulation import Row, rows_of


@dataclass(frozen=True)
class Table:
    """Every behaviour of a space with what its children came to.

    Args:
        losses: fingerprint -> loss of each of its seeds, in nats, lower is better; None for a failure.
        texts: fingerprint -> expression.
        refused: fingerprints that screening does not let pass.
        seconds: fingerprint -> how long a child takes.
        chance: loss of a child that knows nothing, in nats.
        scale: of the rewards, where it is not that of chance.
    """

    losses: dict[str, tuple[float | None, ...]]
    texts: dict[str, str]
    refused: frozenset[str]
    seconds: dict[str, float]
    chance: float
    scale: Scale | None = None

    @cached_property
    def means(self) -> dict[str, float]:
        """Return the mean loss of every behaviour that may be trained, over all its seeds; inf where one failed."""
        return {
            identity: math.inf if None in found else statistics.fmean(loss for loss in found if loss is not None)
            for identity, found in self.losses.items()
            if identity not in self.refused
        }

    @cached_property
    def ranking(self) -> list[str]:
        """Return the behaviours that may be trained, best first."""
        return sorted(self.means, key=lambda identity: (self.means[identity], identity))

    def best(self, count: int) -> frozenset[str]:
        """Return the true best ones."""
        return frozenset(self.ranking[:count])

    def told(self, identity: str, draw: random.Random) -> float:
        """Return the reward of one seed of a behaviour, drawn evenly."""
        return reward_of_loss(draw.choice(self.losses[identity]), self.scale or Scale(self.chance))


def file_of(task: str) -> Path:
    """Return where the table of a task is kept; its settings and versions lie beside it, as JSON."""
    return Path(__file__).with_name(f"swish2017_one_unit_{task}.csv")


def load_table(path: Path) -> Table:
    """Read a table; the loss of chance comes from the JSON file beside it."""
    return table_of(rows_of(path), json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["chance"])


def table_of(rows: Sequence[Row], chance: float) -> Table:
    """Collect the rows of a file into a table."""
    losses: dict[str, list[float | None]] = {}
    seconds: dict[str, list[float]] = {}
    texts: dict[str, str] = {}
    identities: dict[str, str] = {}
    for row in rows:
        identity = identities.setdefault(row.expression, fingerprint(read(row.expression)))
        texts.setdefault(identity, row.expression)
        losses.setdefault(identity, []).append(row.loss)
        seconds.setdefault(identity, []).append(row.seconds)
    refused = frozenset(identity for identity, text in texts.items() if refusal(read(text)) is not None)
    means = {identity: statistics.fmean(found) for identity, found in seconds.items()}
    return Table({identity: tuple(found) for identity, found in losses.items()}, texts, refused, means, chance)


@dataclass(frozen=True)
class Trained:
    """A behaviour that was trained, and when its child was finished on the simulated clock."""

    identity: str
    second: float


def replay(
    proposer: Proposer,
    table: Table,
    seed: int,
    batch: int,
    trainings: int,
    workers: int = 1,
    until: frozenset[str] = frozenset(),
) -> list[Trained]:
    """Search the table in batches, each told as a whole when its last child is finished.

    Args:
        proposer: who proposes.
        table: what outcomes come from.
        seed: of the draw of seeds that are told.
        batch: proposals a batch.
        trainings: when to stop; the batch that reaches it is finished.
        workers: how many children are trained at once.
        until: end after the batch in which one of these was trained.

    Returns:
        What was trained, in the order of asking.
    """
    draw = random.Random(seed)
    trained: list[Trained] = []
    now = 0.0
    while len(trained) < trainings and not _met(trained, until) and (proposals := proposer.ask(batch)):
        free = [now] * workers
        for proposal in proposals:
            identity = fingerprint(proposal.expression)
            if identity not in table.refused:
                finished = heapq.heappop(free) + table.seconds[identity]
                heapq.heappush(free, finished)
                trained.append(Trained(identity, finished))
        now = max(free)
        proposer.tell(proposals, [_reward(proposal, table, draw) for proposal in proposals])
    return trained


def replay_asynchronously(
    proposer: Proposer,
    table: Table,
    seed: int,
    batch: int,
    trainings: int,
    workers: int,
    until: frozenset[str] = frozenset(),
    together: int = 1,
) -> list[Trained]:
    """Search the table with workers that do not wait for a batch, told whenever ``batch`` outcomes came together.

    Args:
        proposer: who proposes.
        table: what outcomes come from.
        seed: of the draw of seeds that are told.
        batch: outcomes a tell.
        trainings: when to stop.
        workers: how many children are trained at once.
        until: end when one of these was trained.
        together: how many of them are free before they ask; by 1 nobody ever waits.

    Returns:
        What was trained, in the order of finishing.
    """
    draw = random.Random(seed)
    busy: list[tuple[float, int, Proposal]] = []  # second, number, what is trained
    trained: list[Trained] = []
    waiting: list[Proposal] = []
    now, number = 0.0, 0
    while len(trained) < trainings and not (trained and trained[-1].identity in until):
        free = workers - len(busy)
        for proposal in proposer.ask(free) if free >= together else []:
            identity, number = fingerprint(proposal.expression), number + 1
            heapq.heappush(
                busy, (now + (0.0 if identity in table.refused else table.seconds[identity]), number, proposal)
            )
        if not busy:
            break
        now, _, proposal = heapq.heappop(busy)
        waiting.append(proposal)
        if (identity := fingerprint(proposal.expression)) not in table.refused:
            trained.append(Trained(identity, now))
        if len(waiting) >= batch or not busy:
            proposer.tell(waiting, [_reward(proposal, table, draw) for proposal in waiting])
            waiting = []
    return trained


def _met(trained: list[Trained], until: frozenset[str]) -> bool:
    return bool(until) and any(one.identity in until for one in trained)


def _reward(proposal: Proposal, table: Table, draw: random.Random) -> float:
    identity = fingerprint(proposal.expression)
    return 0.0 if identity in table.refused else table.told(identity, draw)
