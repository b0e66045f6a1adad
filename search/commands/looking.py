"""The commands that read a run: its ranking, one candidate, its rungs, comparisons."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from actsearch.search.commands.of_run import (
    NOTHING_YET,
    board_of,
    parts,
    print_ranking,
    print_verdict,
    read_of_run,
    run_argument,
    state_of_run,
    verdict_facts,
    which_argument,
)
from actsearch.search.commands.shared import (
    PATH,
    called,
    config_option,
    json_option,
    print_json,
    vocabulary_with,
)  # fmt: skip

if TYPE_CHECKING:
    from actsearch.search.ranking.entry import Entry


@click.command()
@run_argument
@click.option("-n", "count", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@click.option("--all", "everything", is_flag=True, help="Everything that was tried, also what failed, and why.")
@click.option("--found", is_flag=True, help="Leave out the baselines.")
@click.option("--sort", default="", metavar="COLUMN", help="Order: a column, the smallest first; -COLUMN the largest.")
@click.option("--where", default="", metavar="CONDITION", help='Only some: "loss < 0.07 and size <= 5".')
@click.option("--pareto", default="", metavar="A,B", help="Only what nothing beats in all of these columns: loss,cost.")
@click.option("--columns", default="", metavar="A,B", help="Which columns, in their order.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV, all columns.")
@click.option("--markdown", "form", flag_value="markdown", help="Print a table of Markdown.")
@click.option("--latex", "form", flag_value="latex", help="Print a table of LaTeX.")
@json_option
def top(
    run: Path, count: int, everything: bool, found: bool, sort: str, where: str, pareto: str, columns: str,
    form: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Show the answer of RUN and its ranked candidates, also while the search runs."""
    from actsearch.search.show import entry_tables, frames, listing

    board = board_of(run, diagnostics=as_json)
    reason = ("position", "rung", "formula", "score", "reason") if everything else ()
    choice = listing.Choice(sort, where, parts(pareto), parts(columns) or reason, None if everything else count)
    entries = [entry for entry in board.entries if entry.found or not found]
    frame = frames.frame(board, entries if where or sort or pareto or everything else entries[:count])
    if not entries:
        print_json({"verdict": verdict_facts(board, run), "entries": []}) if as_json else print(NOTHING_YET)
        return
    if as_json:
        rows = listing.chosen(frame, choice)
        entry_rows = [entry_tables.entry_facts(board.entries[index], board) for index in rows.index]
        print_json({"verdict": verdict_facts(board, run), "entries": entry_rows})
    elif form:
        print(listing.as_text(frame, choice, board, form), end="")
    else:
        print_verdict(board, run)
        print(f"{run}: {board.counted}{state_of_run(run)}")
        print_ranking(board, frame, choice)


@click.command()
@run_argument
@which_argument
@click.option("--seeds", "each", is_flag=True, help="Print one line for every seed.")
@config_option
@json_option
def show(run: Path, which: str, each: bool, config: Path | None, as_json: bool) -> None:
    """Show candidate WHICH (position, found, id, known name or expression): its formula and how it was trained."""
    from actsearch.search.ranking.finding import find
    from actsearch.search.show import display, entry_tables
    from actsearch.search.show.cards import card

    vocabulary = vocabulary_with(config)
    board = board_of(run)
    entry, measure = find(board.entries, which, vocabulary), board.measure()
    if as_json:
        print_json(entry_tables.entry_facts(entry, board))
        return
    console = display.console()
    activation = read_of_run(entry, vocabulary)
    for line in card(entry, activation, board):
        display.print_line(line)
    print()
    if entry.twins:
        display.print_line(f"twins: {'  '.join(entry.twins)}")
    if entry.against:
        console.print(entry_tables.comparison_table(entry, measure))
        print()
    console.print(entry_tables.seed_table(entry, board) if each else entry_tables.rung_table(entry, board))
    print()
    if (layers := entry_tables.layer_table(entry)) is not None:
        console.print(layers)
        print()
    for line in entry_tables.course_lines(entry):
        display.print_line(line)
    if not each:
        display.print_line(f"every seed: {called()} show {shlex.quote(str(run))} {entry.position} --seeds")
    if activation.expression is not None:
        display.print_line(f'more of its shape: {called()} describe "{entry.expression}"')


@click.command()
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


@click.command()
@run_argument
@click.argument("which", metavar="WHICH...", nargs=-1, required=True)
@click.option(
    "--and", "others", type=PATH, multiple=True, metavar="RUN", help="Another run, in which they are found too."
)
@config_option
@json_option
def compare(run: Path, which: tuple[str, ...], others: tuple[Path, ...], config: Path | None, as_json: bool) -> None:
    """Compare candidates or known activations of RUN two by two, by seed where they share seeds."""
    import dataclasses

    from actsearch.search.memory.records import FINAL
    from actsearch.search.ranking.finding import NotFound, find
    from actsearch.search.ranking.pairing import labelled, losses_by_seed, pairs
    from actsearch.search.show import display, entry_tables

    vocabulary, boards = vocabulary_with(config), {str(path): board_of(path) for path in (run, *others)}
    tasks = {
        name: next((rung.task for rung in board.rungs if rung.name == FINAL), None) for name, board in boards.items()
    }
    for name, task in tasks.items():
        if task != tasks[str(run)] or boards[name].unit != boards[str(run)].unit:
            raise click.UsageError(f"{name} has another final rung than {run}: losses of two tasks cannot be compared")
    matches: list[tuple[str, list[Entry]]] = []
    for text in which:
        failures = []
        for name, board in boards.items():
            try:
                matches.append((name, [find(board.entries, text, vocabulary)]))
            except NotFound as fault:
                failures.append(fault)
        if len(failures) == len(boards):
            raise failures[0]
    losses = {label: by_seed for label, entry in labelled(matches).items() if (by_seed := losses_by_seed(entry))}
    if len(losses) < 2:
        raise click.UsageError(
            "two candidates with scores on the final rung are needed; name more of them, or give them seeds: "
            f"{called()} refine {run} --which {','.join(which)}"
        )
    results, measure = pairs(losses), boards[str(run)].measure()
    if as_json:
        shown = [
            {"difference": measure.shown(pair.difference), "interval": measure.ends(pair.interval)} for pair in results
        ]
        rows = zip(results, shown, strict=True)
        print_json([dataclasses.asdict(pair) | numbers | {"verdict": pair.verdict} for pair, numbers in rows])
    else:
        display.print_list(lambda width: entry_tables.pairs_table(results, measure, width))
