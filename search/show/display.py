"""Progress lines, and tables of functions, spaces and evaluations; the same facts as plain values for ``--json``.

Not here: the tables of a run (``run_tables``).
"""

import re
import statistics
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from actsearch.search.progress import Progress
from actsearch.search.ranking.measure import NATS, Measure
from actsearch.search.ranking.significance import mean_interval, standard_error

if TYPE_CHECKING:
    from actsearch.grammar.behaviour.census import Census
    from actsearch.search.evaluating import Evaluation

PAGE_WIDTH = 170
PIPE_WIDTH = 2000  # characters in a line where the output is no terminal
ENOUGH = 4  # reports before a time is estimated
_COMMAND = re.compile(r": ((?:'[^']*actsearch'|\S*actsearch) .+)$")
LINE_SECONDS = 10.0  # between two lines of progress where the output is no terminal


def console(width: int = PAGE_WIDTH, *, stderr: bool = False) -> Console:
    """Return a console as wide as the terminal, or of a fixed width where the output is a file.

    Args:
        width: characters in a line where the output is no terminal.
        stderr: whether to print on the error stream.
    """
    terminal = Console(highlight=False, soft_wrap=False, markup=False, stderr=stderr)
    return terminal if terminal.is_terminal else Console(highlight=False, width=width, markup=False, stderr=stderr)


