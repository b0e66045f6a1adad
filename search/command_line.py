"""The command ``actsearch``: parse, call, print. The scripts in ``scripts/`` are doors to the same commands."""

import json
import sys
from pathlib import Path

import click

from evaluators.task import TaskSettings
from grammar.known import read
from grammar.parse import BadExpression
from search import display, jobs
from search.export import ExportFailed, export
from search.leaderboard import Entry, NotFound, find, leaderboard
from search.settings import BadSettings, from_tree, load_settings
from search.store import Store, StoreError

USER_FAULTS = (BadSettings, BadExpression, NotFound, StoreError, jobs.Busy)
WRONG_INPUT, INTERRUPTED = 2, 130

run_argument = click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
which_argument = click.argument("which", metavar="WHICH")
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
    entries = _entries(directory)
    shown = settings.final.top + len(settings.baselines)
    console.print(display.ranking_table(entries[:shown], f"{directory}: {len(entries)} behaviours"))
    console.print(f"\nlook further:  actsearch top {directory} -n 50")
    console.print(f"one candidate: actsearch show {directory} 1")
    console.print(f"export it:     actsearch export {directory} 1 -o activation.py")


@app.command()
@run_argument
@click.option("-n", "count", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@json_option
def top(run: Path, count: int, as_json: bool) -> None:
    """Show the ranked candidates of RUN, also while the search runs."""
    entries = _entries(run)
    if as_json:
        print(json.dumps([display.entry_facts(entry) for entry in entries[:count]], indent=2))
    elif entries:
        display.console().print(display.ranking_table(entries[:count], f"{run}: {len(entries)} behaviours so far"))
    else:
        print("nothing was trained yet; look again in some seconds")


@app.command()
@run_argument
@which_argument
@json_option
def show(run: Path, which: str, as_json: bool) -> None:
    """Show candidate WHICH (rank, id, known name or expression): its formula and what every seed gave."""
    entry = find(_entries(run), which)
    if as_json:
        print(json.dumps(display.entry_facts(entry), indent=2))
        return
    console = display.console()
    known = f"  (known as {', '.join(entry.names)})" if entry.names else ""
    console.print(f"rank {entry.rank}  id {entry.fingerprint}\n{entry.expression}{known}")
    console.print(f"f(x) = {read(entry.expression).formula}", markup=False)
    console.print(display.outcome_table(entry))


@app.command("export")
@run_argument
@which_argument
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The Python file to write.")
def export_command(run: Path, which: str, output: Path) -> None:
    """Write candidate WHICH as a module that needs torch alone, checked in a fresh interpreter."""
    entry = find(_entries(run), which)
    difference = export(read(entry.expression), output)
    print(
        f"{output}: class Activation, {entry.expression}; value and gradient equal what was trained ({difference:.1g})"
    )
    print(f"use it: from {output.stem} import Activation")


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
@json_option
def evaluate(
    expressions: tuple[str, ...], task: str, seeds: int, steps: int, seed: int, pool: str, as_json: bool
) -> None:
    """Score EXPRESSIONS, such as "mul(x,sigmoid(x))" or gelu, without a search."""
    settings = from_tree({"task": {"name": task, "steps": steps}, "pool": {"kind": pool}})
    evaluations = jobs.evaluate(expressions, settings.task, settings.pool, seeds, seed)
    if as_json:
        print(json.dumps([display.evaluation_facts(evaluation) for evaluation in evaluations], indent=2))
    else:
        display.console().print(display.evaluation_table(evaluations))


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
    except (ExportFailed, OSError) as fault:
        _stop(str(fault), 1, debug)
    except Exception as fault:  # the last line of defence: a sentence instead of a traceback
        _stop(f"a fault of actsearch itself: {type(fault).__name__}: {fault} (--debug shows where)", 1, debug)


def _stop(message: str, code: int, debug: bool) -> None:
    if debug:
        raise  # noqa: PLE0704  called while the fault is being handled
    print(f"actsearch: {message}", file=sys.stderr)
    sys.exit(code)
