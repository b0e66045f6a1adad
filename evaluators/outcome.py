"""The small frozen values that cross the process boundary: what to train, what became of it, and what it costs."""

import hashlib
import math
from dataclasses import dataclass, field
from enum import StrEnum

from actsearch.evaluators.printable import printable, shortened


class Status(StrEnum):
    """What happened to one expression on one task with one seed; all but ``CRASHED`` and ``TIMED_OUT`` repeat."""

    SCORED = "scored"
    REJECTED = "rejected"  # refused before training
    DIVERGED = "diverged"  # the loss left the finite numbers
    STOPPED = "stopped"  # hopeless part of the way through, see TaskSettings.stop_after
    TIMED_OUT = "timed out"  # over the wall-clock limit
    CRASHED = "crashed"  # the training raised, or took its worker with it


WORKER_DEATHS = "worker_deaths"
"""The metric of a child that was given up because its workers died: perhaps not by its own doing."""


CURVE = "learning_curve"
"""Diagnostic: the training loss over the steps, means of up to 20 spans."""
LEARNED = "betas"
"""Diagnostic: what layers learned, a layer after the other, the least, mean and largest value of each parameter."""
NO_PART = "candidate_had_no_part"
"""The metric of a training of the user's own that never asked for the candidate, or made nothing of its values."""


@dataclass(frozen=True)
class Cost:
    """Nanoseconds an element on one core, medians over rounds.

    Args:
        forward: of the value, while torch notes what the gradient needs.
        backward: of the gradient with respect to input and parameters.
        against_relu: forward and backward together, as a multiple of ReLU's in the same rounds; lower is better.
    """

    forward: float
    backward: float
    against_relu: float


@dataclass(frozen=True)
class Request:
    """One child to train.

    Args:
        expression: the activation as text.
        seed: of initial weights and order of data.
        steps: optimiser steps, at least 1.
        test: whether the test split is looked at as well; only finalists do.
        patient: train to the end even if it looks hopeless; finalists and what a run compares with are.
    """

    expression: str
    seed: int
    steps: int
    test: bool = False
    patient: bool = False

    def __post_init__(self) -> None:
        """Hold the ranges."""
        if self.steps < 1 or not 0 <= self.seed < 2**63:
            raise ValueError(f"steps must be at least 1 and seed in [0, 2**63), found {self.steps} and {self.seed}")


@dataclass(frozen=True)
class Outcome:
    """What became of one request.

    Args:
        status: see ``Status``.
        score: held-out loss in nats, lower is better; None unless scored.
        reason: one sentence for every status but scored.
        seconds: that this child's training took.
        metrics: further numbers by name; the README's glossary lists them.
        diagnostics: how its layers fared, by name, a number a layer (``diagnostics``).
        trained_by: ``kernel``, ``torch``, ``stack``, or ``own``, the user's whole training; empty where nobody trained.
    """

    status: Status
    score: float | None = None
    reason: str = ""
    seconds: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    diagnostics: dict[str, list[float]] = field(default_factory=dict)
    trained_by: str = ""

    def __post_init__(self) -> None:
        """A score is there exactly when the status is scored, and it is finite; a reason and names can be printed."""
        object.__setattr__(self, "reason", shortened(self.reason))  # frozen for everybody else
        if not all(map(str.isprintable, self.metrics)):
            object.__setattr__(self, "metrics", {printable(name): value for name, value in self.metrics.items()})
        if (self.score is not None) != (self.status is Status.SCORED):
            raise ValueError(f"a score belongs to a scored outcome and to no other, found {self}")
        if self.score is not None and not math.isfinite(self.score):
            raise ValueError(f"a score must be finite, found {self.score}; a child without one has diverged")

    @property
    def may_be_tried_again(self) -> bool:
        """Whether it failed for a reason that may lie outside of it."""
        return WORKER_DEATHS in self.metrics


def child_seed(run_seed: int, fingerprint: str, repeat: int) -> int:
    """Return the seed of a child: it depends on nothing but these, least of all on worker, order or neighbours."""
    digest = hashlib.sha256(f"{run_seed}:{fingerprint}:{repeat}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def noise_seed(seed: int) -> int:
    """Return what a child's global generators are seeded with: dropout must not repeat the draw of the weights."""
    return child_seed(seed, "noise", 0)
