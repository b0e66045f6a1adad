"""The proof of an exported file: a fresh interpreter or compiler computes its numbers, and they are compared.

The interpreter sees every installed package except this project. Not here: the checks of each format (``provers``),
the programs that run there (``fresh``), and the numbers of the trained function (``reference``).
"""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from actsearch.grammar.fault import Failed
from actsearch.grammar.formats.discovery import Discovery
from actsearch.search.exporting.reference import (
    Numbers,
    Reference,
    inputs_of,
    largest_gap,
    scalars_of,
)

Prove = Callable[["Job"], "Proof"]
FRESH = Path(__file__).parent / "fresh"
NARROW = ("float32", "bfloat16", "float16")
_ALONE = """
import importlib.abc, runpy, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "actsearch":
            raise ModuleNotFoundError("No module named 'actsearch' where the file will be used", name=name)

sys.meta_path.insert(0, Absent())  # -I keeps site-packages, where this project may be installed
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class ExportFailed(Failed):
    """The exported file differs from the trained function; nothing was left at the target."""


class NotProven(Exception):
    """The file cannot be run on this machine; the message names the missing program or package."""


@dataclass(frozen=True)
class Proof:
    """The result of checking a file.

    Args:
        gaps: precision -> largest difference in value and slopes, as a multiple of the tolerance.
        checked: names of the checks that were made.
        complaints: messages of the checks that failed although the numbers are right.
        missing: reason why the file was not run at all; empty if it was run.
    """

    gaps: dict[str, float]
    checked: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()
    missing: str = ""


@dataclass(frozen=True)
class Job:
    """A file to be proven.

    Args:
        discovery: function in the file.
        expected: numbers of the trained function.
        scratch: temporary directory.
        file: path of the file, in ``scratch``.
        torch_file: path of the same function in the torch format, in ``scratch`` too.
        whole: whether to run the slow checks too, such as pickling, compiling and scripting a torch file.
    """

    discovery: Discovery
    expected: Reference
    scratch: Path
    file: Path
    torch_file: Path
    whole: bool = True

    def points(self) -> str:
        """Return the path of an ``.npz`` file with the inputs, the parameters and their names."""
        path = self.scratch / "points.npz"
        if not path.exists():
            function = self.discovery.function
            np.savez(
                path, inputs=inputs_of(function).numpy(), scalars=scalars_of(function).numpy(),
                names=np.array(function.names), differentiable=self.expected.differentiable,
            )  # fmt: skip
        return str(path)

    def run(self, program: str, *arguments: str | Path) -> dict[str, Any]:
        """Run a program of ``fresh`` and return the numbers that it wrote.

        The word ANSWER among the arguments becomes the path of the file that the program writes.

        Raises:
            ExportFailed: the program ended with an error.
        """
        answer = self.scratch / f"answer_{self.file.name}.npz"
        run(self.scratch, FRESH / program, *(answer if part == "ANSWER" else part for part in arguments))
        if not answer.exists():
            raise ExportFailed("the exported file cannot be used alone: it ends the interpreter")
        with np.load(answer) as arrays:
            return dict(arrays)

    def compared(
        self, numbers: Numbers, kinds: tuple[str, ...], *, exact: bool = False, flushes: bool = False
    ) -> dict[str, float]:
        """Return the largest gap by precision; see ``largest_gap``.

        Raises:
            ExportFailed: a gap is above the tolerance.
        """
        gaps = largest_gap(numbers, self.expected, exact=exact, kinds=kinds, flushes=flushes)
        for kind, gap in gaps.items():
            if not gap <= 1:
                raise ExportFailed(
                    f"the exported {self.file.name} differs from '{self.discovery.expression}' in {kind}, by {gap:.3g} "
                    "times what rounding explains; nothing was written"
                )
        return gaps


def run(scratch: Path, program: Path, *arguments: str | Path) -> None:
    """Run a program in a fresh interpreter that cannot import this project.

    Raises:
        ExportFailed: the program ended with an error.
    """
    quiet = {"JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": keras_backend()}
    process = subprocess.run(
        [sys.executable, "-I", "-c", _ALONE, str(program), *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=scratch, env={**os.environ, **quiet},
    )  # fmt: skip
    if process.returncode != 0:
        complaint = _complaint(process.stderr) or f"it ends with code {process.returncode}"
        raise ExportFailed(f"the exported file cannot be used alone: {complaint}")


def _complaint(errors: str) -> str:
    """Return the first sentence of the exception in a program's error output, or the last line if it has none."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    for n, line in reversed(list(enumerate(lines))):
        if re.match(r"[\w.]*(Error|Exception|Exit)\b:?", line):
            return " ".join(lines[n : n + 2]) if line.endswith(":") else line
    return lines[-1] if lines else ""


def keras_backend() -> str:
    """Return the Keras backend that the user set, or torch, which is always installed."""
    return os.environ.get("KERAS_BACKEND", "torch")


def need(*modules: str) -> None:
    """Check that modules are installed.

    Raises:
        NotProven: a module is not installed.
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise NotProven(f"{module} is not installed (pip install 'actsearch[formats]')")
