"""What a short training says of a long one: agreement of orders, and what a budget buys at each length.

``python -m scripts.panel.lengths`` prints Kendall's tau between the order after a part of the steps and the order at
full length, over all functions and over the best third. Then it spends the cost of so many whole trainings in several
ways on functions in random order, sends the six best by their last loss to the final rung, and prints the place of the
best of the six, as a share of all functions: medians over draws. Not here: the tables (``tables``).
"""

import argparse
import random
import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from scipy.stats import kendalltau

from scripts.panel.tables import WHOLE, loaded

FINALISTS, BUDGET, DRAWS = 6, 30, 400  # finalists; whole trainings; random orders
Losses = dict[str, dict[int, tuple[float, ...]]]


def _mean(losses: Sequence[float]) -> float:
    return statistics.fmean(losses) if np.isfinite(losses).all() else float("inf")


def agreement(losses: Losses, steps: int) -> tuple[float, float]:
    """Return Kendall's tau of one seed after some steps with the mean at full length: of all, and of the best third."""
    names = list(losses)
    late = np.array([_mean(losses[name][WHOLE]) for name in names])
    early = np.array([losses[name][steps][0] for name in names])
    early, late = (np.where(np.isfinite(part), part, 1e9) for part in (early, late))
    best = np.argsort(late)[: len(names) // 3]
    return float(kendalltau(early, late).statistic), float(kendalltau(early[best], late[best]).statistic)


Spend = Callable[[Losses, Sequence[str], random.Random], list[str]]


def at_length(steps: int, seeds: int = 1) -> Spend:
    """Return the strategy that trains as many functions as the budget allows, all of them equally long."""

    def spend(losses: Losses, order: Sequence[str], draw: random.Random) -> list[str]:
        tried = order[: int(BUDGET * WHOLE / steps / seeds)]
        scores = {name: _mean(draw.sample(losses[name][steps], seeds)) for name in tried}
        return sorted(scores, key=lambda name: scores[name])[:FINALISTS]

    return spend


def halving(lengths: Sequence[int], keep: float) -> Spend:
    """Return the strategy that trains many functions shortly, and goes on with the best share of them."""

    def spend(losses: Losses, order: Sequence[str], draw: random.Random) -> list[str]:
        costs = [(steps - before) / WHOLE * keep**n for n, (before, steps) in enumerate(pairwise([0, *lengths]))]
        tried = list(order[: int(BUDGET / sum(costs))])
        for n, steps in enumerate(lengths):
            scores = {name: draw.choice(losses[name][steps]) for name in tried}
            left = max(FINALISTS, int(len(tried) * keep)) if n + 1 < len(lengths) else FINALISTS
            tried = sorted(tried, key=lambda name: scores[name])[:left]
        return tried

    return spend


def planned(children: int, middle: int, steps: int, seeds: int) -> Spend:
    """Return the strategy of a plan: many functions for a quarter of the steps, then the best of them longer."""

    def spend(losses: Losses, order: Sequence[str], draw: random.Random) -> list[str]:
        short = {name: draw.choice(losses[name][WHOLE // 4]) for name in order[:children]}
        best = sorted(short, key=lambda name: short[name])[:middle]
        scores = {name: _mean(draw.sample(losses[name][steps], seeds)) for name in best}
        return sorted(scores, key=lambda name: scores[name])[:FINALISTS]

    return spend


PLANS: dict[str, Spend] = {
    "140 for a quarter, 20 for half with two seeds": planned(140, 20, WHOLE // 2, 2),
    "140 for a quarter, 20 in full": planned(140, 20, WHOLE, 1),
    "100 for a quarter, 30 in full": planned(100, 30, WHOLE, 1),
}
"""What a search of 100 trainings does before its decision, at the cost of 55."""
STRATEGIES: dict[str, Spend] = {
    "a quarter of the steps": at_length(WHOLE // 4),
    "a quarter, two seeds": at_length(WHOLE // 4, 2),
    "half": at_length(WHOLE // 2),
    "all": at_length(WHOLE),
    "halving: a quarter, half, all": halving((WHOLE // 4, WHOLE // 2, WHOLE), 0.5),
    "a quarter, then a third of them in full": halving((WHOLE // 4, WHOLE), 1 / 3),
}


def place(losses: Losses, spend: Spend, draw: random.Random) -> float:
    """Return the place of the best finalist by its mean at full length, as a share of all functions."""
    order = draw.sample(sorted(losses), len(losses))
    means = {name: _mean(mine[WHOLE]) for name, mine in losses.items()}
    ranking = sorted(means, key=lambda name: means[name])
    return min(ranking.index(name) for name in spend(losses, order, draw)) / len(ranking)


def main() -> None:
    """Print both tables."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    lengths = [WHOLE // 4, WHOLE // 2, 3 * WHOLE // 4]
    whole = {
        problem: {name: dict(mine) for name, mine in losses.items() if {*lengths, WHOLE} <= mine.keys()}
        for problem, losses in loaded().items()
    }
    problems = {problem: losses for problem, losses in whole.items() if len(losses) > FINALISTS}
    print(f"| Kendall's tau with the whole length: all, best third | {' | '.join(problems)} |")
    print((len(problems) + 1) * "|---" + "|")
    for steps in lengths:
        cells = [" ".join(f"{tau:.2f}" for tau in agreement(losses, steps)) for losses in problems.values()]
        print(f"| {steps / WHOLE:g} of the steps | {' | '.join(cells)} |")
    print(f"\n| cost of {BUDGET} whole trainings, or of 55: place of the best finalist, % | {' | '.join(problems)} |")
    print((len(problems) + 1) * "|---" + "|")
    for name, spend in (STRATEGIES | PLANS).items():
        cells = []
        for losses in problems.values():
            draw = random.Random(0)
            cells.append(f"{100 * statistics.fmean(place(losses, spend, draw) for _ in range(DRAWS)):.1f}")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