def slim(*heads: str) -> Table:
    """Return a table that is as narrow as its cells; long cells wrap and are never cut."""
    table = Table(*heads, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in table.columns:
        column.overflow = "fold"
    return table


def print_line(text: str) -> None:
    """Print a sentence: wrapped between words in a terminal, in one line where the output is a file.

    A command at the end of the sentence is never wrapped, because a shell would end the command at the line break. It
    moves to its own line if it does not fit.
    """
    where = console()
    command = _COMMAND.search(text)
    if not where.is_terminal or command is None or len(text) <= where.width:
        where.print(text, markup=False, soft_wrap=not where.is_terminal)
    else:
        where.print(text[: command.start(1)].rstrip(), markup=False)
        where.print(command[1], markup=False, soft_wrap=True)


def print_list(table_for: Callable[[int | None], Table]) -> None:
    """Print a list: as wide as the terminal, or with room for every column where the output is a file.

    Args:
        table_for: function from the terminal's width, or None for a file, to the table.
    """
    where = console(PIPE_WIDTH)
    where.print(table_for(where.width if where.is_terminal else None))


class ProgressLine:
    """Shows progress: one changing line in a terminal, a new line every ten seconds elsewhere."""

    def __init__(self, console: Console, measure: Measure = NATS) -> None:
        self.console, self.measure = console, measure
        self.started = self.printed = 0.0
        self.first: Progress | None = None
        self.last = 0.0  # time of the last report
        self.steps = 0  # optimiser steps at the last report
        self.reports = 0
        self.pause = (0.0, 0)  # the longest pause between two reports, and the steps made in it

    def __call__(self, progress: Progress) -> None:
        """Show progress, unless the last line is too recent."""
        now = time.monotonic()
        if self.first is None or progress.steps < self.steps:  # another job's first outcome
            self.first, self.started, self.last, self.pause, self.reports = progress, now, now, (0.0, 0), 0
        else:
            self.pause = max(self.pause, (now - self.last, progress.steps - self.steps))
            self.reports += 1
        self.last, self.steps = now, progress.steps
        last = progress.steps >= progress.steps_goal
        if now - self.printed < (0.2 if self.console.is_terminal else LINE_SECONDS) and not last:
            return
        self.printed = now
        line = self._line(progress, now)
        if self.console.is_terminal:
            self.console.print(line.ljust(self.console.width - 1)[: self.console.width - 1], end="\r", markup=False)
        else:
            self.console.print(line, markup=False, soft_wrap=True)

    def _line(self, progress: Progress, now: float) -> str:
        best = (
            f"best {self.measure.shown(progress.best_score):.3f} {progress.best}" if progress.best else "no score yet"
        )
        # leave out the longest pause, in which the controller warmed up or workers started: it does not recur
        steps = progress.steps - (self.first.steps if self.first else 0) - self.pause[1]
        if steps > 0 and self.reports >= ENOUGH:
            elapsed = now - self.started - self.pause[0]
            seconds = elapsed * (progress.steps_goal - progress.steps) / steps
            left = f"{seconds / 60:.1f} min left" if seconds > 90 else f"{seconds:.0f} s left"
        else:
            left = "estimating time"
        goal = f"{progress.children_goal}" + f" ({progress.baselines} of baselines)" * bool(progress.baselines)
        return f"{progress.stage}: {progress.children}/{goal} trained · {left} · {best}"


def evaluation_facts(evaluation: "Evaluation") -> dict[str, Any]:
    """Return an evaluation as plain values; its means are None unless every seed has a score."""
    scores = [outcome.score for outcome in evaluation.outcomes]
    good = [score for score in scores if score is not None]
    complete = len(good) == len(scores)
    interval = mean_interval(good) if complete and len(good) > 1 else (None, None)
    accuracies = [outcome.metrics.get("validation_accuracy") for outcome in evaluation.outcomes]
    known = [accuracy for accuracy in accuracies if accuracy is not None]
    return {
        "expression": evaluation.text,
        "id": evaluation.fingerprint,
        "loss": statistics.fmean(good) if complete else None,
        "loss_error": standard_error(good) if complete and len(good) > 1 else None,
        "interval_low": interval[0],
        "interval_high": interval[1],
        "accuracy": statistics.fmean(known) if complete and known else None,
        "scores": scores,
        "reasons": [outcome.reason for outcome in evaluation.outcomes],
        "seconds": sum(outcome.seconds for outcome in evaluation.outcomes),
    }


def evaluation_table(evaluations: "Sequence[Evaluation]", measure: Measure = NATS) -> Table:
    """Return a table of evaluations, best first, and failed ones last with their reason."""
    table = Table(
        "expression",
        measure.noun,
        "accuracy",
        "each seed",
        box=box.SIMPLE_HEAD,
        caption=f"{measure.sentence}; ± 95 %",
    )
    facts = [evaluation_facts(evaluation) for evaluation in evaluations]
    for row in sorted(facts, key=lambda row: (row["loss"] is None, row["loss"] or 0.0)):
        is_alone = row["interval_high"] is None
        error = "" if is_alone else f" ±{(row['interval_high'] - row['interval_low']) / 2:.4f}"
        loss = (
            next(filter(None, row["reasons"]), "")
            if row["loss"] is None
            else f"{measure.shown(row['loss']):.4f}{error}"
        )
        accuracy = "" if row["accuracy"] is None else f"{row['accuracy']:.1%}"
        seeds = " ".join("failed" if score is None else f"{measure.shown(score):.3f}" for score in row["scores"])
        table.add_row(row["expression"], loss, accuracy, seeds)
    return table


def plain_table(rows: Sequence[dict[str, Any]]) -> Table:
    """Return rows with the same keys as a table."""
    table = Table(*(name.replace("_", " ") for name in rows[0]), box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(_shown(value) if not isinstance(value, str) else value for value in row.values()))
    return table


def census_tables(census: "Census") -> list[Table]:
    """Return a table of a space's counts, and one of the known activations in it."""
    numbers = Table("", "count", "between (95 %)", box=box.SIMPLE_HEAD, title=f"listed whole: {census.exact}")
    for name in ("strings", "legal", "finite", "distinct", "distinct_up_to_symmetry"):
        interval = census.intervals.get(name)
        shown = "" if interval is None else f"{interval[0]:,.0f} to {interval[1]:,.0f}"
        numbers.add_row(name.replace("_", " "), f"{getattr(census, name):,}", shown)
    for name, legal in census.shrink.items():
        numbers.add_row(f"legal under {name} alone", f"{legal:,}", "")
    known = Table("known activation", "shortest expression of this space", box=box.SIMPLE_HEAD)
    for name, text in census.reachable.items():
        known.add_row(name, text or ("-" if census.exact else "not found"))
    return [numbers, known]


def description_table(facts: dict[str, Any]) -> Table:
    """Return a table of everything that is known about one function."""
    table = Table("", "", "how found", box=box.SIMPLE_HEAD, show_header=True)
    for name, value in facts.items():
        if name != "properties":
            shown = ", ".join(value) if isinstance(value, list) else "-" if value is None else str(value)
            table.add_row(name, Text(shown), "")
    for name, fact in facts["properties"].items():
        table.add_row(name.replace("_", " "), Text(_shown(fact["value"])), fact["how"])
    return table


def _shown(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.5g}"
        case tuple() | list():
            return (
                "  ".join(f"[{v[0]:.3g}, {v[1]:.3g}]" if isinstance(v, tuple) else _shown(v) for v in value) or "none"
            )
    return str(value)
