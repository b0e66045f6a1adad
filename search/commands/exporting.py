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
@click.argument("run", metavar="RUN", type=PATH, required=False)
@click.argument("which", metavar="WHICH", required=False)
@click.option("-o", "--output", required=True, type=PATH, help="The Python file to write.")
@click.option("--expression", "text", help='Instead of RUN and WHICH: a name or a formula, "x*sigmoid(beta*x)".')
@config_option
def export_command(run: Path | None, which: str | None, output: Path, text: str | None, config: Path | None) -> None:
    """Write candidate WHICH (position, found, id, name or expression) as a module of torch alone, and check it."""
    from actsearch.search.export import export, weak_spot
    from actsearch.search.ranking.finding import find

    if (text is None) != (run is not None and which is not None) or (text is not None and run is not None):
        raise click.UsageError("name RUN and WHICH, or an --expression without any run")
    vocabulary, entry = vocabulary_with(config), None
    if run is not None and which is not None:
        entry = find(board_of(run).entries, which, vocabulary)
    replaced = " (replaced)" if output.is_file() else ""
    read = vocabulary.read(text or "x") if entry is None else read_of_run(entry, vocabulary)
    expression = read.as_expression()
    difference = export(expression, output)
    equal = f"value and gradient equal what {'is' if entry is None else 'was'} trained"
    print(f"{output}{replaced}: class Activation, {expression}; {equal}, largest difference {difference:.1g}")
    if weak := weak_spot(expression):
        print(f"take care: {weak}")
    if entry is not None and entry.baseline:
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


@click.command(cls=Command)
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=PATH)
@click.option("-o", "--output", type=PATH, default="report.html", show_default=True, help="The page to write.")
def report(runs: tuple[Path, ...], output: Path) -> None:
    """Write RUN as one page that needs nothing else: the answer, the ranking, figures, all numbers. Several compare."""
    from actsearch.search.export import put
    from actsearch.search.report import page

    if output.is_dir():
        raise click.UsageError(f"'{output}' is a directory; name the page to write, such as {output}/report.html")
    put(page.render([page.run_of(run, called()) for run in runs]), output)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB; open it in a browser, or send it: it needs nothing else")


@click.command(cls=Command)
@click.argument("directory", metavar="RUN|DIR", type=PATH)
@click.option("--host", default="127.0.0.1", show_default=True, help="Who may ask: 127.0.0.1 is this machine alone.")
@click.option("--port", type=click.IntRange(min=0, max=65535), default=8765, show_default=True, help="Of the address.")
def serve(directory: Path, host: str, port: int) -> None:
    """Show RUN, or the runs below DIR, as pages that follow a search while it runs."""
    from actsearch.grammar.fault import NotInstalled
    from actsearch.search.memory.store import FILE_NAME, Store

    try:
        from actsearch.search.report import serving
    except ImportError as fault:
        raise NotInstalled(f"'serve' needs {fault.name}: pip install 'actsearch[serve]'") from fault
    if not any(directory.glob(f"**/{FILE_NAME}")):
        Store(directory).close()  # which says what is missing
    shown = f"[{host}]" if ":" in host else host
    print(f"http://{shown}:{port} shows {directory}; Ctrl-C stops", flush=True)
    serving.serve(serving.Pages(directory, called()), host, port)
