"""The plan of a whole search from one number, the trainings that it may cost.

Known activations come first, since they are the best guesses for an unknown network. Proposals follow, then a rung
between, then the decision. Not here: the seconds that a training takes (``search.forecast``).
"""

import dataclasses
import itertools

from actsearch.evaluators.sentences import BadSettings
from actsearch.search.ladder import RungSettings
from actsearch.search.settings.classes import SearchSettings

DECISION = 0.4
"""Share of the final rung. In simulated races, 40 trainings show a leader of 1.5 standard deviations in 92 of 100
(``tests/search/test_race.py``); the remaining share finds such a leader. Half of it is for the rung before, which has
full length: on the panel, a second short look lets fast starters through (``python -m scripts.panel.lengths``)."""
HALF = 0.5  # largest share of the final rung
EIGHT_EACH = 24  # trainings that tell a find, a known function and the incumbent apart, in any search
FINALISTS, KNOWN = 6, 3
"""Most finds and known functions to judge; few trainings judge fewer, since untested functions burden the test."""
ROUNDED = 1e-9  # rounding error of a whole number in the arithmetic of shares
FEWEST = 4  # fewest children of a search
ROOM = 5  # fewest functions on the rung between: two finds, two known ones, the incumbent


def planned(settings: SearchSettings) -> SearchSettings:
    """Return settings whose children, ladder and final rung cost ``budget.trainings``; without it, the same settings.

    A training has the length of one on the final rung. A shorter child of the search costs a part of a training.

    Args:
        settings: completed settings, with the incumbent among the baselines.

    Raises:
        BadSettings: the trainings do not suffice for the baselines and a search.
    """
    trainings, short, long = settings.budget.trainings, settings.task.steps, settings.final.steps
    if trainings is None:
        return settings
    assert short is not None  # settings are complete
    assert long is not None
    steps = next((rung.steps for rung in settings.ladder if rung.steps), long)
    part, each = short / long, steps / long  # cost of a child of the search, and of the rung between

    def decision(total: int) -> float:
        return max(DECISION, min(HALF, EIGHT_EACH / total))

    def between(total: int) -> float:
        left, least = (1 - decision(total)) * total, part * (len(settings.baselines) + FEWEST)
        return max(ROOM * each, min(left / 2, left - least))

    def room(total: int) -> int:
        return int(between(total) / each + ROUNDED)

    def children(total: int) -> int:
        return int(((1 - decision(total)) * total - between(total)) / part + ROUNDED) - len(settings.baselines)

    def suffices(total: int) -> bool:
        return children(total) >= FEWEST and room(total) >= ROOM

    if not suffices(trainings):
        needed = next(filter(suffices, itertools.count(trainings + 1)))
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
        ladder=(RungSettings(share, steps, seeds=1),),
        final=dataclasses.replace(
            settings.final, top=min(FINALISTS, climbing, max(1, judged // 6)), race=True, known=known, trainings=judged
        ),
    )
