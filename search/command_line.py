"""The command ``actsearch``: parse, call, print. The scripts in ``scripts/`` are doors to the same commands."""

import dataclasses
import json
import math
import shutil
import sys
from pathlib import Path

import click

from evaluators.task import TaskSettings
from grammar.census import take_census
from grammar.description import describe
from grammar.expression import Expression
from grammar.known import read
from grammar.parse import BadExpression
from grammar.primitive import BadPrimitive, Primitive
from grammar.sets import UnknownPrimitive
from grammar.shape import BadShape
from grammar.space import EmptySpace
from search import display, jobs
from search.export import ExportFailed, export
from search.leaderboard import Entry, NotFound, find, leaderboard
from search.settings import BadSettings, from_tree, load_settings
from search.spaces import build_space, own_rows
from search.store import Store, StoreError

USER_FAULTS = (
    BadSettings,
    BadExpression,
    BadPrimitive,
    BadShape,
    EmptySpace,
    NotFound,
    StoreError,
    UnknownPrimitive,
    jobs.Busy,
)
WRONG_INPUT, INTERRUPTED = 2, 130

run_argument = click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
which_argument = click.argument("which", metavar="WHICH")
config_option = click.option(
    "--config", type=click.Path(path_type=Path), help="Where primitives of your own stand; their code runs here."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def app() -> None:
    """Search for activation functions, look at the ranking, export the best one.

    Put --debug anywhere to see a traceback instead of a sentence.
    """


@app.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--run", type=click.Path(path_type=Path), help="Where to keep the run. [default: runs/NAME OF CONFIG]")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a setting: proposer.name=random")
def search(config: Path, run: Path | None, changes: tuple[str, ...]) -> None:
    """Start the search of CONFIG (a YAML file); on an unfinished run, go on with it."""
    settings = load_settings(config, changes)
    directory = run or Path("runs") / config.stem
    console = display.console()
    console.print(f"searching in {directory}; Ctrl-C stops, the same command goes on")
    jobs.launch(settings, directory, display.ProgressLine(console))
    console.print()
    entries, program = _entries(directory), _program()
    shown = settings.final.top + len(settings.baselines)
    console.print(display.ranking_table(entries[:shown], f"{directory}: {len(entries)} behaviours"))
    console.print(f"\nlook further:  {program} top {directory} -n 50")
    console.print(f"one candidate: {program} show {directory} 1")
    console.print(f"export it:     {program} export {directory} 1 -o activation.py")


