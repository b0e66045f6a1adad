"""The commands on runs: launch one, look at its ranking, export from it."""

import keyword
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from actsearch.search.commands.shared import (
    PATH,
    Command,
    called,
    check_scored,
    config_option,
    json_option,
    print_json,
    say,
    set_option,
    vocabulary_with,
)

if TYPE_CHECKING:
    from rich.console import Console

    from actsearch.evaluators.activation import Activation, Vocabulary
    from actsearch.search.ranking.leaderboard import Entry, Leaderboard
    from actsearch.search.settings.classes import SearchSettings


run_argument = click.argument("run", metavar="RUN", type=PATH)
which_argument = click.argument("which", metavar="WHICH")
NOTHING_YET = "nothing was trained yet; look again in some seconds"


@click.command(cls=Command)
@click.argument("config", type=PATH)
@click.option("--run", type=PATH, help="Where to keep the run. [default: runs/NAME OF CONFIG]")
@click.option(
    "--dry-run", is_flag=True, help="Say where the candidate goes and what the search costs, and train nothing."
)
@set_option
def search(config: Path, run: Path | None, dry_run: bool, changes: tuple[str, ...]) -> None:
    """Start the search of CONFIG (a YAML file); on an unfinished run, go on with it."""
    from actsearch.evaluators.registry import resolve
    from actsearch.search import jobs
    from actsearch.search.memory.records import FINAL
    from actsearch.search.memory.store import FILE_NAME
    from actsearch.search.ranking.measure import Measure
    from actsearch.search.settings.reading import load_settings
    from actsearch.search.show import display

    settings = load_settings(config, changes)
    directory = run or Path("runs") / config.stem
    console = display.console()

    if dry_run:
        for sentence in resolve(settings.task).prepare():
            say(sentence)
        if not print_plan(settings, console):
            print("a training of your own is known by what it returns: its cost is told while it runs")
        print(f"nothing was trained; without --dry-run the run is kept in {directory}")
        return

    def begin() -> None:
        console.print(f"searching in {directory}; Ctrl-C stops, the same command goes on", markup=False)
        if slow := resolve(settings.task).slow_because:
            console.print(slow)
        if settings.task.own.build and not had_begun:
            print_plan(settings, console)

    had_begun = (directory / FILE_NAME).exists()
    jobs.launch(settings, directory, display.ProgressLine(console, Measure(sign=settings.task.own.sign)), say, begin)
    console.print()
    board, program = _board(directory), called()
    _print_ranking(
        board,
        [entry for entry in board.entries if FINAL in entry.records],
        f"{directory}: {board.counted}",
    )
    check_scored(record.outcome for entry in board.entries for records in entry.records.values() for record in records)
    run_name = shlex.quote(str(directory))
    print(f"\nlook further:  {program} top {run_name} -n 50")
    print(f"one candidate: {program} show {run_name} 1")
    if settings.task.name != "own":
        print(f"elsewhere:     {program} transfer {run_name} --task mnist1d_mlp")
    print(f"export it:     {program} export {run_name} found -o activation.py")


def print_plan(settings: "SearchSettings", console: "Console") -> bool:
    """Print where the candidate goes and what the search costs; return whether that can be told."""
    from actsearch.search.plan import plan
    from actsearch.search.show.plan_tables import plan_parts

    found = plan(settings)
    for part in plan_parts(found) if found else ():
        console.print(part, soft_wrap=isinstance(part, str))
    return found is not None


def _print_ranking(board: "Leaderboard", shown: "Sequence[Entry]", title: str) -> None:
    from actsearch.search.show import display, run_tables

    console = display.console()
    console.print(run_tables.ranking_table(board, shown, title))
    for remark in run_tables.remarks(board):
        console.print(remark, markup=False)


