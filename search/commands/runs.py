"""The commands on runs: launch one, look at its ranking, export from it."""

from pathlib import Path

import click

from evaluators.activation import LAYERS, is_layer
from evaluators.task import slow_because
from grammar.expression import Expression
from grammar.known import read
from grammar.parse import BadExpression
from grammar.primitive import Primitive
from search import display, jobs
from search.commands.shared import called, config_option, json_option, own_of, print_json, set_option
from search.export import export
from search.leaderboard import Entry, find, leaderboard
from search.settings import load_settings
from search.store import Store

run_argument = click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
which_argument = click.argument("which", metavar="WHICH")


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--run", type=click.Path(path_type=Path), help="Where to keep the run. [default: runs/NAME OF CONFIG]")
@set_option
def search(config: Path, run: Path | None, changes: tuple[str, ...]) -> None:
    """Start the search of CONFIG (a YAML file); on an unfinished run, go on with it."""
    settings = load_settings(config, changes)
    directory = run or Path("runs") / config.stem
    console = display.console()
    console.print(f"searching in {directory}; Ctrl-C stops, the same command goes on")
    if slow := slow_because(settings.task):
        console.print(slow)
    jobs.launch(settings, directory, display.ProgressLine(console))
    console.print()
    entries, program = _entries(directory), called()
    shown = settings.final.top + len(settings.baselines)
    console.print(display.ranking_table(entries[:shown], f"{directory}: {len(entries)} behaviours"))
    console.print(f"\nlook further:  {program} top {directory} -n 50")
    console.print(f"one candidate: {program} show {directory} 1")
    console.print(f"export it:     {program} export {directory} 1 -o activation.py")


@click.command()
@run_argument
@click.option("-n", "count", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@json_option
def top(run: Path, count: int, as_json: bool) -> None:
    """Show the ranked candidates of RUN, also while the search runs."""
    entries = _entries(run)
    if as_json:
        print_json([display.entry_facts(entry) for entry in entries[:count]])
    elif entries:
        display.console().print(display.ranking_table(entries[:count], f"{run}: {len(entries)} behaviours so far"))
    else:
        print("nothing was trained yet; look again in some seconds")


@click.command()
@run_argument
@which_argument
@config_option
@json_option
def show(run: Path, which: str, config: Path | None, as_json: bool) -> None:
    """Show candidate WHICH (rank, id, known name or expression): its formula and what every seed gave."""
    rows = own_of(config)
    entry = find(_entries(run), which, rows)
    if as_json:
        print_json(display.entry_facts(entry))
        return
    console = display.console()
    known = f"  (known as {', '.join(entry.names)})" if entry.names else ""
    console.print(f"rank {entry.rank}  id {entry.fingerprint}\n{entry.expression}{known}")
    layer = LAYERS.get(entry.expression)
    console.print(f"f(x) = {layer.formula if layer else _read_of_run(entry, rows).formula}", markup=False)
    if entry.twins:
        console.print(f"twins: {'  '.join(entry.twins)}", markup=False)
    console.print(display.outcome_table(entry))
    for table in display.diagnostic_tables(entry):
        console.print(table)
    if not layer:
        console.print(f'more of its shape: {called()} describe "{entry.expression}"', markup=False)


@click.command("export")
@run_argument
@which_argument
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The Python file to write.")
@config_option
def export_command(run: Path, which: str, output: Path, config: Path | None) -> None:
    """Write candidate WHICH as a module that needs torch alone, checked in a fresh interpreter."""
    rows = own_of(config)
    entry = find(_entries(run), which, rows)
    if is_layer(entry.expression):
        raise BadExpression(f"'{entry.expression}' is a layer, no expression: torch has it, or write it as a module")
    difference = export(_read_of_run(entry, rows), output)
    print(
        f"{output}: class Activation, {entry.expression}; value and gradient equal what was trained ({difference:.1g})"
    )
    print(f"use it: from {output.stem} import Activation")


def _read_of_run(entry: Entry, own: tuple[Primitive, ...]) -> Expression:
    try:
        return read(entry.expression, own)
    except BadExpression as fault:
        hint = "if it is a primitive of your own, name its config with --config"
        raise BadExpression(f"{fault}; {hint} (code is never taken from a store)") from fault


def _entries(run: Path) -> list[Entry]:
    with Store(run) as store:
        return leaderboard(store)
