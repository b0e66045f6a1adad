"""The progress of a running search, for listeners. Not here: its display (``display``)."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from actsearch.evaluators.outcome import Outcome, Status
from actsearch.grammar.fault import Failed


class NothingScored(Failed):
    """No training gave a score; the message has the reason."""


@dataclass(frozen=True)
class Goal:
    """The size of a stage: number of children, optimiser steps of each, and number of baselines among the children."""

    children: int
    steps: int
    baselines: int = 0


@dataclass(frozen=True)
class Progress:
    """The progress of a run after an outcome.

    Args:
        stage: stage of the last outcome.
        children: number of children trained so far in this stage.
        children_goal: number of children of this stage in all.
        baselines: number of baselines among the children of this stage.
        steps: number of optimiser steps done, over all stages.
        steps_goal: number of optimiser steps of all stages.
        best: leading expression of the first stage, empty before the first score.
        best_score: loss of the leading expression, lower is better.
    """

    stage: str
    children: int
    children_goal: int
    baselines: int
    steps: int
    steps_goal: int
    best: str
    best_score: float


class Listener(Protocol):
    """A callback for progress."""

    def __call__(self, progress: Progress) -> None:
        """Receive the progress."""


def silent(progress: Progress) -> None:
    """Ignore the progress."""


class Log(Protocol):
    """A callback for the proposer's numbers after each batch."""

    def __call__(self, batch: int, metrics: Mapping[str, float]) -> None:
        """Receive the numbers of a batch."""


def unlogged(batch: int, metrics: Mapping[str, float]) -> None:
    """Ignore the numbers."""


class Meter:
    """A counter of outcomes against the goals of the stages, which reports to a listener.

    Args:
        goals: stage -> goal, in the order of the stages; the best expression comes from the first one.
        listener: callback that gets the progress after every outcome.
    """

    def __init__(self, goals: Mapping[str, Goal], listener: Listener) -> None:
        self.goals, self.listener = dict(goals), listener
        self.done: Counter[str] = Counter()
        self.best, self.best_score = "", float("inf")

    def expect(self, stage: str, children: int) -> None:
        """Correct the number of children of a stage."""
        self.goals[stage] = replace(self.goals[stage], children=children)

    def count(self, stage: str, expression: str, outcome: Outcome, *, tell: bool = True) -> None:
        """Count an outcome; a rejected expression cost no training and does not count.

        Args:
            stage: stage of the outcome.
            expression: expression that was trained.
            outcome: outcome of the training.
            tell: whether to tell the listener; False for outcomes of an earlier process.
        """
        self.done[stage] += outcome.status is not Status.REJECTED
        if stage == next(iter(self.goals)) and outcome.score is not None and outcome.score < self.best_score:
            self.best, self.best_score = expression, outcome.score
        if not tell:
            return
        expected = {name: max(goal.children, self.done[name]) for name, goal in self.goals.items()}
        self.listener(
            Progress(
                stage=stage,
                children=self.done[stage],
                children_goal=expected[stage],
                baselines=self.goals[stage].baselines,
                steps=sum(self.done[name] * goal.steps for name, goal in self.goals.items()),
                steps_goal=sum(expected[name] * goal.steps for name, goal in self.goals.items()),
                best=self.best,
                best_score=self.best_score,
            )
        )
