"""What a running search tells whoever watches it. Not here: how it is shown (``display``)."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from actsearch.evaluators.outcome import Outcome, Status
from actsearch.grammar.fault import Failed


class NothingScored(Failed):
    """Nothing that was to be trained gave a score; the message has the reason."""


@dataclass(frozen=True)
class Goal:
    """How much a stage will train: children, optimiser steps each, and how many of the children are baselines."""

    children: int
    steps: int
    baselines: int = 0


@dataclass(frozen=True)
class Progress:
    """Where the run stands, after every outcome.

    Args:
        stage: of the last outcome.
        children: trained so far in this stage.
        children_goal: to be trained in this stage.
        baselines: how many of these are of baselines.
        steps: optimiser steps behind, over all stages.
        steps_goal: optimiser steps in all.
        best: the leading expression of the first stage, empty before the first score.
        best_score: its loss, lower is better.
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
    """Is told of progress."""

    def __call__(self, progress: Progress) -> None:
        """Take note."""


def silent(progress: Progress) -> None:
    """Show nothing."""


class Log(Protocol):
    """Is told what the proposer says of itself after each batch."""

    def __call__(self, batch: int, metrics: Mapping[str, float]) -> None:
        """Take note."""


def unlogged(batch: int, metrics: Mapping[str, float]) -> None:
    """Keep nothing."""


class Meter:
    """Counts outcomes against the goals of the stages, and tells a listener.

    Args:
        goals: stage -> goal, in the order of the stages; the best is that of the first one.
        listener: is told after every outcome.
    """

    def __init__(self, goals: Mapping[str, Goal], listener: Listener) -> None:
        self.goals, self.listener = dict(goals), listener
        self.done: Counter[str] = Counter()
        self.best, self.best_score = "", float("inf")

    def expect(self, stage: str, children: int) -> None:
        """Correct how many children a stage will train, when it is known."""
        self.goals[stage] = replace(self.goals[stage], children=children)

    def count(self, stage: str, expression: str, outcome: Outcome, *, tell: bool = True) -> None:
        """Take an outcome into account; a refused expression cost no training and does not count.

        Args:
            stage: to which it belongs.
            expression: that was trained.
            outcome: of it.
            tell: the listener; not for what an earlier sitting did.
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