@click.command(cls=Command)
@run_argument
@click.option("-n", "count", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@click.option("--found", is_flag=True, help="Without the baselines.")
@json_option
def top(run: Path, count: int, found: bool, as_json: bool) -> None:
    """Show the ranked candidates of RUN, also while the search runs."""
    from actsearch.search.show import entry_tables

    board = _board(run)
    shown = [entry for entry in board.entries if entry.found or not found][:count]
    if as_json:
        print_json([entry_tables.entry_facts(entry, board.measure()) for entry in shown])
    elif board.entries:
        _print_ranking(board, shown, f"{run}: {board.counted}")
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
    board = _board(run)
    entry, measure = find(board.entries, which, vocabulary), board.measure()
    if as_json:
        print_json(entry_tables.entry_facts(entry, measure))
        return
    console = display.console()
    known = f"  (known as {', '.join(entry.names)})" if entry.names else ""
    console.print(f"position {entry.position}  id {entry.fingerprint}\n{entry.expression}{known}")
    activation = _read_of_run(entry, vocabulary)
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


@click.command(cls=Command, name="export")
@run_argument
@which_argument
@click.option("-o", "--output", required=True, type=PATH, help="The Python file to write.")
@config_option
def export_command(run: Path, which: str, output: Path, config: Path | None) -> None:
    """Write candidate WHICH (position, found, id, name or expression) as a module of torch alone, and check it."""
    from actsearch.search.export import export, weak_spot
    from actsearch.search.ranking.finding import find

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
        words = shlex.join(["export", str(run), "found", "-o", str(output)])
        print(f"it is a baseline; the best that the search found: {called()} {words}")
    if output.suffix == ".py" and output.stem.isidentifier() and not keyword.iskeyword(output.stem):
        print(f"use it: from {output.stem} import Activation")
    else:
        print(f"to import it, name it as a module: {_module_name(output.stem)}.py")


def _module_name(stem: str) -> str:
    """Return the nearest name that can be imported."""
    name = re.sub(r"\W", "_", stem)
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"my_{name}"


def _read_of_run(entry: "Entry", vocabulary: "Vocabulary") -> "Activation":
    from actsearch.grammar.parse import BadExpression

    try:
        return vocabulary.read(entry.expression)
    except BadExpression as fault:
        hint = "if it is a primitive of your own, name its config with --config"
        raise BadExpression(f"{fault}; {hint} (code is never taken from a store)") from fault


def _board(run: Path) -> "Leaderboard":
    from actsearch.search.memory.store import Store
    from actsearch.search.ranking.leaderboard import leaderboard

    with Store(run) as store:
        return leaderboard(store)


@click.command(cls=Command)
@run_argument
@json_option
def rungs(run: Path, as_json: bool) -> None:
    """Show the rungs of RUN: what each trained, and how well its order agrees with the next one's."""
    from actsearch.search.show import display, run_tables

    board = _board(run)
    if as_json:
        print_json(run_tables.rung_facts(board))
    elif not board.entries:
        print(NOTHING_YET)
    else:
        for table in run_tables.rung_tables(board):
            display.console().print(table)


@click.command(cls=Command)
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
    from actsearch.search import jobs
    from actsearch.search.ladder import TransferSettings, transfer_rung
    from actsearch.search.settings.reading import settings_of
    from actsearch.search.settings.space import vocabulary_of
    from actsearch.search.show import display, run_tables

    words = {"task.name": task, "task.steps": steps, "pool.kind": pool}
    if not (task or steps or config or any(change.startswith("task.") for change in changes)):
        raise click.UsageError(
            "name another task (--task) or another child of the same (--steps, --set task.KEY=VALUE)"
        )
    further = [f"{key}={value}" for key, value in words.items() if value is not None]
    settings = settings_of(config, [*further, *changes])
    wanted = TransferSettings(settings.task, seeds, count)
    console = display.console()
    jobs.transfer(run, wanted, settings.pool, vocabulary_of(settings.space), display.ProgressLine(console), say)
    console.print()
    board = _board(run)
    name = transfer_rung(wanted.task, seeds).name
    console.print(run_tables.transfer_table(board, name))
    check_scored(record.outcome for entry in board.entries for record in entry.records.get(name, ()))
    console.print(f"\nwith it in the run: {called()} show {shlex.quote(str(run))} 1")
