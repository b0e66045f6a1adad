"""One number in place of many: a whole search planned from the trainings that it may cost.

Known activations come first, since on a network that nobody knows they are the best guesses; then proposals, then a
rung between, then the decision. Not here: what a training takes in seconds (``search.forecast``).
"""

import dataclasses
import itertools

from actsearch.evaluators.sentences import BadSettings
from actsearch.search.ladder import RungSettings
from actsearch.search.settings.classes import SearchSettings

DECISION, BETWEEN = 0.4, 0.2
"""Shares of the final rung and of the one before. 40 trainings show a leader of 1.5 standard deviations in 92 of 100
simulated races (``tests/search/test_race.py``); the rest finds one."""
HALF = 0.5  # share of the final rung at most
EIGHT_EACH = 24  # trainings with which a find, a known function and the incumbent are told apart, of whatever search
SEEDS = 2  # of the rung between, where it has room for so many
FINALISTS, KNOWN = 6, 3
"""Finds and known functions that are judged at most; of few trainings fewer, since who has no turn burdens the test."""
ROUNDED = 1e-9  # what a whole number may lose in the arithmetic of shares
FEWEST = 4  # children of a search
ROOM = 4  # functions on the rung between at least: two finds, a known one, the incumbent


def planned(settings: SearchSettings) -> SearchSettings:
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
    steps = next((rung.steps for rung in settings.ladder if rung.steps), 2 * short)
    part, each = short / long, steps / long  # of a child of the search, and of the rung between

    def seeds(whole: int) -> int:
        return SEEDS if BETWEEN * whole >= ROOM * SEEDS * each else 1

    def room(whole: int) -> int:
        return int(BETWEEN * whole / (seeds(whole) * each) + ROUNDED)

    def decision(whole: int) -> float:
        return max(DECISION, min(HALF, EIGHT_EACH / whole))

    def children(whole: int) -> int:
        return int((1 - decision(whole) - BETWEEN) * whole / part + ROUNDED) - len(settings.baselines)

    def does(whole: int) -> bool:
        return children(whole) >= FEWEST and room(whole) >= ROOM

    if not does(trainings):
        needed = next(filter(does, itertools.count(trainings + 1)))
        raise BadSettings(
            f"key 'budget.trainings': {trainings} do not do for {len(settings.baselines)} baselines and a search: "
            f"expected {needed} or more, or fewer baselines"
        )
    judged = int(decision(trainings) * trainings)
    known = min(KNOWN, max(1, min(room(trainings) // 6, judged // 12)))
    climbing = max(2, room(trainings) - 2 * known - 1)
    share = min(1.0, (climbing - ROUNDED) / children(trainings))
    return dataclasses.replace(
        settings,
        budget=dataclasses.replace(settings.budget, children=children(trainings)),
        ladder=(RungSettings(share, steps, seeds(trainings)),),
        final=dataclasses.replace(
            settings.final, top=min(FINALISTS, climbing, max(1, judged // 6)), race=True, known=known, trainings=judged
        ),
    )
