"""The commands that train: search, refine, transfer."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from actsearch.search.commands.of_run import board_of, check_run, parts, print_ranking, print_verdict, run_argument
from actsearch.search.commands.shared import (
    PATH,
    Command,
    address_option,
    called,
    check_scored,
    config_option,
    free_name,
    say,
    set_option,
    vocabulary_with,
)  # fmt: skip

if TYPE_CHECKING:
    from rich.console import Console

    from actsearch.search.plan import Plan


ELSEWHERE = ("mnist1d_mlp", "mnist1d_transformer")  # tasks that the next steps suggest for the finalists


@click.command(cls=Command)
@click.argument("config", type=PATH)
@click.option("--run", type=PATH, help="Where to keep the run. [default: runs/NAME OF CONFIG]")
@click.option(
    "--dry-run", is_flag=True, help="Say where the candidate goes and what the search costs, and train nothing."
)
@click.option(
    "--extend",
    "extensions",
    metavar="KEY=VALUE",
    multiple=True,
    help="Go on with a larger budget: budget.children=600.",
)
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), help="Plan the search so that it takes so many."
)
@click.option("--track", type=click.Choice(["mlflow", "wandb"]), help="Log to MLflow or Weights & Biases, too.")
@address_option
@set_option
def search(
    config: Path, run: Path | None, dry_run: bool, extensions: tuple[str, ...], minutes: float | None,
    track: Literal["mlflow", "wandb"] | None, address: str | None, changes: tuple[str, ...],
) -> None:  # fmt: skip
    """Start the search of CONFIG (a YAML file), or resume an unfinished run."""
    from actsearch.search.plan import resolve
    from actsearch.search.settings.reading import load_settings

    plan = resolve(load_settings(config, every_change(changes, extensions, address)))
    directory = run or Path("runs") / config.stem
    arguments = called_with(str(config), changes=changes)
    if minutes is not None and plan.budget.trainings is None:
        plan = planned_for(plan, minutes, directory)
        arguments += f" --minutes {minutes:g}"
    if train(plan, directory, f"search {arguments}", dry_run=dry_run, extend=bool(extensions), track=track):
        print_whole(directory, plan.task.is_own)


def every_change(changes: Sequence[str], extensions: Sequence[str], address: str | None) -> list[str]:
    """Return all changes of settings that a command's options make; later ones override earlier ones."""
    return [*changes, *extensions, *([f"pool.address={address}"] if address else [])]


def called_with(*words: str, changes: Sequence[str]) -> str:
    """Return a command's arguments, quoted so that the user can paste them behind its name."""
    return shlex.join([*words, *(word for change in changes for word in ("--set", change))])


def planned_for(plan: "Plan", minutes: float, directory: Path) -> "Plan":
    """Return a plan that takes this many minutes; a run that has begun keeps its planned number of trainings.

    Raises:
        BadSettings: the time is too short even for the baselines.
    """
    import contextlib
    import json

    from actsearch.search.forecast import affordable
    from actsearch.search.memory.file import NotBegun
    from actsearch.search.memory.store import FILE_NAME, Store

    if (directory / FILE_NAME).exists():
        settings = {}
        with contextlib.suppress(NotBegun), Store(directory) as store:
            settings = json.loads(store.fact("settings") or "{}")
        trainings = settings.get("budget", {}).get("trainings")
        if trainings is not None:
            return plan.with_trainings(trainings)
    return plan.with_trainings(affordable(plan, minutes))


def train(
    plan: "Plan", directory: Path, asked: str, *, dry_run: bool = False, extend: bool = False,
    track: Literal["mlflow", "wandb"] | None = None,
) -> bool:  # fmt: skip
    """Launch a search, and show its plan and progress on the terminal; return False for a dry run.

    Args:
        plan: plan of the search.
        directory: directory of the run.
        asked: name and arguments of the command, for the next steps.
        dry_run: whether to print the plan only.
        extend: whether to resume the run with a larger budget.
        track: experiment tracker that gets the results as well.
    """
    from actsearch.search import jobs
    from actsearch.search.memory.store import FILE_NAME
    from actsearch.search.ranking.measure import Measure
    from actsearch.search.show import display

    console = display.console()
    if dry_run:
        jobs.prepare(plan, say)
        if not print_forecast(plan, console):
            print("a training of your own is known by what it returns: its cost is told while it runs")
        print(f"nothing was trained; without --dry-run the run is kept in {directory}")
        return False

    def starts() -> None:
        display.print_line(f"searching in {directory}{workers}; Ctrl-C stops, the same command goes on")
        if slow := plan.task.slow_because:
            console.print(slow)
        if (plan.task.is_own or plan.budget.trainings) and not had_begun:
            print_forecast(plan, console)

    workers = f" on {cluster_of(plan.pool.address)}" if plan.pool.address else ""
    had_begun = (directory / FILE_NAME).exists()
    if extend and not had_begun:
        raise click.UsageError(f"--extend goes on with a run, and {directory} holds none; leave it out, or use --set")
    line = display.ProgressLine(console, Measure(sign=plan.task.settings.sign))
    jobs.launch(plan, directory, line, say, starts, extend=extend, track=track, asked=asked)
    console.print()
    return True


