"""The ladder: promising candidates are trained longer and with more seeds, rung by rung, up to the final rung.

The mean validation loss of a rung chooses who climbs to the next. The final rung judges, and its seeds and test split
chose nothing. Not here: the trainings (``trainings``) and the tests (``significance``).
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

FINAL_STEPS = 4  # default steps of the final rung, as a multiple of the steps of the search
FINAL_SEEDS = 14  # default number of seeds on the final rung, at most
LEAST = 16  # trainings of a race: eight seeds each of a leader and the incumbent show a plain difference
UNTELLING = ("device", "kernel", "stack", "diagnostics")  # settings of a task that do not distinguish rungs
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True, config=_STRICT)
class RungSettings:
    """One rung between the search and the final one.

    Args:
        share: share of the candidates trained on the rung below that climb, the best first, each with a score.
        steps: number of optimiser steps of each child; null is those of the final rung, since shorter trainings favour
            fast starters.
        seeds: number of children of each candidate, with fresh seeds on every rung.
    """

    share: Annotated[float, Field(gt=0, le=1)] = 0.25
    steps: Steps | None = None
    seeds: Annotated[int, Field(ge=1)] = 1


@dataclass(frozen=True, config=_STRICT)
class FinalSettings:
    """The final rung, which makes the final list.

    Args:
        top: number of candidates that are trained again, beside the baselines.
        seeds: number of fresh seeds, never used for choosing: of each function, or in a race of the average one at
            most; null is 14, or in a race as many as take no more than half of all steps, or 16 trainings in all.
        steps: number of optimiser steps of each child, more than in the search, since short trainings favour fast
            starters; null is four times those of the search.
        race: whether seeds go only to functions that may still prove better than the incumbent; otherwise every
            function gets all seeds.
        known: number of baselines that climb beside the incumbent, those of the lowest losses; null is all.
        trainings: largest number of trainings of a race; null is ``seeds`` for every function.
    """

    top: Annotated[int, Field(ge=1)] = 6
    seeds: Annotated[int, Field(ge=1)] | None = None
    steps: Steps | None = None
    race: bool = True
    known: Annotated[int, Field(ge=0)] | None = None
    trainings: Annotated[int, Field(ge=1)] | None = None


@dataclass(frozen=True, config=_STRICT)
class TransferSettings:
    """Another task for the finalists and baselines.

    Args:
        task: another task, or another child for the same data; open settings take the task's own values.
        seeds: number of fresh seeds for each function.
        top: number of finalists; null is all.
    """

    task: TaskSettings = field(default_factory=TaskSettings)
    seeds: Annotated[int, Field(ge=1)] = 5
    top: Annotated[int, Field(ge=1)] | None = None


def completed(
    task: CompleteSettings, ladder: Sequence[RungSettings], final: FinalSettings
) -> tuple[tuple[RungSettings, ...], FinalSettings]:
    """Return ladder and final rung with open steps filled in."""
    steps = FINAL_STEPS * task.steps if final.steps is None else final.steps
    between = tuple(dataclasses.replace(rung, steps=rung.steps or steps) for rung in ladder)
    return between, dataclasses.replace(final, steps=steps)


def rungs(task: "Task", ladder: Sequence[RungSettings], final: FinalSettings) -> list[Rung]:
    """Return the rungs of a run, from the search to the final rung."""
    base = task.settings
    ladder, final = completed(base, ladder, final)
    every = (*(rung.steps for rung in ladder), final.steps)
    longer = [dataclasses.replace(base, steps=steps or base.steps) for steps in every]
    between = [
        Rung(f"rung {number}", settings, rung.seeds, test=False)
        for number, (rung, settings) in enumerate(zip(ladder, longer, strict=False), start=1)
    ]
    return [Rung(SEARCH, base, 1, test=False), *between, Rung(FINAL, longer[-1], seeds_of(final), test=True)]


def seeds_of(final: FinalSettings) -> int:
    """Return the largest number of seeds of a function on the final rung."""
    return final.seeds or FINAL_SEEDS


def of_a_race(final: FinalSettings, full: int, below: int) -> int:
    """Return the largest number of trainings of a race.

    A race without a limit takes as many steps as all rungs below it, unless these are too few to show anything.

    Args:
        final: settings of the final rung.
        full: number of trainings that give every function all seeds.
        below: steps of all rungs below, as a number of trainings of the final rung's length.
    """
    if final.trainings or final.seeds:
        return final.trainings or full
    return min(full, max(below, LEAST))


def transfer_rung(task: "Task", seeds: int) -> Rung:
    """Return the rung of another task, named by its unusual settings: ``digits, 60 steps, width 64``."""
    task_settings, usual = task.settings, task.usual
    names = [task_settings.name, task_settings.own.function]
    unnamed = {"name", "steps", "own", *UNTELLING}
    parts = [*_changed(task_settings, usual, unnamed), *_changed(task_settings.own, OwnSettings(), {"build", "score"})]
    label = ", ".join([*filter(None, names), f"{task_settings.steps} steps", *parts])
    settings = unusual(dataclasses.asdict(task_settings))
    telling = {key: value for key, value in settings.items() if key not in {*UNTELLING, "directory"}}
    return Rung(label, task_settings, seeds, test=True, key=f"transfer {_digest(telling)}")


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _changed(settings: TaskSettings | OwnSettings, usual: TaskSettings | OwnSettings, unnamed: set[str]) -> list[str]:
    """Return the settings that differ from the usual ones, as ``width 64``."""
    names = [part.name for part in dataclasses.fields(settings) if part.name not in unnamed]
    values = {name: getattr(settings, name) for name in names if getattr(settings, name) != getattr(usual, name)}
    return [f"{name} {_short(name, value)}" for name, value in values.items()]


def _short(name: str, value: object) -> str:
    """Return a value for a label; a directory becomes its last part and four digits of its hash."""
    if name == "directory":
        return f"{Path(str(value)).name} {_digest(str(value))[:4]}"
    return " ".join(value) if isinstance(value, tuple) else str(value)


def best(means: Mapping[str, float], count: int) -> list[str]:
    """Return the fingerprints of the lowest means, best first; fingerprints order ties, so the order is fixed."""
    return sorted(means, key=lambda fingerprint: (means[fingerprint], fingerprint))[:count]


def climbing(settings: Sequence[RungSettings], final: FinalSettings, height: int, trained: int) -> int:
    """Return the number of candidates that rung ``height`` takes.

    Args:
        settings: settings of the rungs between search and final rung.
        final: settings of the final rung.
        height: index of the rung; 1 is the first above the search.
        trained: number of candidates trained on the rung below, with or without a score.
    """
    return min(trained, final.top) if height > len(settings) else math.ceil(settings[height - 1].share * trained)


def known_on(final: FinalSettings, baselines: int, *, last: bool) -> int:
    """Return the number of baselines, beside the incumbent, that a rung above the search takes.

    Args:
        final: settings of the final rung.
        baselines: number of baselines, without the incumbent.
        last: whether the rung is the final one; a rung between takes twice as many.
    """
    return baselines if final.known is None else min(baselines, final.known * (1 if last else 2))


def goals_of(
    children: int, baselines: int, ladder: Sequence[RungSettings], final: FinalSettings, steps: Sequence[int]
) -> dict[str, Goal]:
    """Return the number and length of the children of each rung, if every child of the search gets a score.

    Args:
        children: number of candidates of the search.
        baselines: number of known functions.
        ladder: settings of the rungs between search and final rung.
        final: settings of the final rung.
        steps: optimiser steps of a child on each rung, the search first.
    """
    goals, climbers = {SEARCH: Goal(children + baselines, steps[0], baselines)}, children
    names = [*(f"rung {number}" for number in range(1, len(steps) - 1)), FINAL]
    for height, name in enumerate(names, start=1):
        is_last = name == FINAL
        climbers = climbing(ladder, final, height, climbers)
        most = baselines if final.known is None else 1 + known_on(final, baselines - 1, last=is_last)
        seeds = seeds_of(final) if is_last else ladder[height - 1].seeds
        full = (climbers + most) * seeds
        if is_last and final.race:
            below = sum(goal.children * goal.steps for goal in goals.values()) // steps[height]
            goals[name] = Goal(of_a_race(final, full, below), steps[height])  # the race decides whose they are
        else:
            goals[name] = Goal(full, steps[height], most * seeds)
    return goals
