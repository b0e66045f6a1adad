"""Train one sample of functions on every problem of the panel, at four lengths: a table for a prior.

``python -m scripts.panel.tabulate run`` trains in ``runs/panel/tables``, a file a problem, and resumes where it was
stopped; ``--aside`` takes the problems that were put aside.
The sample is 400 functions of one unit, forty of each tenth by the mean rank in the two tables of MNIST-1D, and every
known activation; each gets two seeds at every length, and the best third at full length four more. Not here: the
problems (``problems``).
"""

import argparse
import itertools
import math
import random
import statistics
from collections.abc import Iterator
from pathlib import Path

from actsearch.evaluators.activation import BUILT_IN
from actsearch.grammar.rows.known import KNOWN, USUAL
from actsearch.search.plan import resolve
from scripts.panel.problems import names
from scripts.panel.run import RUNS, settings_of
from scripts.replays.replay import file_of, load_table
from scripts.replays.tabulation import Cell, Row, rows_of, tabulate

TABLES = ("mnist1d", "mnist1d_mlp")  # by whose mean rank the sample is stratified
SIZE, STRATA = 400, 10
LENGTHS = (800, 400, 200, 600)  # optimiser steps; the whole training first
SEEDS, MORE = 2, 6  # of every function; of the best third at full length
FOLDER = RUNS / "tables"
LABEL = "panel"


def sample() -> list[str]:
    """Return the expressions that are trained: known activations first, then the drawn ones."""
    tables = [load_table(file_of(task)) for task in TABLES]
    ranks = [{name: place for place, name in enumerate(table.ranking)} for table in tables]
    common = sorted({*ranks[0]} & {*ranks[1]}, key=lambda name: (sum(rank[name] for rank in ranks), name))
    draw, drawn = random.Random(0), list[str]()
    for part in range(STRATA):
        stratum = common[part * len(common) // STRATA : (part + 1) * len(common) // STRATA]
        drawn += sorted(draw.sample(stratum, SIZE // STRATA))
    texts = [BUILT_IN.read(name).text for name in (*USUAL, *KNOWN)]
    by_identity = {BUILT_IN.read(text).identity: text for text in (*texts, *(tables[0].texts[name] for name in drawn))}
    return [text for text in by_identity.values() if BUILT_IN.read(text).refusal is None]


def path_of(problem: str) -> Path:
    """Return the file of a problem."""
    return FOLDER / f"{problem}.csv"


def stages(problem: str, texts: list[str]) -> Iterator[list[Cell]]:
    """Yield the cells of a problem, stage by stage; the second depends on the rows of the first."""
    whole, *parts = LENGTHS
    yield [Cell(LABEL, text, repeat, whole) for repeat in range(SEEDS) for text in texts]
    losses = whole_losses(rows_of(path_of(problem)), SEEDS)
    order = sorted(texts, key=lambda text: losses.get(text, math.inf))
    yield [Cell(LABEL, text, repeat, whole) for repeat in range(SEEDS, MORE) for text in order[: len(texts) // 3]]
    for steps in parts:
        yield [Cell(LABEL, text, repeat, steps) for repeat in range(SEEDS) for text in texts]


def whole_losses(rows: list[Row], seeds: int) -> dict[str, float]:
    """Return the mean loss of every function at full length over its first seeds; endless where one failed."""
    losses: dict[str, list[float]] = {}
    for row in rows:
        if row.steps == LENGTHS[0] and row.repeat < seeds:
            losses.setdefault(row.expression, []).append(math.inf if row.loss is None else row.loss)
    return {text: statistics.fmean(mine) for text, mine in losses.items()}


def run(problems: list[str], *, whole: bool) -> None:
    """Train what the files do not hold yet; only those of full length if ``whole``."""
    texts = sample()
    for problem in problems:
        task = resolve(settings_of(problem, 0)).task
        for cells in itertools.islice(stages(problem, texts), 2 if whole else None):
            tabulate(path_of(problem), cells, task, resolve(settings_of(problem, 0)).pool)
        rows = rows_of(path_of(problem))
        print(f"{problem}: {len(rows)} children, {sum(row.seconds for row in rows):.0f} s", flush=True)


def main() -> None:
    """Do what is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=["run"])
    parser.add_argument("problems", nargs="*", help="names; all that are not aside where none is given")
    parser.add_argument("--aside", action="store_true", help="those that were put aside, for the final figures")
    parser.add_argument("--whole", action="store_true", help="full length alone, for a first prior")
    chosen = parser.parse_args()
    problems = [name for name in names(aside=chosen.aside) if not chosen.problems or name in chosen.problems]
    run(problems, whole=chosen.whole)


if __name__ == "__main__":
    main()
