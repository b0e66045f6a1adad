"""The small frozen values that cross the process boundary: the request, its outcome, and the cost of a function."""

import hashlib
import math
from dataclasses import dataclass, field
from enum import StrEnum

from actsearch.evaluators.printable import printable, shortened


class Status(StrEnum):
    """Status of one expression on one task with one seed; all but ``CRASHED`` and ``TIMED_OUT`` repeat."""

    SCORED = "scored"
    REJECTED = "rejected"  # refused before training
    DIVERGED = "diverged"  # the loss is not finite
    STOPPED = "stopped"  # hopeless after a part of the steps, see TaskSettings.stop_after
    TIMED_OUT = "timed out"  # over the wall-clock limit
    CRASHED = "crashed"  # the training raised an exception, or its worker died


WORKER_DEATHS = "worker_deaths"
"""Metric of a child that was given up because its workers died, perhaps for an outside reason."""


CURVE = "learning_curve"
"""Diagnostic: the training loss over the steps, as means of up to 20 spans."""
LEARNED = "betas"
"""Diagnostic: the learned parameters, layer by layer: the smallest, mean and largest value of each parameter."""
NO_PART = "candidate_had_no_part"
"""Metric of a user's training that never asked for the candidate, or did not use its values."""


@dataclass(frozen=True)
class Cost:
    """Cost of a function in nanoseconds per element on one core, as medians over rounds.

    Args:
        forward: time for the value, including torch's record for the gradient.
        backward: time for the gradient with respect to input and parameters.
        against_relu: time of both passes as a multiple of ReLU's in the same rounds; lower is better.
    """

    forward: float
    backward: float
    against_relu: float


@dataclass(frozen=True)
class Request:
    """One child to train.

    Args:
        expression: the activation as text.
        seed: seed of the initial weights and the order of the data.
        steps: number of optimiser steps, at least 1.
        test: whether to score the test split as well; only finalists need it.
        patient: whether to train a hopeless child to the end; set for finalists and the functions that a run compares
            with.
    """

    expression: str
    seed: int
    steps: int
    test: bool = False
    patient: bool = False

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.steps < 1 or not 0 <= self.seed < 2**63:
            raise ValueError(f"steps must be at least 1 and seed in [0, 2**63), found {self.steps} and {self.seed}")


@dataclass(frozen=True)
class Outcome:
    """The outcome of one request.

    Args:
        status: status of the child, see ``Status``.
        score: held-out loss in nats, lower is better; None unless scored.
        reason: one sentence for every status but scored.
        seconds: wall-clock time of this child's training.
        metrics: further numbers by name; the README's glossary lists them.
        diagnostics: measurements of the layers by name, one number per layer (``diagnostics``).
        trained_by: ``kernel``, ``torch``, ``stack``, or ``own`` for the user's whole training; empty without training.
    """

    status: Status
    score: float | None = None
    reason: str = ""
    seconds: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    diagnostics: dict[str, list[float]] = field(default_factory=dict)
    trained_by: str = ""

    def __post_init__(self) -> None:
        """Check that a finite score exists exactly if the status is scored; make the reason and names printable."""
        object.__setattr__(self, "reason", shortened(self.reason))  # the dataclass is frozen
        if not all(map(str.isprintable, self.metrics)):
            object.__setattr__(self, "metrics", {printable(name): value for name, value in self.metrics.items()})
        if (self.score is not None) != (self.status is Status.SCORED):
            raise ValueError(f"a score belongs to a scored outcome and to no other, found {self}")
        if self.score is not None and not math.isfinite(self.score):
            raise ValueError(f"a score must be finite, found {self.score}; a child without one has diverged")

    @property
    def may_be_tried_again(self) -> bool:
        """Whether the child may have failed for an outside reason."""
        return WORKER_DEATHS in self.metrics


def child_seed(run_seed: int, fingerprint: str, repeat: int) -> int:
    """Return the seed of a child, which depends only on the arguments, not on worker, order or neighbours."""
    digest = hashlib.sha256(f"{run_seed}:{fingerprint}:{repeat}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def noise_seed(seed: int) -> int:
    """Return the seed of a child's global generators; it differs so that dropout does not repeat the weights' draws."""
    return child_seed(seed, "noise", 0)
