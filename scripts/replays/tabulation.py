"""Train many children outside of a search, into one CSV file that grows row by row; what it holds is not trained again.

For studies of the proxy and for the table of a whole space. Not here: which children (the scripts) and what the numbers
say.
"""

import csv
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.outcome import Outcome, Request, Status, child_seed
from actsearch.evaluators.pools.pool import PoolSettings
from actsearch.evaluators.task import Task
from actsearch.search.jobs import open_pool, prepared


@dataclass(frozen=True)
class Cell:
    """One child of a table.

    Args:
        label: which settings it is trained with, in the words of the study.
        expression: the activation.
        repeat: which of its seeds.
        steps: optimiser steps.
    """

    label: str
    expression: str
    repeat: int
    steps: int

    @property
    def seed(self) -> int:
        """Return the child's seed: of the function and the repeat alone, so that labels are compared pairwise."""
        return child_seed(0, BUILT_IN.read(self.expression).identity, self.repeat)


@dataclass(frozen=True)
class Row:
    """A row of the file: a cell and its outcome.

    Args:
        label, expression, repeat, steps: of the cell.
        status: of the outcome.
        loss: on the validation split in nats, lower is better; None without a score.
        accuracy: on the validation split, 0 to 1.
        seconds: that the child took.
        curve: mean training loss of up to 20 spans.
    """

    label: str
    expression: str
    repeat: int
    steps: int
    status: str
    loss: float | None
    accuracy: float | None
    seconds: float
    curve: tuple[float, ...]


PASSING = {Status.CRASHED, Status.TIMED_OUT}  # of the machine, not of the function: tried again
COLUMNS = [part.name for part in fields(Row)]


def rows_of(path: Path) -> list[Row]:
    """Return the rows of a file, of a child that was tried again the last one.

    A last line that a killed writer left unfinished is passed over.
    """
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        whole = file.read().rpartition("\n")[0]
    found = [line for line in csv.reader(whole.splitlines()) if len(line) == len(COLUMNS)]
    rows = [_row(line) for line in found if line != COLUMNS]
    return [*{(row.label, row.expression, row.repeat, row.steps): row for row in rows}.values()]


def _row(line: Sequence[str]) -> Row:
    label, expression, repeat, steps, status, loss, accuracy, seconds, curve = line
    return Row(
        label, expression, int(repeat), int(steps), status, float(loss) if loss else None,
        float(accuracy) if accuracy else None, float(seconds), tuple(map(float, curve.split())),
    )  # fmt: skip


def tabulate(
    path: Path,
    cells: Iterable[Cell],
    task: Task,
    pool: PoolSettings,
    tell: Callable[[int, int], None] = lambda done, goal: None,
) -> None:
    """Train the cells that the file does not hold yet, and append a row as each is finished.

    Args:
        path: of the file.
        cells: what it shall hold in the end.
        task: what children are trained on; steps are the cells' own.
        pool: who trains.
        tell: is told how many of the missing cells are done, and how many there are.
    """
    held = {(row.label, row.expression, row.repeat, row.steps) for row in rows_of(path) if row.status not in PASSING}
    missing = [c for c in dict.fromkeys(cells) if (c.label, c.expression, c.repeat, c.steps) not in held]
    if not missing:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    _drop_unfinished_line(path)
    requests = [Request(cell.expression, cell.seed, cell.steps) for cell in missing]
    with path.open("a", encoding="utf-8", newline="") as file, open_pool(prepared(task), pool) as workers:
        writer = csv.writer(file, lineterminator="\n")
        if file.tell() == 0:
            writer.writerow(COLUMNS)
        for done, (index, outcome) in enumerate(workers.evaluate(requests), start=1):
            writer.writerow(_line(missing[index], outcome))
            file.flush()
            os.fsync(file.fileno())
            tell(done, len(missing))


def _drop_unfinished_line(path: Path) -> None:
    """Take back what a killed writer left behind the last whole line."""
    if path.is_file():
        content = path.read_bytes()
        os.truncate(path, content.rfind(b"\n") + 1)


def _line(cell: Cell, outcome: Outcome) -> list[str]:
    accuracy = outcome.metrics.get("validation_accuracy")
    return [
        cell.label, cell.expression, str(cell.repeat), str(cell.steps), outcome.status.value,
        "" if outcome.score is None else f"{outcome.score:.6g}", "" if accuracy is None else f"{accuracy:.4g}",
        f"{outcome.seconds:.3g}", " ".join(map(str, outcome.diagnostics.get("learning_curve", []))),
    ]  # fmt: skip
