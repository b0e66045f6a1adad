"""The commands that write something of a run: a module."""

import keyword
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from actsearch.search.commands.of_run import (
    board_of,
    read_of_run,
    run_argument,
    which_argument,
)
from actsearch.search.commands.shared import (
    PATH,
    Command,
    called,
    config_option,
    vocabulary_with,
)  # fmt: skip

if TYPE_CHECKING:
    pass


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
    entry = find(board_of(run).entries, which, vocabulary)
    replaced = " (replaced)" if output.is_file() else ""
    expression = read_of_run(entry, vocabulary).as_expression()
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
