"""Helpers of the commands that take a run: its ranking, its state, its answer."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from actsearch.search.commands.shared import PATH, called, check_scored

if TYPE_CHECKING:
    from actsearch.evaluators.activation import Activation, Vocabulary
    from actsearch.search.ranking.entry import Entry
    from actsearch.search.ranking.leaderboard import Leaderboard
    from actsearch.search.show.frames import DataFrame
    from actsearch.search.show.listing import Choice


run_argument = click.argument("run", metavar="RUN", type=PATH)
which_argument = click.argument("which", metavar="WHICH")
NOTHING_YET = "nothing was trained yet; look again in some seconds"


def board_of(run: Path, *, diagnostics: bool = True) -> "Leaderboard":
    """Return the ranking of a run; reading is faster without diagnostics."""
    from actsearch.search.memory.store import Store
    from actsearch.search.ranking.leaderboard import leaderboard

    with Store(run) as store:
        return leaderboard(store, diagnostics=diagnostics)


def state_of_run(run: Path) -> str:
    """Return a note on a run that is not finished; empty once the finalists are trained."""
    from actsearch.search.memory.locks import is_running
    from actsearch.search.memory.records import CLIMBED
    from actsearch.search.memory.store import Store

    with Store(run) as store:
        if store.fact(CLIMBED):
            return ""
    command = f"{called()} status {shlex.quote(str(run))}"
    if is_running(run if run.is_dir() else run.parent):
        return f"; still running, {command} says how far"
    return f"; unfinished: the same search command goes on with it, {command} says how far"


def read_of_run(entry: "Entry", vocabulary: "Vocabulary") -> "Activation":
    """Return the activation that an entry's text describes.

    Raises:
        BadExpression: the text uses a primitive of the user's own, and no --config defines it.
    """
    from actsearch.grammar.parse import BadExpression

    try:
        return vocabulary.read_kept(entry.expression)
    except BadExpression as fault:
        hint = "if it is a primitive of your own, name its config with --config"
        raise BadExpression(f"{fault}; {hint} (code is never taken from a store)") from fault


def _quoted(run: Path) -> str:
    """Return a run's directory, quoted for a shell; the user may have named the file in it."""
    return shlex.quote(str(run if run.is_dir() else run.parent))


def check_run(board: "Leaderboard") -> None:
    """Make the command fail if no training of a run has a score.

    Raises:
        NothingScored: every training failed; the message has the commonest reason.
    """
    check_scored(record.outcome for entry in board.entries for records in entry.records.values() for record in records)


def print_verdict(board: "Leaderboard", run: Path) -> None:
    """Print the answer of a run."""
    import os

    from actsearch.search.ranking.answer import sentences
    from actsearch.search.ranking.verdict import verdict_of
    from actsearch.search.show import display

    for sentence in sentences(verdict_of(board, os.cpu_count() or 1), board, _quoted(run), called()):
        display.print_line(sentence)


def print_ranking(board: "Leaderboard", frame: "DataFrame", choice: "Choice") -> None:
    """Print the chosen rows of a ranking, its caption and its remarks.

    Args:
        board: ranking of the run.
        frame: rows of the ranking, from ``frames.frame``.
        choice: rows, order and columns to print.
    """
    from actsearch.search.show import display, listing, run_tables

    display.print_list(lambda width: listing.table(frame, choice, board, width))
    for line in (*run_tables.caption(board), *run_tables.remarks(board)):
        display.print_line(line)


def verdict_facts(board: "Leaderboard", run: Path) -> dict[str, object]:
    """Return the answer of a run as plain values."""
    import os

    from actsearch.search.ranking.answer import sentences
    from actsearch.search.ranking.verdict import verdict_of

    verdict = verdict_of(board, os.cpu_count() or 1)
    return {
        "state": verdict.state,
        "sentences": sentences(verdict, board, _quoted(run), called()),
        "incumbent": verdict.incumbent.expression if verdict.incumbent else None,
        "better": [entry.expression for entry in verdict.better],
        "worse": [entry.expression for entry in verdict.worse],
        "open": [{"expression": entry.expression, "seeds": seeds} for entry, seeds in verdict.open],
        "seeds": verdict.seeds,
    }


def parts(text: str) -> tuple[str, ...]:
    """Split a text at the commas outside of brackets."""
    pieces, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        pieces[-1] += letter if letter != "," or depth else ""
        pieces += [""] if letter == "," and not depth else []
    return tuple(part.strip() for part in pieces if part.strip())
