"""Which short training ranks like a long one, and what stopping hopeless children early would cost.

Not here: the trainings (``tabulation``) and how rankings agree (``search.ranking.agreement``).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from actsearch.search.studies.tabulation import Row

WORST = 1e9  # the loss of a child without one: behind all others, tied with its like


def mean_by_function(rows: Iterable[Row], score: str) -> dict[str, float]:
    """Return expression -> mean over its rows, lower is better.

    Args:
        rows: of one label.
        score: ``loss``, ``accuracy`` (of which the mean is taken negatively), ``last_training_loss`` or
            ``mean_training_loss`` (over the whole curve).
    """
    values: dict[str, list[float]] = {}
    for row in rows:
        values.setdefault(row.expression, []).append(_score(row, score))
    return {text: sum(found) / len(found) for text, found in values.items()}


def _score(row: Row, score: str) -> float:
    if row.loss is None or row.accuracy is None:
        return WORST
    match score:
        case "loss":
            return row.loss
        case "accuracy":
            return -row.accuracy
        case "last_training_loss":
            return row.curve[-1]
        case "mean_training_loss":
            return sum(row.curve) / len(row.curve)
    raise ValueError(f"unknown score '{score}'")


@dataclass(frozen=True)
class StopRule:
    """What stopping hopeless children would have done.

    Args:
        share: of the steps after which they are looked at.
        above: training loss, as a share of chance, over which they are stopped.
        stopped: share of the children.
        saved: share of all steps.
        lost: how many children of the reference's best 1 % and best 10 % are stopped.
        of: how many there are.
    """

    share: float
    above: float
    stopped: float
    saved: float
    lost: tuple[int, int]
    of: tuple[int, int]


SHARES, ABOVE = (0.2, 0.3, 0.4, 0.5), (0.95, 0.9, 0.8, 0.7)


def stop_rules(rows: Sequence[Row], reference: Mapping[str, float], chance: float = math.log(10)) -> list[StopRule]:
    """Apply every rule to children that were trained to their end; there are none without a curve.

    Args:
        rows: with curves.
        reference: expression -> score, lower is better.
        chance: loss of a child that knows nothing.
    """
    order = sorted(reference, key=lambda text: reference[text])
    tops = [set(order[: max(1, round(share * len(order)))]) for share in (0.01, 0.1)]
    curved = [row for row in rows if row.curve and row.expression in reference]
    rules = []
    for share in SHARES if curved else ():
        for above in ABOVE:
            stopped = [row for row in curved if row.curve[max(1, round(share * len(row.curve))) - 1] > above * chance]
            lost = [sum(row.expression in top for row in stopped) for top in tops]
            of = [sum(row.expression in top for row in curved) for top in tops]
            part = len(stopped) / len(curved)
            rules.append(StopRule(share, above, part, part * (1 - share), (lost[0], lost[1]), (of[0], of[1])))
    return rules
