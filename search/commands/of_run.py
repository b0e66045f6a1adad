"""What the commands on a run have in common: finding it, its answer, its ranking."""

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
    """Return the ranking of a run; without diagnostics sooner."""
    from actsearch.search.memory.store import Store
    from actsearch.search.ranking.leaderboard import leaderboard

    with Store(run) as store:
        return leaderboard(store, diagnostics=diagnostics)


def state_of_run(run: Path) -> str:
    """Return what must be said of a run that is not finished."""
    from actsearch.search.memory.locks import is_running
    from actsearch.search.memory.records import CLIMBED
    from actsearch.search.memory.store import Store

    with Store(run) as store:
        if store.fact(CLIMBED):
            return ""
    told = f"{called()} status {shlex.quote(str(run))}"
    if is_running(run if run.is_dir() else run.parent):
        return f"; still running, {told} says how far"
    return f"; unfinished: the same search command goes on with it, {told} says how far"


def read_of_run(entry: "Entry", vocabulary: "Vocabulary") -> "Activation":
    """Return what an entry's text stands for.

    Raises:
        BadExpression: it has a primitive of the user's own, which nobody named.
    """
    from actsearch.grammar.parse import BadExpression

    try:
        return vocabulary.read_kept(entry.expression)
    except BadExpression as fault:
        hint = "if it is a primitive of your own, name its config with --config"
        raise BadExpression(f"{fault}; {hint} (code is never taken from a store)") from fault


def _quoted(run: Path) -> str:
    """Return a run's directory for a shell, also where its file was named."""
    return shlex.quote(str(run if run.is_dir() else run.parent))


def check_run(board: "Leaderboard") -> None:
    """Make the command fail where nothing of a run has a score.

    Raises:
        NothingScored: with the commonest reason.
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
    """Print some of a ranking, and what must be said of it.

    Args:
        board: the ranking.
        frame: its rows, as ``frames.frame`` makes them.
        choice: which are wanted.
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

    found = verdict_of(board, os.cpu_count() or 1)
    return {
        "state": found.state,
        "sentences": sentences(found, board, _quoted(run), called()),
        "incumbent": found.incumbent.expression if found.incumbent else None,
        "better": [entry.expression for entry in found.better],
        "worse": [entry.expression for entry in found.worse],
        "open": [{"expression": entry.expression, "seeds": seeds} for entry, seeds in found.open],
        "seeds": found.seeds,
    }


def parts(text: str) -> tuple[str, ...]:
    """Return what is named, divided by commas outside of brackets."""
    found, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        found[-1] += letter if letter != "," or depth else ""
        found += [""] if letter == "," and not depth else []
    return tuple(part.strip() for part in found if part.strip())
