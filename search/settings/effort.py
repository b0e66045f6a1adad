"""One number in place of many: a whole search planned from the trainings that it may cost.

Known activations come first, since on a network that nobody knows they are the best guesses; then proposals, then a
rung between, then the decision. Not here: what a training takes in seconds (``search.plan``).
"""

import dataclasses
import itertools
from typing import TYPE_CHECKING

from actsearch.evaluators.sentences import BadSettings
from actsearch.search.ladder import RungSettings

if TYPE_CHECKING:
    from actsearch.search.settings.classes import SearchSettings

DECISION, BETWEEN = 0.4, 0.2
"""Shares of the final rung and of the one before. 40 trainings show a leader of 1.5 standard deviations in 92 of 100
simulated races (``tests/search/test_race.py``); the rest finds one."""
MOST = 0.5  # share of the final rung at most
EIGHT_EACH = 24  # trainings with which a find, a known function and the incumbent are told apart, of whatever search
SEEDS = 2  # of the rung between
FINALISTS, KNOWN = 6, 3  # finds and known functions that are judged at most
ROUNDED = 1e-9  # what a whole number may lose in the arithmetic of shares
FEWEST = 4  # children of a search
ROOM = 4  # functions for which a rung between is worth having


def planned(settings: "SearchSettings") -> "SearchSettings":
    """Return settings whose children, ladder and final rung cost ``budget.trainings``; others as they are.

    A training is one of the final rung's length. The shorter children of the search are parts of one.

    Args:
        settings: completed, the incumbent among the baselines.

    Raises:
        BadSettings: the trainings do not do for the baselines alone.
    """
    trainings, short, long = settings.budget.trainings, settings.task.steps, settings.final.steps
    if trainings is None:
        return settings
    assert short is not None  # of completed settings
    assert long is not None
    rung = next(iter(settings.ladder), RungSettings())
    steps = rung.steps or 2 * short
    part, cost = short / long, SEEDS * steps / long  # of a child of the search, of a function on the rung between

    def room(whole: int) -> int:
        found = int(BETWEEN * whole / cost)
        return found if found >= ROOM else 0

    def decision(whole: int) -> int:
        share = max(DECISION, min(MOST, EIGHT_EACH / whole)) if room(whole) else MOST
        return max(1, int(share * whole))

    def children(whole: int) -> int:
        left = whole - decision(whole) - BETWEEN * whole * bool(room(whole))
        return int(left / part + ROUNDED) - len(settings.baselines)

    if children(trainings) < FEWEST:
        needed = next(whole for whole in itertools.count(trainings + 1) if children(whole) >= FEWEST)
        raise BadSettings(
            f"key 'budget.trainings': {trainings} do not do for {len(settings.baselines)} baselines and a search: "
            f"expected {needed} or more, or fewer baselines"
        )
    known = min(KNOWN, max(1, room(trainings) // 6))
    climbing = max(2, room(trainings) - 2 * known - 1)
    share = min(1.0, (climbing - ROUNDED) / children(trainings))
    return dataclasses.replace(
        settings,
        budget=dataclasses.replace(settings.budget, children=children(trainings)),
        ladder=(RungSettings(share, steps, SEEDS),) if room(trainings) else (),
        final=dataclasses.replace(
            settings.final, top=min(FINALISTS, climbing), race=True, known=known, trainings=decision(trainings)
        ),
    )
