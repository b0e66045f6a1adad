"""What the commands on a run have in common: finding it, its answer, its ranking."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from actsearch.search.commands.shared import PATH, called

if TYPE_CHECKING:
    from actsearch.evaluators.activation import Activation, Vocabulary
    from actsearch.search.ranking.entry import Entry
    from actsearch.search.ranking.leaderboard import Leaderboard


run_argument = click.argument("run", metavar="RUN", type=PATH)
which_argument = click.argument("which", metavar="WHICH")
NOTHING_YET = "nothing was trained yet; look again in some seconds"


def board_of(run: Path) -> "Leaderboard":
    """Return the ranking of a run."""
    from actsearch.search.memory.store import Store
    from actsearch.search.ranking.leaderboard import leaderboard

    with Store(run) as store:
        return leaderboard(store)


def read_of_run(entry: "Entry", vocabulary: "Vocabulary") -> "Activation":
    """Return what an entry's text stands for.

    Raises:
        BadExpression: it has a primitive of the user's own, which nobody named.
    """
    from actsearch.grammar.parse import BadExpression

    try:
        return vocabulary.read(entry.expression)
    except BadExpression as fault:
        hint = "if it is a primitive of your own, name its config with --config"
        raise BadExpression(f"{fault}; {hint} (code is never taken from a store)") from fault


def print_verdict(board: "Leaderboard", run: Path) -> None:
    """Print the answer of a run."""
    import os

    from actsearch.search.ranking.verdict import sentences, verdict_of
    from actsearch.search.show import display

    for sentence in sentences(verdict_of(board, os.cpu_count() or 1), board, shlex.quote(str(run)), called()):
        display.console().print(sentence, markup=False, soft_wrap=True)


def print_ranking(board: "Leaderboard", shown: "Sequence[Entry]", title: str) -> None:
    """Print some of a ranking, and what must be said of it."""
    from actsearch.search.show import display, run_tables

    console = display.console()
    console.print(run_tables.ranking_table(board, shown, title))
    for remark in run_tables.remarks(board):
        console.print(remark, markup=False)
