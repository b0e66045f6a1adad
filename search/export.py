"""Write a discovered function as a module, and prove the file before calling it done.

The file is imported in a fresh interpreter that has torch and nothing of this project, and compared there in value and
gradient (of x and of beta), in both precisions, on +-6 and on sizes from the smallest number to 1e4, with the function
that was trained. Not here: the file's text (``grammar.module_file``).
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from actsearch.evaluators.layers import BETA_START
from actsearch.grammar.expression import Expression
from actsearch.grammar.fault import Failed, UserFault
from actsearch.grammar.module_file import module_source
from actsearch.grammar.reach import MOST
from actsearch.grammar.render import compile_expression, values_and_slopes

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}  # the same operations: only their order of execution may differ
SAME = 1e-6  # relative; a held value differs by far more, rounding by far less
CHANNELS = 3

_CHECK = """
import importlib.abc, importlib.util, json, sys, torch

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "actsearch":
            raise ModuleNotFoundError("No module named 'actsearch' where the file will be used", name=name)

sys.meta_path.insert(0, Absent())  # -I alone leaves what is installed beside torch, and this project may be
path, numbers = sys.argv[1], json.load(sys.stdin)
spec = importlib.util.spec_from_file_location("exported", path)
exported = importlib.util.module_from_spec(spec)
spec.loader.exec_module(exported)
found = []
for dtype in (torch.float64, torch.float32):
    x = torch.tensor(numbers["x"], dtype=dtype, requires_grad=True)
    module = exported.Activation(channels=x.shape[1]) if numbers["beta"] else exported.Activation()
    module = module.to(dtype)
    if numbers["beta"]:
        with torch.no_grad():
            module.beta.copy_(torch.tensor(numbers["beta"], dtype=dtype))
    value = module(x)
    value.sum().backward()
    found.append([value.tolist(), x.grad.tolist(), module.beta.grad.tolist() if numbers["beta"] else []])
print(json.dumps(found))
"""


class BadTarget(UserFault):
    """The file cannot be written there; the message says why."""


class ExportFailed(Failed):
    """The written module does not do what was trained; nothing was left at the target."""


def export(expression: Expression, target: Path) -> float:
    """Write the module to ``target``; return the largest difference found in value or gradient.

    Raises:
        ExportFailed: the file cannot be imported alone, or differs from what was trained.
        BadTarget: the target cannot be written, or is something else than a file.
    """
    if target.exists() and not target.is_file():
        raise BadTarget(f"'{target}' is no ordinary file; expected the name of a Python file, such as activation.py")
    source = module_source(expression, beta_start=BETA_START)
    with tempfile.TemporaryDirectory(prefix="actsearch-export-") as scratch:
        fresh = Path(scratch) / "exported.py"
        fresh.write_text(source, encoding="utf-8")
        differences = _differences(expression, fresh)
    for dtype, difference in differences.items():
        if not difference <= TOLERANCE[dtype]:
            raise ExportFailed(
                f"the exported module differs from '{expression}' by {difference:g} in {dtype}; nothing was written"
            )
    put(source, target)
    return max(differences.values())


def weak_spot(expression: Expression) -> str:
    """Return from where on the exported function is not what is written, or not finite in single precision; or nothing.

    What is written is evaluated in double precision, without holding values inside; where it cannot be represented in
    single precision, nothing is expected.
    """
    points, trained = _points(torch.float64), compile_expression(expression)
    truth = values_and_slopes(compile_expression(expression, held=False), points, _betas(torch.float64))
    held = values_and_slopes(trained, points, _betas(torch.float64))
    single = values_and_slopes(trained, _points(torch.float32), _betas(torch.float32))
    for name, exact, other, found in zip(("value", "slope"), truth, held, single, strict=True):
        known = exact.isfinite() & (exact.abs() < torch.finfo(torch.float32).max)
        for weak, says in (
            (known & ~found.isfinite(), "is not finite in single precision"),
            (known & ((other - exact).abs() > SAME * (1 + exact.abs())), f"is held: a value inside passes {MOST:g}"),
        ):
            if bool(weak.any()):
                nearest = points[weak].abs().argmin()
                return f"from about x = {float(points[weak][nearest]):.3g} on its {name} {says}"
    return ""


def put(text: str, target: Path) -> None:
    """Write the whole file at once; where that fails, nothing new is left, directories included.

    Raises:
        BadTarget: it cannot be written there.
    """
    file = target.resolve()  # of a link, the file that it leads to
    absent = [directory for directory in file.parents if not directory.exists()]
    fresh = file.with_name(f".actsearch-{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(text, encoding="utf-8")
        if file.exists():
            shutil.copymode(file, fresh)
        fresh.replace(file)
    except OSError as fault:
        with contextlib.suppress(OSError):
            fresh.unlink()
        for directory in absent:
            with contextlib.suppress(OSError):
                directory.rmdir()
        raise BadTarget(f"'{target}' cannot be written: {fault.strerror}") from fault


def _points(dtype: torch.dtype) -> torch.Tensor:
    """Return ``(points, CHANNELS)``: +-6 closely, +-1e4 by size, the smallest numbers, and 0."""
    sizes = torch.logspace(-8, 4, 97, dtype=torch.float64)
    tiny = torch.tensor([5e-324, 1e-310, 1.4e-45, 1e-40, 1.2e-38], dtype=torch.float64)
    far = torch.cat([sizes, tiny])
    x = torch.cat([torch.linspace(-6, 6, 121, dtype=torch.float64), far, -far, torch.zeros(1, dtype=torch.float64)])
    return x.to(dtype).repeat(CHANNELS, 1).T.contiguous()


def _betas(dtype: torch.dtype) -> torch.Tensor:
    return torch.tensor([0.4, BETA_START, 1.7], dtype=dtype)


def _differences(expression: Expression, path: Path) -> dict[torch.dtype, float]:
    """Return the largest difference in value, slope, and slope of beta, by precision."""
    asked = {"x": _points(torch.float64).tolist(), "beta": _betas(torch.float64).tolist() * expression.uses_beta}
    answer = subprocess.run(
        [sys.executable, "-I", "-c", _CHECK, str(path)],
        input=json.dumps(asked), capture_output=True, text=True, check=False, cwd=path.parent,
    )  # fmt: skip
    if answer.returncode != 0 or not answer.stdout:
        complaint = (answer.stderr.strip().splitlines() or [f"it ends with code {answer.returncode}"])[-1]
        raise ExportFailed(f"the exported module cannot be used alone: {complaint}")
    found = dict(zip((torch.float64, torch.float32), json.loads(answer.stdout), strict=True))
    return {dtype: _difference(expression, dtype, numbers) for dtype, numbers in found.items()}


def _difference(expression: Expression, dtype: torch.dtype, found: list[list[Any]]) -> float:
    x, beta = _points(dtype).requires_grad_(), _betas(dtype).requires_grad_()
    value = compile_expression(expression)(x, beta)
    slopes = torch.autograd.grad(value.sum(), [x, beta], allow_unused=True, materialize_grads=True)
    expected = [value.detach(), *slopes][: 3 if expression.uses_beta else 2]
    return max(_largest_gap(torch.tensor(a, dtype=dtype), b) for a, b in zip(found, expected, strict=False))


def _largest_gap(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the largest relative difference; equal infinities and two not-a-numbers are equal."""
    same = (found == expected) | (found.isnan() & expected.isnan())
    gap = (found - expected).abs() / expected.abs().clamp(min=1.0)
    return float(torch.where(same, 0.0, gap).nan_to_num(nan=float("inf")).max())