@app.command()
@run_argument
@click.option("-n", "count", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@json_option
def top(run: Path, count: int, as_json: bool) -> None:
    """Show the ranked candidates of RUN, also while the search runs."""
    entries = _entries(run)
    if as_json:
        _print_json([display.entry_facts(entry) for entry in entries[:count]])
    elif entries:
        display.console().print(display.ranking_table(entries[:count], f"{run}: {len(entries)} behaviours so far"))
    else:
        print("nothing was trained yet; look again in some seconds")


@app.command()
@run_argument
@which_argument
@config_option
@json_option
def show(run: Path, which: str, config: Path | None, as_json: bool) -> None:
    """Show candidate WHICH (rank, id, known name or expression): its formula and what every seed gave."""
    own = _own(config)
    entry = find(_entries(run), which, own)
    if as_json:
        _print_json(display.entry_facts(entry))
        return
    console = display.console()
    known = f"  (known as {', '.join(entry.names)})" if entry.names else ""
    console.print(f"rank {entry.rank}  id {entry.fingerprint}\n{entry.expression}{known}")
    console.print(f"f(x) = {_read_of_run(entry, own).formula}", markup=False)
    if entry.twins:
        console.print(f"twins: {'  '.join(entry.twins)}", markup=False)
    console.print(display.outcome_table(entry))
    console.print(f'more of its shape: {_program()} describe "{entry.expression}"', markup=False)


@app.command("export")
@run_argument
@which_argument
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The Python file to write.")
@config_option
def export_command(run: Path, which: str, output: Path, config: Path | None) -> None:
    """Write candidate WHICH as a module that needs torch alone, checked in a fresh interpreter."""
    own = _own(config)
    entry = find(_entries(run), which, own)
    difference = export(_read_of_run(entry, own), output)
    print(
        f"{output}: class Activation, {entry.expression}; value and gradient equal what was trained ({difference:.1g})"
    )
    print(f"use it: from {output.stem} import Activation")


@app.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a setting: space.units=2")
@click.option("--primitives", help="Instead of CONFIG: a set or names, separated by commas.")
@click.option("--shape", default="", help='Instead of CONFIG: a template such as "b(u(x),u(x))".')
@click.option("--units", type=click.IntRange(1, 8), default=1, show_default=True, help="Instead of CONFIG: core units.")
@json_option
def space(
    config: Path | None, changes: tuple[str, ...], primitives: str | None, shape: str, units: int, as_json: bool
) -> None:
    """Count the space of CONFIG: strings, legal, finite, distinct, and which known activations lie in it."""
    if (config is None) == (primitives is None) or (config and (shape or units != 1)):
        raise click.UsageError("name either a CONFIG (and --set) or --primitives (and --shape or --units)")
    if config is not None:
        settings = load_settings(config, changes).space
    else:
        names = (primitives or "").split(",")
        tree = {"primitives": names[0] if len(names) == 1 else names, "shape": shape, "units": units}
        settings = from_tree({"space": tree}).space
    census = take_census(build_space(settings))
    if as_json:
        _print_json(dataclasses.asdict(census))
    else:
        for table in display.census_tables(census):
            display.console().print(table)


@app.command("describe")
@click.argument("expression")
@config_option
@json_option
def describe_command(expression: str, config: Path | None, as_json: bool) -> None:
    """Say everything about EXPRESSION: forms, ends, shape, moments, gain, distance to Swish."""
    facts = describe(read(expression, _own(config)))
    if as_json:
        _print_json(facts)
    else:
        display.console().print(display.description_table(facts))


@app.command()
@click.argument("expressions", nargs=-1, required=True)
@click.option("--task", default=TaskSettings().name, show_default=True, help="What the children are trained on.")
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Children of each expression.")
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=TaskSettings().steps,
    show_default=True,
    help="Optimiser steps.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="The children's seeds are made of it.",
)
@click.option("--pool", type=click.Choice(["ray", "serial"]), default="ray", show_default=True, help="Who trains.")
@config_option
@json_option
def evaluate(
    expressions: tuple[str, ...],
    task: str,
    seeds: int,
    steps: int,
    seed: int,
    pool: str,
    config: Path | None,
    as_json: bool,
) -> None:
    """Score EXPRESSIONS, such as "mul(x,sigmoid(x))" or gelu, without a search."""
    settings = from_tree({"task": {"name": task, "steps": steps}, "pool": {"kind": pool}})
    evaluations = jobs.evaluate(expressions, settings.task, settings.pool, seeds, seed, _own(config))
    if as_json:
        _print_json([display.evaluation_facts(evaluation) for evaluation in evaluations])
    else:
        display.console().print(display.evaluation_table(evaluations))


def _program() -> str:
    """Return how to call this program again: by name where it is on the path, else as it was called."""
    called = Path(sys.argv[0])
    return "actsearch" if shutil.which("actsearch") or called.name != "actsearch" else str(called)


def _print_json(value: object) -> None:
    """Print JSON that every parser reads: infinities as text."""
    print(json.dumps(_plain(value), indent=2, allow_nan=False))


def _plain(value: object) -> object:
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {key: _plain(part) for key, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
    return value


def _own(config: Path | None) -> tuple[Primitive, ...]:
    """Return the user's own rows; they are taken from a config only, since their code runs here."""
    return () if config is None else own_rows(load_settings(config).space)


def _read_of_run(entry: Entry, own: tuple[Primitive, ...]) -> Expression:
    try:
        return read(entry.expression, own)
    except BadExpression as fault:
        hint = "if it is a primitive of your own, name its config with --config"
        raise BadExpression(f"{fault}; {hint} (code is never taken from a store)") from fault


def _entries(run: Path) -> list[Entry]:
    with Store(run) as store:
        return leaderboard(store)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: 0 done, 1 a fault of ours, 2 wrong input, 130 interrupted."""
    words = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in words
    try:
        app([word for word in words if word != "--debug"], prog_name="actsearch", standalone_mode=False)
    except click.ClickException as fault:
        fault.show()
        sys.exit(fault.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _stop("interrupted; everything trained is kept, the same command goes on", INTERRUPTED, debug)
    except USER_FAULTS as fault:
        _stop(str(fault), WRONG_INPUT, debug)
    except OSError as fault:  # a path that cannot be written, a cluster that does not answer
        _stop(str(fault), WRONG_INPUT, debug)
    except RecursionError:
        _stop("the expression, template or config is nested too deeply", WRONG_INPUT, debug)
    except ExportFailed as fault:
        _stop(str(fault), 1, debug)
    except Exception as fault:  # the last line of defence: a sentence instead of a traceback
        _stop(f"a fault of actsearch itself: {type(fault).__name__}: {fault} (--debug shows where)", 1, debug)


def _stop(message: str, code: int, debug: bool) -> None:
    if debug:
        raise  # noqa: PLE0704  called while the fault is being handled
    print(f"actsearch: {message}", file=sys.stderr)
    sys.exit(code)
