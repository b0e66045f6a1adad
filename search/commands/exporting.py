"""The commands that write out a run: one function as files, a report page, live pages."""

import keyword
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from actsearch.search.commands.of_run import board_of, read_of_run, state_of_run
from actsearch.search.commands.shared import PATH, Command, called, config_option, vocabulary_with

if TYPE_CHECKING:
    from actsearch.grammar.formats.discovery import Discovery
    from actsearch.search.exporting.proof import Proof
    from actsearch.search.ranking.entry import Entry


USUAL_NAME = "Activation"  # class name when the user gives none


@click.command(cls=Command, name="export")
@click.argument("run", metavar="RUN", type=PATH, required=False)
@click.argument("which", metavar="WHICH", required=False)
@click.option("--expression", "text", help='Instead of RUN and WHICH: a name, a formula "x*sigmoid(beta*x)", a .json.')
@click.option("--to", "formats", default="torch", show_default=True, help="Formats, divided by commas; 'list' lists.")
@click.option("-o", "--output", type=PATH, help="The file; for several formats, the start of their names.")
@click.option("--name", help="Class name; in small letters the function's.  [default: Activation; for C the file's]")
@click.option("--learned", is_flag=True, help="Betas start at the mean of what was learned, not as in the search.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@config_option
def export_command(
    run: Path | None, which: str | None, text: str | None, formats: str, output: Path | None, name: str | None,
    learned: bool, force: bool, config: Path | None,
) -> None:  # fmt: skip
    """Write candidate WHICH (position, found, id, name or expression) as a module of torch, or --to others, checked."""
    from actsearch.search.exporting.formats import FORMATS
    from actsearch.search.exporting.reference import weak_spot
    from actsearch.search.exporting.shipping import files_of, name_of, ship

    if formats == "list":
        for key, row in FORMATS.items():
            print(f"{key:12s} NAME{row.suffix:13s} {row.says}")
        return
    if (text is None) != (run is not None and which is not None) or (text is not None and run is not None):
        raise click.UsageError("name RUN and WHICH, or an --expression without any run")
    if learned and run is None:
        raise click.UsageError("--learned needs a RUN: an expression alone has learned nothing")
    format_names = [part.strip() for part in formats.split(",") if part.strip()]
    name = name or name_of(format_names, output)
    discovery, entry = _discovery(run, which, text, name, learned=learned, config=config)
    targets = files_of(format_names, output, discovery.function_name)
    proofs = ship(discovery, targets, force=force)
    print(f"{discovery.written.plain}, {discovery.expression}")
    for format_name, target in targets.items():
        print(f"{target}: {_check_result(format_name, proofs[format_name], discovery)}")
    if weak := weak_spot(discovery.expression):
        print(f"take care: {weak}")
    if run is not None and entry is not None:
        _print_about_run(run, entry, output or Path("activation.py"))
    if "torch" in targets:
        _print_import(targets["torch"], discovery.name)


def _discovery(
    run: Path | None, which: str | None, text: str | None, name: str | None, *, learned: bool, config: Path | None
) -> "tuple[Discovery, Entry | None]":
    """Return the function to export, and its entry if it comes from a run."""
    import dataclasses

    from actsearch.grammar.fault import UserFault
    from actsearch.grammar.formats.data_files import read_file
    from actsearch.search.exporting.facts import discovery, discovery_of_run
    from actsearch.search.ranking.finding import find

    vocabulary = vocabulary_with(config)
    if run is not None and which is not None:
        board = board_of(run)
        entry = find(board.entries, which, vocabulary)
        expression = read_of_run(entry, vocabulary).as_expression()
        result = discovery_of_run(entry, expression, run, board, name=name or USUAL_NAME, start_learned=learned)
        if learned and not result.layers:
            why = (
                "has no parameter"
                if not result.parameters
                else "kept none that was learned: its furthest rung trained none"
            )
            raise UserFault(f"'{expression}' {why}; leave out --learned")
        return result, entry
    if text is not None and text.endswith(".json"):
        result = read_file(Path(text), vocabulary.own)
        return dataclasses.replace(result, name=name or result.name), None
    return discovery(vocabulary.read(text or "x").as_expression(), name=name or USUAL_NAME), None


def _check_result(format_name: str, proof: "Proof", discovery: "Discovery") -> str:
    """Return one sentence on a file: what it is, and how its check came out."""
    from actsearch.search.exporting.formats import FORMATS

    says = FORMATS[format_name].says
    if proof.missing:
        return f"{says}; NOT CHECKED: {proof.missing}"
    if not proof.gaps:
        return f"{says}{'; ' * bool(proof.checked)}{', '.join(proof.checked)}"
    worst = max(proof.gaps.values())
    measured, unmeasured = [*proof.gaps], [part for part in proof.checked if part not in proof.gaps]
    agreement = (
        "equal to the last bit"
        if worst == 0
        else f"within rounding (at most {max(worst, 0.01):.0%} of what is allowed)"
    )
    other_checks = f"; also {', '.join(unmeasured)}" if unmeasured else ""
    cautions = "".join(f"\n  take care: {complaint}" for complaint in proof.complaints)
    compared = "value and gradient" if format_name not in {"torchscript", "export", "onnx", "safetensors"} else "value"
    return f"{says}; {compared} {agreement} in {', '.join(measured)}{other_checks}{cautions}"


def _worth(run: Path, entry: "Entry") -> str:
    """Return one sentence that compares an entry with the incumbent."""
    from actsearch.search.ranking.answer import worth

    return worth(entry, board_of(run, diagnostics=False))


def _print_about_run(run: Path, entry: "Entry", output: Path) -> None:
    print(_worth(run, entry))
    if entry.baseline:
        words = shlex.join(["export", str(run), "found", "-o", str(output)])
        print(f"the best find of the search instead: {called()} {words}")
    if state := state_of_run(run):
        seeds = len(entry.records[entry.furthest])
        print(f"take care: it is the best so far, by {seeds} seed{'s' * (seeds != 1)}, which is mostly luck{state}")


def _print_import(target: Path, name: str) -> None:
    if target.suffix == ".py" and target.stem.isidentifier() and not keyword.iskeyword(target.stem):
        print(f"use it: from {target.stem} import {name}")
    else:
        print(f"to import it, name it as a module: {_module_name(target.stem)}.py")


def _module_name(stem: str) -> str:
    """Return the nearest name that Python can import."""
    name = re.sub(r"\W", "_", stem)
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"my_{name}"


@click.command(cls=Command)
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=PATH)
@click.option("-o", "--output", type=PATH, default="report.html", show_default=True, help="The page to write.")
def report(runs: tuple[Path, ...], output: Path) -> None:
    """Write RUN as one page that needs nothing else: the answer, the ranking, figures, all numbers. Several compare."""
    from actsearch.search.exporting.placing import put
    from actsearch.search.report import page

    if output.is_dir():
        raise click.UsageError(f"'{output}' is a directory; name the page to write, such as {output}/report.html")
    put(page.render([page.run_of(run, called()) for run in runs]), output)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB; open it in a browser, or send it: it needs nothing else")


@click.command(cls=Command)
@click.argument("directory", metavar="RUN|DIR", type=PATH)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address; 127.0.0.1 is this machine alone.")
@click.option("--port", type=click.IntRange(min=0, max=65535), default=8765, show_default=True, help="Port number.")
def serve(directory: Path, host: str, port: int) -> None:
    """Show RUN, or the runs below DIR, as pages that follow a search while it runs."""
    from actsearch.grammar.fault import NotInstalled
    from actsearch.search.memory.store import FILE_NAME, Store

    try:
        from actsearch.search.report import serving
    except ImportError as fault:
        raise NotInstalled(f"'serve' needs {fault.name}: pip install 'actsearch[serve]'") from fault
    if not any(directory.glob(f"**/{FILE_NAME}")):
        Store(directory).close()  # raises an error that says what is missing
    shown = f"[{host}]" if ":" in host else host
    print(f"http://{shown}:{port} shows {directory}; Ctrl-C stops", flush=True)
    serving.serve(serving.Pages(directory, called()), host, port)
