"""The commands that look at a run: its ranking, one candidate, its rungs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from actsearch.search.commands.of_run import (
    NOTHING_YET,
    board_of,
    print_ranking,
    print_verdict,
    read_of_run,
    run_argument,
    which_argument,
)
from actsearch.search.commands.shared import (
    Command,
    called,
    config_option,
    json_option,
    print_json,
    vocabulary_with,
)  # fmt: skip

if TYPE_CHECKING:
    pass


@click.command(cls=Command)
@run_argument
@click.option("-n", "count", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@click.option("--found", is_flag=True, help="Without the baselines.")
@json_option
def top(run: Path, count: int, found: bool, as_json: bool) -> None:
    """Show the ranked candidates of RUN, also while the search runs."""
    from actsearch.search.show import entry_tables

    board = board_of(run)
    shown = [entry for entry in board.entries if entry.found or not found][:count]
    if as_json:
        print_json([entry_tables.entry_facts(entry, board.measure()) for entry in shown])
    elif board.entries:
        print_verdict(board, run)
        print_ranking(board, shown, f"{run}: {board.counted}")
    else:
        print(NOTHING_YET)


@click.command(cls=Command)
@run_argument
@which_argument
@config_option
@json_option
def show(run: Path, which: str, config: Path | None, as_json: bool) -> None:
    """Show candidate WHICH (position, found, id, known name or expression): its formula and what every seed gave."""
    from actsearch.search.ranking.finding import find
    from actsearch.search.show import display, entry_tables

    vocabulary = vocabulary_with(config)
    board = board_of(run)
    entry, measure = find(board.entries, which, vocabulary), board.measure()
    if as_json:
        print_json(entry_tables.entry_facts(entry, measure))
        return
    console = display.console()
    known = f"  (known as {', '.join(entry.names)})" if entry.names else ""
    console.print(f"position {entry.position}  id {entry.fingerprint}\n{entry.expression}{known}")
    activation = read_of_run(entry, vocabulary)
    console.print(f"f(x) = {activation.formula}", markup=False)
    if entry.twins:
        console.print(f"twins: {'  '.join(entry.twins)}", markup=False)
    if entry.against:
        console.print(entry_tables.comparison_table(entry, measure))
    console.print(entry_tables.outcome_table(entry, measure))
    for table in entry_tables.diagnostic_tables(entry):
        console.print(table)
    if activation.expression is not None:
        console.print(f'more of its shape: {called()} describe "{entry.expression}"', markup=False)


@click.command(cls=Command)
@run_argument
@json_option
def rungs(run: Path, as_json: bool) -> None:
    """Show the rungs of RUN: what each trained, and how well its order agrees with the next one's."""
    from actsearch.search.show import display, run_tables

    board = board_of(run)
    if as_json:
        print_json(run_tables.rung_facts(board))
    elif not board.entries:
        print(NOTHING_YET)
    else:
        for table in run_tables.rung_tables(board):
            display.console().print(table)
