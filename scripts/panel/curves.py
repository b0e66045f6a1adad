"""Does a child's training curve tell more of the long run than its last loss? Kendall's tau with the whole length.

``python -m scripts.panel.curves`` reads the curves of ``runs/panel/tables``: of children whose schedule ends after a
quarter of the steps, and the first quarter and half of whole children. Not here: orders by losses alone (``lengths``).
"""

import argparse
import math
import statistics
import warnings
from collections.abc import Callable

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit
from scipy.stats import kendalltau

from actsearch.search.proposers.prior import Array
from scripts.panel.tables import WHOLE, loaded
from scripts.panel.tabulate import LENGTHS, path_of
from scripts.replays.tabulation import Row, rows_of

SPANS = 20  # of a curve
LATE = 5  # spans of which a slope is taken
FAILED = 1e9  # instead of a loss that is not finite


def last(steps: Array, curve: Array) -> float:
    """Return the last value of a curve."""
    return float(curve[-1])


def slope(steps: Array, curve: Array) -> float:
    """Return where the last values lead, linearly in the logarithm of steps."""
    rise, start = np.polyfit(np.log(steps[-LATE:]), curve[-LATE:], 1)
    return float(start + rise * math.log(WHOLE))


def power_law(steps: Array, curve: Array) -> float:
    """Return where ``c + a n^-b`` leads, fitted to all values behind the first; the last value without a fit."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OptimizeWarning)
            best, _ = curve_fit(
                lambda n, a, b, c: a * n**-b + c, steps[1:], curve[1:], p0=(curve[1], 0.5, curve[-1] / 2),
                bounds=([0, 0.01, -np.inf], [np.inf, 3, np.inf]), maxfev=400,
            )  # fmt: skip
    except (RuntimeError, ValueError):
        return float(curve[-1])
    return float(best[0] * WHOLE ** -best[1] + best[2])


Reading = Callable[[Array, Array], float]
READINGS: dict[str, Reading] = {"last training loss": last, "last slope": slope, "power law": power_law}


def read(row: Row, spans: int, reading: Reading) -> float:
    """Return what is read from the first spans of a child's curve."""
    curve = np.array(row.curve[:spans])
    if row.loss is None or len(curve) < spans or not np.isfinite(curve).all():
        return FAILED
    return reading((np.arange(spans) + 0.5) * row.steps / len(row.curve), curve)


def agreement(predicted: dict[str, float], late: dict[str, float]) -> str:
    """Return Kendall's tau of what is predicted with the whole length: of all functions, and of the best third."""
    names = sorted(predicted.keys() & late.keys(), key=lambda name: late[name])
    parts = names, names[: len(names) // 3]
    taus = [kendalltau([predicted[one] for one in part], [late[one] for one in part]).statistic for part in parts]
    return " ".join(f"{tau:.2f}" for tau in taus)


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    problems = [name for name, mine in loaded().items() if any(LENGTHS[2] in losses for losses in mine.values())]
    print(f"| Kendall's tau: all, best third | {' | '.join(problems)} |\n|{'---|' * (len(problems) + 1)}")
    table: dict[str, list[str]] = {}
    for problem in problems:
        losses = loaded()[problem]
        late = {text: min(FAILED, statistics.fmean(mine[WHOLE][1:])) for text, mine in losses.items()}
        rows = [row for row in rows_of(path_of(problem)) if row.repeat == 0]
        short = {row.expression: row for row in rows if row.steps == WHOLE // 4}
        whole = {row.expression: row for row in rows if row.steps == WHOLE}
        ends = {text: FAILED if row.loss is None else row.loss for text, row in short.items()}
        table.setdefault("a quarter: held-out loss", []).append(agreement(ends, late))
        for name, children, spans in (
            ("a quarter", short, SPANS), ("first quarter of the whole", whole, SPANS // 4),
            ("first half of the whole", whole, SPANS // 2),
        ):  # fmt: skip
            for how, reading in READINGS.items():
                predicted = {text: read(row, spans, reading) for text, row in children.items()}
                table.setdefault(f"{name}: {how}", []).append(agreement(predicted, late))
    for name, cells in table.items():
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
