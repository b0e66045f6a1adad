"""The command for the user's own network, without a config: recommend."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from actsearch.search.commands.of_run import board_of, check_run, print_verdict
from actsearch.search.commands.shared import PATH, Command, address_option, called, free_name, set_option
from actsearch.search.commands.training import called_with, every_change, planned_for, train

if TYPE_CHECKING:
    from actsearch.search.settings.classes import SearchSettings

PARTS = 4  # a whole training has this many times the steps of a child of the search
PICTURE = "answer.svg"


@click.command(cls=Command)
@click.argument("network", metavar="FILE.py:FUNCTION")
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), default=10.0, show_default=True, help="Time it may take."
)
@click.option("--steps", type=click.IntRange(min=8), default=1000, show_default=True, help="Steps of a whole training.")
@click.option("--run", type=PATH, help="Where to keep the run. [default: runs/recommend-FILE-FUNCTION]")
@click.option("--dry-run", is_flag=True, help="Say where the candidate goes and what it costs, and train nothing.")
@click.option("--extend", "extensions", metavar="KEY=VALUE", multiple=True, help="Go on: budget.trainings=200.")
@address_option
@set_option
def recommend(
    network: str, minutes: float, steps: int, run: Path | None, dry_run: bool, extensions: tuple[str, ...],
    address: str | None, changes: tuple[str, ...],
) -> None:  # fmt: skip
    """Say which activation the network that FUNCTION returns should use: one it has, a known one, or a new one.

    FUNCTION returns (model, data) or (model, data, loss); data are a dictionary of train, validation and, if something
    is held out, test, each (inputs, labels). The twenty known activations are trained first,
    then what a search proposes; the best are trained whole, with fresh seeds, beside what the network has now. The same
    command goes on with a run that was stopped.
    """
    from actsearch.search.plan import resolve

    plan = resolve(settings_for(network, steps, every_change(changes, extensions, address)))
    file, _, function = network.partition(":")
    name = "-".join(["recommend", Path(file).stem, *([function] if function not in {"", "build"} else [])])
    directory = run or Path("runs") / name
    if plan.budget.trainings is None:
        plan = planned_for(plan, minutes, directory)
    command = f"recommend {called_with(network, '--steps', str(steps), changes=changes)}"
    if not train(plan, directory, command, dry_run=dry_run, extend=bool(extensions)):
        return
    board, where = board_of(directory), shlex.quote(str(directory))
    check_run(board)
    print_verdict(board, directory)
    if picture := picture_of(directory):
        print(f"the picture:  {picture}")
    print(f"the list:     {called()} top {where}")
    print(f"as a module:  {called()} export {where} 1 -o {free_name()}")


def settings_for(network: str, steps: int, changes: list[str]) -> "SearchSettings":
    """Return the settings of a search for the user's network, without a config.

    Args:
        network: path of the function that builds it, ``file.py:function`` or ``module:function``.
        steps: number of optimiser steps of a whole training.
        changes: changed settings as ``section.key=value``, which override all others.

    Raises:
        BadSettings: a change is invalid.
    """
    import json

    from actsearch.grammar.rows.known import USUAL
    from actsearch.search.settings.reading import settings_of

    usual = {
        "task.name": "own", "task.own.build": network, "task.steps": max(1, steps // PARTS), "final.steps": steps,
        "baselines": list(USUAL),
    }  # fmt: skip
    return settings_of(None, [*(f"{key}={json.dumps(value)}" for key, value in usual.items()), *changes])


def picture_of(directory: Path) -> Path | None:
    """Draw the answer of a run into its directory, and return the file; None if there is nothing to draw."""
    from actsearch.grammar.fault import UserFault
    from actsearch.search.api.run import open_run

    try:
        return open_run(directory).plot("answer").save(directory / PICTURE)
    except UserFault:  # no function was compared with another
        return None
