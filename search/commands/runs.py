"""The commands on runs: launch one, look at its ranking, export from it."""

from collections.abc import Sequence
from pathlib import Path

import click

from actsearch.evaluators.activation import Activation, Vocabulary
from actsearch.evaluators.task import slow_because
from actsearch.grammar.parse import BadExpression
from actsearch.search import jobs
from actsearch.search.commands.shared import (
    PATH,
    called,
    check_scored,
    config_option,
    json_option,
    print_json,
    say,
    set_option,
    vocabulary_with,
)
from actsearch.search.export import export, weak_spot
from actsearch.search.ladder import TransferSettings, transfer_rung
from actsearch.search.memory.records import FINAL
from actsearch.search.memory.store import Store
from actsearch.search.ranking.finding import find
from actsearch.search.ranking.leaderboard import Entry, Leaderboard, leaderboard
from actsearch.search.settings.reading import load_settings, settings_of
from actsearch.search.settings.space import vocabulary_of
from actsearch.search.show import display, entry_tables, run_tables

run_argument = click.argument("run", metavar="RUN", type=PATH)
which_argument = click.argument("which", metavar="WHICH")
NOTHING_YET = "nothing was trained yet; look again in some seconds"


@click.command()
@click.argument("config", type=PATH)
@click.option("--run", type=PATH, help="Where to keep the run. [default: runs/NAME OF CONFIG]")
@set_option
def search(config: Path, run: Path | None, changes: tuple[str, ...]) -> None:
    """Start the search of CONFIG (a YAML file); on an unfinished run, go on with it."""
    settings = load_settings(config, changes)
    directory = run or Path("runs") / config.stem
    console = display.console()
    console.print(f"searching in {directory}; Ctrl-C stops, the same command goes on")
    if slow := slow_because(settings.task):
        console.print(slow)
    jobs.launch(settings, directory, display.ProgressLine(console), say)
    console.print()
    board, program = _board(directory), called()
    _print_ranking(
        board,
        [entry for entry in board.entries if FINAL in entry.records],
        f"{directory}: {len(board.entries)} behaviours",
    )
    check_scored(record.outcome for entry in board.entries for records in entry.records.values() for record in records)
    console.print(f"\nlook further:  {program} top {directory} -n 50")
    console.print(f"one candidate: {program} show {directory} 1")
    console.print(f"elsewhere:     {program} transfer {directory} --task mnist1d_mlp")
    console.print(f"export it:     {program} export {directory} found -o activation.py")


def _print_ranking(board: Leaderboard, shown: Sequence[Entry], title: str) -> None:
    console = display.console()
    console.print(run_tables.ranking_table(shown, title))
    for remark in run_tables.remarks(board):
        console.print(remark, markup=False)


