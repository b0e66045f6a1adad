"""The ladder: the promising are trained longer and with more seeds, rung by rung, up to the final one.

What chooses is the mean validation loss of the rung below; what judges is the final rung, whose seeds and test split
chose nothing. Not here: the training (``trainings``) and what the numbers say (``significance``).
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from actsearch.evaluators.settings import CompleteSettings, OwnSettings, Steps, TaskSettings, unusual
from actsearch.search.memory.records import FINAL, SEARCH, Rung
from actsearch.search.progress import Goal

if TYPE_CHECKING:
    from actsearch.evaluators.task import Task

RUNG_STEPS, FINAL_STEPS = 2, 4  # times the steps of the search, where nothing else is said
FINAL_SEEDS = 14  # at most, where nothing else is said
LEAST = 16  # trainings of a race: eight seeds of a leader and the incumbent, with which a plain difference is shown
UNTELLING = ("device", "kernel", "stack", "diagnostics")  # of a task: they do not tell one rung from another
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True, config=_STRICT)
class RungSettings:
    """One rung between the search and the final one.

    Args:
        share: of those that were trained on the rung below; the best of them go on, each with a score.
        steps: optimiser steps of each child; null is twice those of the search.
        seeds: children of each, fresh ones on every rung.
    """

    share: Annotated[float, Field(gt=0, le=1)] = 0.1
    steps: Steps | None = None
    seeds: Annotated[int, Field(ge=1)] = 2


@dataclass(frozen=True, config=_STRICT)
class FinalSettings:
    """How the final list is made.

    Args:
        top: how many candidates are trained again, beside the baselines.
        seeds: fresh ones, never used for choosing: of each function, or in a race of the average one at most; null is
            14, or in a race as many as take no more than half of all steps, or 16 trainings in all.
        steps: optimiser steps of each; longer than the search's, since short runs favour fast starters; null is four
            times those of the search.
        race: whether seeds go where it is still open who is better than the incumbent; without it everybody is trained
            with all seeds.
        known: how many baselines climb, those of the lowest losses, beside the incumbent; null is all.
        trainings: that a race has at most; null is ``seeds`` of everybody.
    """

    top: Annotated[int, Field(ge=1)] = 6
    seeds: Annotated[int, Field(ge=1)] | None = None
    steps: Steps | None = None
    race: bool = True
    known: Annotated[int, Field(ge=0)] | None = None
    trainings: Annotated[int, Field(ge=1)] | None = None


@dataclass(frozen=True, config=_STRICT)
class TransferSettings:
    """Where finalists and baselines are trained besides.

    Args:
        task: another task, or another child for the same data; what is left open is the task's own.
        seeds: fresh seeds for each.
        top: how many of the finalists; null is all.
    """

    task: TaskSettings = field(default_factory=TaskSettings)
    seeds: Annotated[int, Field(ge=1)] = 5
    top: Annotated[int, Field(ge=1)] | None = None


def completed(
    task: CompleteSettings, ladder: Sequence[RungSettings], final: FinalSettings
) -> tuple[tuple[RungSettings, ...], FinalSettings]:
    """Return ladder and final rung with steps in the task's own units where they were left open."""
    between = tuple(dataclasses.replace(rung, steps=_steps(rung, task)) for rung in ladder)
    return between, dataclasses.replace(final, steps=_steps(final, task))


def _steps(rung: RungSettings | FinalSettings, task: CompleteSettings) -> int:
    times = FINAL_STEPS if isinstance(rung, FinalSettings) else RUNG_STEPS
    return times * task.steps if rung.steps is None else rung.steps


def rungs(task: "Task", ladder: Sequence[RungSettings], final: FinalSettings) -> list[Rung]:
    """Return the rungs of a run from the search to the final one."""
    whole = task.settings
    between = [
        Rung(f"rung {number}", dataclasses.replace(whole, steps=_steps(step, whole)), step.seeds, test=False)
        for number, step in enumerate(ladder, start=1)
    ]
    last = Rung(FINAL, dataclasses.replace(whole, steps=_steps(final, whole)), seeds_of(final), test=True)
    return [Rung(SEARCH, whole, 1, test=False), *between, last]


def seeds_of(final: FinalSettings) -> int:
    """Return the seeds of a function on the final rung, at most."""
    return final.seeds or FINAL_SEEDS


