"""Do finalists want a learning rate each? A table of the best functions and the known ones at three rates.

``python -m scripts.panel.rates`` trains the twelve best of each problem's table and six known activations with a third
of the usual rate, the usual one and three times it, six seeds each, in ``runs/panel/rates``, and goes on where it was
stopped. A function's rate is chosen by three seeds and judged by the other three. Not here: the tables (``tables``).
"""

import argparse
import math
import statistics
from collections import Counter
from dataclasses import replace

from scipy.stats import kendalltau

from actsearch.evaluators.activation import BUILT_IN
from actsearch.search.plan import resolve
from scripts.panel.run import RUNS, settings_of
from scripts.panel.tables import WHOLE, means
from scripts.replays.tabulation import Cell, rows_of, tabulate

FACTORS = {"third": 1 / 3, "usual": 1.0, "triple": 3.0}
KNOWN = ("relu", "gelu", "silu", "tanh", "softplus", "sin(x)")
BEST, SEEDS, CHOOSING = 12, 6, 3
PROBLEMS = ("digits_plain", "friedman", "picture", "shells", "spirals", "transformer")
Losses = dict[str, dict[str, list[float]]]
"""Expression -> rate -> loss of each seed."""


def train(problem: str) -> Losses:
    """Train what the file does not hold yet, and return all."""
    order = sorted(means(problem), key=means(problem).__getitem__)
    texts = [*dict.fromkeys([*order[:BEST], *(BUILT_IN.read(name).text for name in KNOWN)])]
    path, plan = RUNS / "rates" / f"{problem}.csv", resolve(settings_of(problem, 0))
    for label, factor in FACTORS.items():
        settings, usual = plan.settings.task, plan.settings.task.learning_rate
        assert usual is not None  # settings are complete
        task = resolve(replace(plan.settings, task=replace(settings, learning_rate=usual * factor))).task
        tabulate(path, [Cell(label, text, n, WHOLE) for text in texts for n in range(SEEDS)], task, plan.pool)
    losses: Losses = {text: {label: [math.inf] * SEEDS for label in FACTORS} for text in texts}
    for row in rows_of(path):
        if row.expression in losses and row.loss is not None:
            losses[row.expression][row.label][row.repeat] = row.loss
    return losses


def wanted(losses: dict[str, list[float]]) -> str:
    """Return the rate that a function wants, by the first seeds."""
    return min(FACTORS, key=lambda rate: statistics.fmean(losses[rate][:CHOOSING]))


def cells(losses: Losses) -> list[str]:
    """Return the cells of one problem."""
    choice = {text: wanted(mine) for text, mine in losses.items()}
    usual = {text: statistics.fmean(mine["usual"][CHOOSING:]) for text, mine in losses.items()}
    own = {text: statistics.fmean(mine[choice[text]][CHOOSING:]) for text, mine in losses.items()}
    count = Counter(choice.values())
    tau = kendalltau([usual[text] for text in losses], [own[text] for text in losses]).statistic
    first, second = min(usual, key=usual.__getitem__), min(own, key=own.__getitem__)
    return [
        " ".join(str(count[rate]) for rate in FACTORS), f"{tau:.2f}", f"{first}: {usual[first]:.4g}",
        f"{second}: {own[second]:.4g} ({choice[second]})",
    ]  # fmt: skip


def main() -> None:
    """Train, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("problems", nargs="*", default=PROBLEMS)
    print(
        f"| problem | functions that want a {', the '.join(FACTORS)} | tau | best at the usual rate | best at its own |"
    )
    print("|---" * 5 + "|")
    for problem in parser.parse_args().problems:
        print(f"| {problem} | {' | '.join(cells(train(problem)))} |", flush=True)


if __name__ == "__main__":
    main()