@click.command()
@run_argument
@click.option("-n", "count", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@click.option("--found", is_flag=True, help="Without the baselines.")
@json_option
def top(run: Path, count: int, found: bool, as_json: bool) -> None:
    """Show the ranked candidates of RUN, also while the search runs."""
    board = _board(run)
    shown = [entry for entry in board.entries if not (found and entry.baseline)][:count]
    if as_json:
        print_json([entry_tables.entry_facts(entry) for entry in shown])
    elif board.entries:
        _print_ranking(board, shown, f"{run}: {len(board.entries)} behaviours")
    else:
        print(NOTHING_YET)


@click.command()
@run_argument
@which_argument
@config_option
@json_option
def show(run: Path, which: str, config: Path | None, as_json: bool) -> None:
    """Show candidate WHICH (place, found, id, known name or expression): its formula and what every seed gave."""
    vocabulary = vocabulary_with(config)
    entry = find(_board(run).entries, which, vocabulary)
    if as_json:
        print_json(entry_tables.entry_facts(entry))
        return
    console = display.console()
    known = f"  (known as {', '.join(entry.names)})" if entry.names else ""
    console.print(f"place {entry.place}  id {entry.fingerprint}\n{entry.expression}{known}")
    activation = _read_of_run(entry, vocabulary)
    console.print(f"f(x) = {activation.formula}", markup=False)
    if entry.twins:
        console.print(f"twins: {'  '.join(entry.twins)}", markup=False)
    if entry.against:
        console.print(entry_tables.comparison_table(entry))
    console.print(entry_tables.outcome_table(entry))
    for table in entry_tables.diagnostic_tables(entry):
        console.print(table)
    if activation.expression is not None:
        console.print(f'more of its shape: {called()} describe "{entry.expression}"', markup=False)


@click.command("export")
@run_argument
@which_argument
@click.option("-o", "--output", required=True, type=PATH, help="The Python file to write.")
@config_option
def export_command(run: Path, which: str, output: Path, config: Path | None) -> None:
    """Write candidate WHICH as a module that needs torch alone, checked in a fresh interpreter."""
    vocabulary = vocabulary_with(config)
    entry = find(_board(run).entries, which, vocabulary)
    replaced = " (replaced)" if output.is_file() else ""
    expression = _read_of_run(entry, vocabulary).as_expression()
    difference = export(expression, output)
    equal = f"value and gradient equal what was trained, largest difference {difference:.1g}"
    print(f"{output}{replaced}: class Activation, {entry.expression}; {equal}")
    if weak := weak_spot(expression):
        print(f"take care: {weak}")
    if entry.baseline:
        print(f"it is a baseline; the best that the search found: {called()} export {run} found -o {output}")
    if output.suffix == ".py" and output.stem.isidentifier():
        print(f"use it: from {output.stem} import Activation")
    else:
        print(f"to import it, name it as a module: {output.stem.replace('-', '_').replace('.', '_')}.py")


def _read_of_run(entry: Entry, vocabulary: Vocabulary) -> Activation:
    try:
        return vocabulary.read(entry.expression)
    except BadExpression as fault:
        hint = "if it is a primitive of your own, name its config with --config"
        raise BadExpression(f"{fault}; {hint} (code is never taken from a store)") from fault


def _board(run: Path) -> Leaderboard:
    with Store(run) as store:
        return leaderboard(store)


@click.command()
@run_argument
@json_option
def rungs(run: Path, as_json: bool) -> None:
    """Show the rungs of RUN: what each trained, and how well its order agrees with the next one's."""
    board = _board(run)
    if as_json:
        print_json(run_tables.rung_facts(board))
    elif not board.entries:
        print(NOTHING_YET)
    else:
        for table in run_tables.rung_tables(board):
            display.console().print(table)


@click.command()
@run_argument
@click.option("--task", help="Where to train; actsearch tasks lists them.")
@click.option("--top", "count", type=click.IntRange(min=1), help="How many of the finalists.  [default: all]")
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True, help="Fresh seeds of each.")
@click.option("--steps", type=click.IntRange(min=1), help="Optimiser steps.  [default: the task's own]")
@click.option("--pool", type=click.Choice(["ray", "serial"]), help="Who trains.  [default: ray]")
@click.option("--config", type=PATH, help="Whose task, pool and own primitives are used.")
@set_option
def transfer(
    run: Path,
    task: str | None,
    count: int | None,
    seeds: int,
    steps: int | None,
    pool: str | None,
    config: Path | None,
    changes: tuple[str, ...],
) -> None:
    """Train the finalists and baselines of RUN on another task, or with another child, and add the result to it."""
    words = {"task.name": task, "task.steps": steps, "pool.kind": pool}
    if not (task or steps or config or any(change.startswith("task.") for change in changes)):
        raise click.UsageError(
            "name another task (--task) or another child of the same (--steps, --set task.KEY=VALUE)"
        )
    further = [f"{key}={value}" for key, value in words.items() if value is not None]
    settings = settings_of(config, [*further, *changes])
    wanted = TransferSettings(settings.task, seeds, count or 0)
    console = display.console()
    jobs.transfer(run, wanted, settings.pool, vocabulary_of(settings.space), display.ProgressLine(console), say)
    console.print()
    board = _board(run)
    name = transfer_rung(wanted.task, seeds).name
    console.print(run_tables.transfer_table(board, name))
    check_scored(record.outcome for entry in board.entries for record in entry.records.get(name, ()))
    console.print(f"\nwith it in the run: {called()} show {run} 1")
