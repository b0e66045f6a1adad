"""Every export format, used as people use it, and with functions drawn from the present spaces.

python -m scripts.studies.formats table --write   # the manual's table: what was checked, with which versions (a minute)
python -m scripts.studies.formats drawn           # 300 in each format, half a minute each; goes on where it stopped
"""

import argparse
import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import torch

from actsearch.grammar.expression import Expression
from actsearch.grammar.fault import Failed, UserFault
from actsearch.grammar.formats.discovery import Discovery
from actsearch.grammar.program.operations import NoCounterpart
from actsearch.grammar.rows.known import read
from actsearch.search.exporting.formats import FORMATS
from actsearch.search.exporting.proof import Proof
from actsearch.search.exporting.shipping import files_of, ship
from actsearch.search.settings.reading import settings_of
from actsearch.search.settings.space import build_space

MANUAL = Path("search/exporting/README.md")
SPACES = (("space.units=1",), ("space.units=2",), ("space.primitives=aquasurf2023", "space.shape=b(u(x),u(u(x)))"))
WITH = {
    "torch": ("torch",), "torchscript": ("torch",),
    "export": ("torch",), "onnx": ("torch", "onnx", "onnxscript", "onnxruntime"), "safetensors": ("safetensors",),
    "jax": ("jax",), "flax": ("flax", "jax"), "keras": ("keras", "torch"), "numpy": ("numpy",), "c": (), "latex": (),
    "sympy": ("sympy",), "json": (),
}  # fmt: skip
HEAD = "| format | file | what it is | checked on every export | with |\n|---|---|---|---|---|\n"


def drawn(each: int, seed: int = 21) -> tuple[Expression, ...]:
    """Return as many functions of each of the present spaces that depend on x, also once they are simplified."""
    found = dict[Expression, None]()
    for changes in SPACES:
        space, generator, before = build_space(settings_of(None, changes).space), torch.Generator(), len(found)
        generator.manual_seed(seed)
        while len(found) < before + each:
            expression = space.decode(space.draw(generator))
            if expression.inputs and has_graph(expression):
                found[expression] = None
    return tuple(found)


def has_graph(expression: Expression) -> bool:
    """Return whether it is no constant: that is refused by all formats but torch's."""
    try:
        return bool(Discovery(expression).function.plain_graph)
    except NoCounterpart:
        return False


def row(asked: str, proof: Proof) -> tuple[str, str, str, str]:
    """Return what stands in the table of a format, but for the versions."""
    checked = ", ".join(proof.checked) or "nothing: it is for reading"
    return f"`{asked}`", f"`NAME{FORMATS[asked].suffix}`", FORMATS[asked].says, checked


def versions(asked: str) -> str:
    """Return what a format was checked with."""
    found = [f"{name} {metadata.version(name).partition('+')[0]}" for name in WITH[asked]]
    if asked == "c" and (compiler := shutil.which("cc")):
        said = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
        found.append(f"{Path(compiler).resolve().name} {re.findall(r'[0-9]+[.][0-9.]+', said)[0]}")
    return ", ".join(found)


def prove(expression: Expression, formats: Sequence[str]) -> Iterator[tuple[str, Proof | str]]:
    """Yield what was seen of each format, or why it was refused or failed."""
    for asked in formats:
        with tempfile.TemporaryDirectory() as directory:
            try:
                yield asked, ship(Discovery(expression), files_of([asked], Path(directory), "f"))[asked]
            except (UserFault, Failed) as fault:
                yield asked, f"{type(fault).__name__}: {fault}"


def write_table(*, write: bool) -> None:
    """Prove Swish in all formats; print the table, and put it into the manual."""
    lines = []
    for asked, found in prove(read("swish"), list(FORMATS)):
        assert isinstance(found, Proof), found
        lines.append(f"| {' | '.join((*row(asked, found), versions(asked)))} |\n")
        print(lines[-1], end="", flush=True)
    if write:
        text = MANUAL.read_text(encoding="utf-8")
        before, _, rest = text.partition(HEAD)
        after = rest[re.match(r"(?:\|.*\n)*", rest).end() :]  # type: ignore[union-attr]  # it matches nothing as well
        MANUAL.write_text(before + HEAD + "".join(lines) + after, encoding="utf-8")


def prove_drawn(functions: int, formats: Sequence[str], into: Path) -> None:
    """Prove drawn functions in formats, a line each; what has a line is not proven again."""
    into.parent.mkdir(parents=True, exist_ok=True)
    done = set()
    with contextlib.suppress(FileNotFoundError):
        done = {(found["expression"], found["format"]) for found in map(json.loads, into.read_text().splitlines())}
    for expression in drawn(-(-functions // len(SPACES)))[:functions]:
        for asked in formats:
            if (str(expression), asked) in done:
                continue
            started = time.monotonic()
            ((_, found),) = prove(expression, [asked])
            said = {"refused": found} if isinstance(found, str) else {
                "gap": max(found.gaps.values(), default=0.0), "complaints": found.complaints, "missing": found.missing
            }  # fmt: skip
            line = {"expression": str(expression), "format": asked, **said, "seconds": time.monotonic() - started}
            with into.open("a") as file:
                file.write(json.dumps(line) + "\n")
    tell(into)


def tell(into: Path) -> None:
    """Print, by format, how many were proven, refused, and complained of."""
    lines = [json.loads(line) for line in into.read_text().splitlines()]
    for asked in FORMATS:
        here = [line for line in lines if line["format"] == asked]
        refused = [line for line in here if "refused" in line]
        complaints = [line for line in here if line.get("complaints")]
        worst = max((line["gap"] for line in here if "gap" in line), default=0.0)
        print(f"{asked:12s} {len(here) - len(refused):4d} proven, largest gap {worst:.0%} of what is allowed, ", end="")
        print(f"{len(refused)} refused, {len(complaints)} with complaints")
        for line in [*refused, *complaints][:5]:
            print(f"    {line['expression']}: {line.get('refused') or line['complaints']}")


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("table", "drawn", "tell"))
    parser.add_argument("--write", action="store_true", help="put the table into the manual")
    parser.add_argument("--functions", type=int, default=300)
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--into", type=Path, default=Path("runs/formats.jsonl"))
    options = parser.parse_args()
    if options.what == "table":
        write_table(write=options.write)
    elif options.what == "drawn":
        prove_drawn(options.functions, options.formats.split(","), options.into)
    else:
        tell(options.into)


if __name__ == "__main__":
    main()