def print_whole(directory: Path, is_own: bool) -> None:
    """Print the answer of a run, its finalists, and the commands for next steps.

    Args:
        directory: directory of the run.
        is_own: whether the task is the user's; the engine's other tasks say nothing about its finalists.
    """
    from actsearch.search.memory.records import FINAL
    from actsearch.search.show import frames
    from actsearch.search.show.listing import Choice

    board, program = board_of(directory), called()
    print_verdict(board, directory)
    frame = frames.frame(board)
    print(f"{directory}: {board.counted}")
    print_ranking(board, frame[frame.rung == FINAL], Choice(count=None))
    check_run(board)
    run_name = shlex.quote(str(directory))
    print(f"\nlook further:  {program} top {run_name} -n 50")
    print(f"one candidate: {program} show {run_name} 1")
    tasks = {rung.task.name for rung in board.rungs}
    if not is_own and (task := next((name for name in ELSEWHERE if name not in tasks), None)):
        print(f"elsewhere:     {program} transfer {run_name} --task {task}")
    if any(entry.found for entry in board.entries):
        print(f"the best find: {program} export {run_name} found -o {free_name()}")


def cluster_of(address: str) -> str:
    """Return a description of a Ray cluster.

    Raises:
        BadCluster: this process cannot join it.
    """
    from actsearch.evaluators.pools.ray_door import cluster_at

    return str(cluster_at(address))


def print_forecast(plan: "Plan", console: "Console") -> bool:
    """Print the candidate's places and the search's cost; return whether a forecast exists."""
    from actsearch.search.forecast import forecast
    from actsearch.search.show.plan_tables import plan_parts

    costs = forecast(plan)
    for part in plan_parts(costs) if costs else ():
        console.print(part, soft_wrap=isinstance(part, str))
    return costs is not None


@click.command(cls=Command)
@run_argument
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), default=10.0, show_default=True, help="Time at most."
)
@click.option("--which", help="Candidates to train, as A,B (positions, ids, names).  [default: those still open]")
@click.option("--pool", type=click.Choice(["ray", "serial"]), default="ray", show_default=True, help="Workers.")
@address_option
@config_option
def refine(
    run: Path, minutes: float, which: str | None, pool: Literal["ray", "serial"], address: str | None,
    config: Path | None,
) -> None:  # fmt: skip
    """Train more seeds of the finalists of RUN, until it is decided which are better than the incumbent."""
    from actsearch.evaluators.pools.pool import PoolSettings
    from actsearch.search.memory.records import FINAL
    from actsearch.search.refining import refine as more_seeds
    from actsearch.search.show import display

    console = display.console()
    named = parts(which or "")
    finalists = more_seeds(
        run,
        named,
        minutes,
        PoolSettings(kind=pool, address=address),
        vocabulary_with(config),
        display.ProgressLine(console),
        say,
    )
    console.print()
    board = board_of(run)
    seeds = {entry.fingerprint: len(entry.records.get(FINAL, ())) for entry in board.entries}
    counts = ", ".join(f"{entry.expression} {seeds[entry.fingerprint]}" for entry in finalists)
    console.print(f"seeds now: {counts}", markup=False, soft_wrap=True)
    print_verdict(board, run)
    print(f"the list: {called()} top {shlex.quote(str(run))}")


@click.command(cls=Command)
@run_argument
@click.option("--task", help="Task to train on; actsearch tasks lists them.")
@click.option("--top", "count", type=click.IntRange(min=1), help="How many of the finalists.  [default: all]")
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True, help="Fresh seeds of each.")
@click.option("--steps", type=click.IntRange(min=1), help="Optimiser steps.  [default: the task's own]")
@click.option("--pool", type=click.Choice(["ray", "serial"]), help="Pool of workers.  [default: ray]")
@click.option("--config", type=PATH, help="Config that gives the task, the pool and your own primitives.")
@address_option
@set_option
def transfer(
    run: Path,
    task: str | None,
    count: int | None,
    seeds: int,
    steps: int | None,
    pool: str | None,
    config: Path | None,
    address: str | None,
    changes: tuple[str, ...],
) -> None:
    """Train the finalists and baselines of RUN on another task, or with another child, and add the result to it."""
    from actsearch.search import jobs
    from actsearch.search.ladder import transfer_rung
    from actsearch.search.plan import Transfer, resolve
    from actsearch.search.settings.reading import settings_of
    from actsearch.search.show import display, run_tables

    options = {"task.name": task, "task.steps": steps, "pool.kind": pool, "pool.address": address}
    if not (task or steps or config or any(change.startswith("task.") for change in changes)):
        raise click.UsageError(
            "name another task (--task) or another child of the same (--steps, --set task.KEY=VALUE)"
        )
    option_changes = [f"{key}={value}" for key, value in options.items() if value is not None]
    plan = resolve(settings_of(config, [*option_changes, *changes]))
    target = Transfer(plan.task, transfer_rung(plan.task, seeds), count)
    console = display.console()
    jobs.transfer(run, target, plan.pool, plan.vocabulary, display.ProgressLine(console), say)
    console.print()
    board = board_of(run)
    name = target.rung.name
    console.print(run_tables.transfer_table(board, name))
    check_scored(record.outcome for entry in board.entries for record in entry.records.get(name, ()))
    console.print(f"\nwith it in the run: {called()} show {shlex.quote(str(run))} 1")
