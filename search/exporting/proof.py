"""Proving a file where it will be used: a fresh interpreter, or compiler, computes its numbers, which are compared.

The interpreter has what is installed but this project. Not here: what is done with which format (``provers``), the
programs that run there (``fresh``), and what the numbers are compared with (``reference``).
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

sys.meta_path.insert(0, Absent())  # -I alone leaves what is installed beside torch, and this project may be
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class ExportFailed(Failed):
    """The written file does not do what was trained; nothing was left at the target."""


class NotProven(Exception):
    """The file cannot be run here; the message says what is missing."""


@dataclass(frozen=True)
class Proof:
    """What was seen of a file.

    Args:
        gaps: precision -> largest difference in value and slopes, in units of what is allowed.
        checked: what else was done with it.
        complaints: what of that failed; the numbers are right.
        missing: why it was not run at all; empty where it was.
    """

    gaps: dict[str, float]
    checked: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()
    missing: str = ""


@dataclass(frozen=True)
class Job:
    """A file to be proven.

    Args:
        discovery: what it holds.
        expected: numbers of the trained function.
        scratch: a directory that goes away.
        file: the file, in it.
        torch_file: the same function as a file of torch's, in it too.
        whole: whether it is also used in every way that people do.
    """

    discovery: Discovery
    expected: Reference
    scratch: Path
    file: Path
    torch_file: Path
    whole: bool = True

    def points(self) -> str:
        """Return the name of a file with inputs, parameters, and the names of the slopes by them."""
        path = self.scratch / "points.npz"
        if not path.exists():
            function = self.discovery.function
            np.savez(
                path, inputs=inputs_of(function).numpy(), scalars=scalars_of(function).numpy(),
                names=np.array(function.names), differentiable=self.expected.differentiable,
            )  # fmt: skip
        return str(path)

    def run(self, program: str, *arguments: str | Path) -> dict[str, Any]:
        """Run one of ``fresh`` and return the numbers that it wrote.

        The word ANSWER among the arguments becomes the name of the file that it writes.

        Raises:
            ExportFailed: it ends with a fault.
        """
        answer = self.scratch / f"answer_{self.file.name}.npz"
        run(self.scratch, FRESH / program, *(answer if part == "ANSWER" else part for part in arguments))
        if not answer.exists():
            raise ExportFailed("the exported file cannot be used alone: it ends the interpreter")
        with np.load(answer) as found:
            return dict(found)

    def compared(
        self, found: Numbers, kinds: tuple[str, ...], *, exact: bool = False, flushes: bool = False
    ) -> dict[str, float]:
        """Return the gaps.

        Raises:
            ExportFailed: one is too wide.
        """
        gaps = largest_gap(found, self.expected, exact=exact, kinds=kinds, flushes=flushes)
        for kind, gap in gaps.items():
            if not gap <= 1:
                raise ExportFailed(
                    f"the exported {self.file.name} differs from '{self.discovery.expression}' in {kind}, by {gap:.3g} "
                    "times what rounding explains; nothing was written"
                )
        return gaps


def run(scratch: Path, program: Path, *arguments: str | Path) -> None:
    """Run a program in a fresh interpreter that lacks this project.

    Raises:
        ExportFailed: it ends with a fault.
    """
    quiet = {"JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": keras_backend()}
    answer = subprocess.run(
        [sys.executable, "-I", "-c", _ALONE, str(program), *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=scratch, env={**os.environ, **quiet},
    )  # fmt: skip
    if answer.returncode != 0:
        complaint = _complaint(answer.stderr) or f"it ends with code {answer.returncode}"
        raise ExportFailed(f"the exported file cannot be used alone: {complaint}")


def _complaint(said: str) -> str:
    """Return the first sentence of the exception that ended a program; its last line where there was none."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for n, line in reversed(list(enumerate(lines))):
        if re.match(r"[\w.]*(Error|Exception|Exit)\b:?", line):
            return " ".join(lines[n : n + 2]) if line.endswith(":") else line
    return lines[-1] if lines else ""


def keras_backend() -> str:
    """Return the user's, or torch, which is there."""
    return os.environ.get("KERAS_BACKEND", "torch")


def need(*modules: str) -> None:
    """Say what is missing.

    Raises:
        NotProven: a module is not installed.
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise NotProven(f"{module} is not installed (pip install 'actsearch[formats]')")
