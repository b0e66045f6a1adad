"""The commands that report the state of runs: runs, status."""

from pathlib import Path

import click

from actsearch.search.commands.of_run import run_argument
from actsearch.search.commands.shared import PATH, called, json_option, print_json


@click.command()
@click.argument("directory", metavar="[DIR]", type=PATH, default="runs")
@json_option
def runs(directory: Path, as_json: bool) -> None:
    """List the runs below DIR (by default runs): where each stands, its age, its best, its size."""
    from actsearch.search.show import display
    from actsearch.search.show.state_tables import runs_table, state_facts
    from actsearch.search.states import runs_in

    if not directory.is_dir():
        raise click.UsageError(f"'{directory}' is no directory; name the one that holds your runs")
    states = list(runs_in(directory))
    if as_json:
        print_json([state_facts(state) for state in states])
    elif not states:
        print(f"no run below {directory}; start one: {called()} search configs/quickstart.yaml")
    else:
        display.print_list(lambda width: runs_table(states, width))
        print(f"one of them: {called()} status {states[0].directory}")


@click.command()
@run_argument
@json_option
def status(run: Path, as_json: bool) -> None:
    """Say where RUN stands: how far, how fast, how long it will take, what was refused, what failed last."""
    from actsearch.search.show import display
    from actsearch.search.show.state_tables import state_facts, status_lines
    from actsearch.search.states import state_of

    state = state_of(run)
    if as_json:
        print_json(state_facts(state))
        return
    for line in status_lines(state):
        display.console().print(line, markup=False, soft_wrap=True)
