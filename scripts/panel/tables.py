"""The panel's tables, packed: the losses of each function of the sample, by problem and length.

``python -m scripts.panel.tables`` packs what ``tabulate`` trained into ``scripts/panel/results/tables.csv``, with four
digits a loss. ``loaded`` reads it. Not here: the training (``tabulate``).
"""

import csv
import functools
import json
import math
import statistics
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from actsearch.evaluators.activation import BUILT_IN
from actsearch.grammar.rows.known import USUAL
from actsearch.search.reward import scale_of
from scripts.panel.problems import MNIST1D
from scripts.panel.tabulate import FOLDER, LENGTHS, SEEDS
from scripts.replays.replay import Table, file_of, load_table
from scripts.replays.tabulation import rows_of

RESULTS = Path(__file__).parent / "results"
PACKED, FACTS = RESULTS / "tables.csv", RESULTS / "tables.json"
WHOLE = LENGTHS[0]
Losses = Mapping[str, Mapping[int, tuple[float, ...]]]
"""Expression -> steps -> losses of its seeds, endless where one failed."""


def pack() -> None:
    """Write the file that git keeps."""
    RESULTS.mkdir(exist_ok=True)
    facts: dict[str, dict[str, float]] = {}
    with PACKED.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["problem", "expression", "steps", "losses"])
        for path in sorted(FOLDER.glob("*.csv")):
            rows = rows_of(path)
            cells: dict[tuple[str, int], dict[int, float | None]] = {}
            for row in rows:
                cells.setdefault((row.expression, row.steps), {})[row.repeat] = row.loss
            if sum(steps == WHOLE and len(mine) >= SEEDS for (_, steps), mine in cells.items()) < 400:
                continue  # not finished
            for (text, steps), mine in sorted(cells.items()):
                told = ["nan" if mine[n] is None else f"{mine[n]:.4g}" for n in sorted(mine)]
                writer.writerow([path.stem, text, steps, " ".join(told)])
            facts[path.stem] = {"children": len(rows), "hours": round(sum(row.seconds for row in rows) / 3600, 2)}
    FACTS.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


@functools.cache
def loaded() -> dict[str, Losses]:
    """Return the losses of every problem."""
    found: dict[str, dict[str, dict[int, tuple[float, ...]]]] = {}
    with PACKED.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            losses = tuple(math.inf if text == "nan" else float(text) for text in row["losses"].split())
            found.setdefault(row["problem"], {}).setdefault(row["expression"], {})[int(row["steps"])] = losses
    return {problem: dict(texts) for problem, texts in found.items()}


def sampled() -> list[str]:
    """Return the expressions of the sample."""
    return sorted({text for losses in loaded().values() for text in losses})


def means(problem: str) -> dict[str, float]:
    """Return the mean loss of every function of the sample at full length; endless where a seed failed."""
    if problem in MNIST1D:
        table = table_of(problem)
        identities = {text: BUILT_IN.read(text).identity for text in sampled()}
        return {text: table.means[name] for text, name in identities.items() if name in table.means}
    return {text: statistics.fmean(mine[WHOLE]) for text, mine in loaded()[problem].items()}


@functools.cache
def table_of(problem: str) -> Table:
    """Return the table of a problem, for replays."""
    if problem in MNIST1D:
        return load_table(file_of(problem))
    losses = {BUILT_IN.read(text).identity: mine[WHOLE] for text, mine in loaded()[problem].items()}
    texts = {BUILT_IN.read(text).identity: text for text in loaded()[problem]}
    kept = {name: tuple(None if math.isinf(loss) else loss for loss in mine) for name, mine in losses.items()}
    usual = [kept[name][0] for text in USUAL if (name := BUILT_IN.read(text).identity) in kept]
    finite = [loss for mine in kept.values() for loss in mine if loss is not None]
    worst = float(np.quantile(finite, 0.95))
    scale = scale_of(None, usual, is_cross_entropy=False)
    return Table(kept, texts, frozenset(), dict.fromkeys(kept, 1.0), worst, scale)


if __name__ == "__main__":
    pack()