def of_a_race(final: FinalSettings, everybody: int, below: int) -> int:
    """Return how many trainings a race has at most.

    A race without a limit takes as many steps as all rungs below it, unless these do not do for showing anything.

    Args:
        final: settings of the final rung.
        everybody: number of trainings that give everybody all seeds.
        below: number of trainings of the same length that all rungs below are worth.
    """
    if final.trainings or final.seeds:
        return final.trainings or everybody
    return min(everybody, max(below, LEAST))


def transfer_rung(task: "Task", seeds: int) -> Rung:
    """Return the rung of another task, named by what tells it from others: ``digits, 60 steps, width 64``."""
    whole, usual = task.settings, task.usual
    names = [whole.name, whole.own.function]
    silent = {"name", "steps", "own", *UNTELLING}
    parts = [*_changed(whole, usual, silent), *_changed(whole.own, OwnSettings(), {"build", "score"})]
    label = ", ".join([*filter(None, names), f"{whole.steps} steps", *parts])
    told = unusual(dataclasses.asdict(whole))
    telling = {key: value for key, value in told.items() if key not in {*UNTELLING, "directory"}}
    return Rung(label, whole, seeds, test=True, key=f"transfer {_digest(telling)}")


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _changed(settings: TaskSettings | OwnSettings, usual: TaskSettings | OwnSettings, silent: set[str]) -> list[str]:
    """Return the settings that are not as usual, as ``width 64``."""
    names = [part.name for part in dataclasses.fields(settings) if part.name not in silent]
    values = {name: getattr(settings, name) for name in names if getattr(settings, name) != getattr(usual, name)}
    return [f"{name} {_short(name, value)}" for name, value in values.items()]


def _short(name: str, value: object) -> str:
    """Return a value for a label; of a directory its last part, and a few digits that tell it from others."""
    if name == "directory":
        return f"{Path(str(value)).name} {_digest(str(value))[:4]}"
    return " ".join(value) if isinstance(value, tuple) else str(value)


def best(means: Mapping[str, float], count: int) -> list[str]:
    """Return those of the lowest means, best first; equal ones by fingerprint, so that the order is always the same."""
    return sorted(means, key=lambda fingerprint: (means[fingerprint], fingerprint))[:count]


def climbing(settings: Sequence[RungSettings], final: FinalSettings, height: int, trained: int) -> int:
    """Return for how many candidates there is room on rung ``height`` (1 is the first above the search).

    Args:
        settings: of the rungs between.
        final: of the final rung.
        height: of the rung.
        trained: candidates that were trained on the rung below, whatever became of them.
    """
    return min(trained, final.top) if height > len(settings) else math.ceil(settings[height - 1].share * trained)


def known_on(final: FinalSettings, baselines: int, *, last: bool) -> int:
    """Return for how many baselines, beside the incumbent, there is room on a rung above the search.

    Args:
        final: of the final rung.
        baselines: that there are.
        last: whether it is the final one; twice as many are trained on those between.
    """
    return baselines if final.known is None else min(baselines, final.known * (1 if last else 2))


def goals_of(
    children: int, baselines: int, ladder: Sequence[RungSettings], final: FinalSettings, steps: Sequence[int]
) -> dict[str, Goal]:
    """Return the number and length of the children of each rung, if every child of the search gets a score.

    Args:
        children: candidates of the search.
        baselines: number of known functions.
        ladder: rungs between.
        final: final rung.
        steps: steps of a child, by rung, the search first.
    """
    found, going = {SEARCH: Goal(children + baselines, steps[0], baselines)}, children
    names = [*(f"rung {number}" for number in range(1, len(steps) - 1)), FINAL]
    for height, name in enumerate(names, start=1):
        is_last = name == FINAL
        going = climbing(ladder, final, height, going)
        most = baselines if final.known is None else 1 + known_on(final, baselines - 1, last=is_last)
        seeds = seeds_of(final) if is_last else ladder[height - 1].seeds
        everybody = (going + most) * seeds
        if is_last and final.race:
            below = sum(goal.children * goal.steps for goal in found.values()) // steps[height]
            found[name] = Goal(of_a_race(final, everybody, below), steps[height])  # whose seeds these are is not known
        else:
            found[name] = Goal(everybody, steps[height], most * seeds)
    return found
