"""Write a discovered function as a module, and prove the file before calling it done.

The file is imported in a fresh interpreter that has torch and nothing of this project, and compared there in value and
gradient (of x and of beta) with the function that was trained. Not here: the file's text (``grammar.module_file``).
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from evaluators.activation import BETA_START
from grammar.expression import Expression
from grammar.module_file import module_source
from grammar.render import compile_expression

TOLERANCE = 1e-12  # double precision on both sides; the same operations, so only their order of execution may differ
CHANNELS = 3

_CHECK = """
import importlib.util, json, sys, torch
path, numbers = sys.argv[1], json.load(sys.stdin)
spec = importlib.util.spec_from_file_location("exported", path)
exported = importlib.util.module_from_spec(spec)
spec.loader.exec_module(exported)
x = torch.tensor(numbers["x"], dtype=torch.float64, requires_grad=True)
module = exported.Activation(channels=x.shape[1]) if numbers["beta"] else exported.Activation()
module = module.double()
found = {}
if numbers["beta"]:
    with torch.no_grad():
        module.beta.copy_(torch.tensor(numbers["beta"], dtype=torch.float64))
value = module(x)
value.sum().backward()
found["value"], found["slope"] = value.tolist(), x.grad.tolist()
found["beta_slope"] = module.beta.grad.tolist() if numbers["beta"] else []
print(json.dumps(found))
"""


class BadTarget(ValueError):
    """The file cannot be written there; the message says why."""


class ExportFailed(RuntimeError):
    """The written module does not do what was trained; nothing was left at the target."""


def export(expression: Expression, target: Path) -> float:
    """Write the module to ``target``; return the largest difference found in value or gradient.

    Raises:
        ExportFailed: the file cannot be imported alone, or differs from what was trained.
        BadTarget: the target cannot be written, or is something else than a file.
    """
    if target.exists() and not target.is_file():
        raise BadTarget(f"'{target}' is no ordinary file; expected the name of a Python file, such as activation.py")
    with _scratch_beside(target) as scratch:
        fresh = Path(scratch) / "exported.py"
        fresh.write_text(module_source(expression, beta_start=BETA_START), encoding="utf-8")
        difference = _difference(expression, fresh)
        if not difference <= TOLERANCE:
            raise ExportFailed(
                f"the exported module differs from '{expression}' by {difference:g}; nothing was written"
            )
        fresh.replace(target)
    return difference


def _scratch_beside(target: Path) -> "tempfile.TemporaryDirectory[str]":
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-")
    except OSError as fault:
        raise BadTarget(f"'{target}' cannot be written: {fault.strerror}") from fault


def _difference(expression: Expression, path: Path) -> float:
    x = torch.linspace(-6, 6, 121, dtype=torch.float64).repeat(CHANNELS, 1).T.contiguous().requires_grad_()
    beta = torch.tensor([0.4, BETA_START, 1.7], dtype=torch.float64, requires_grad=True)
    value = compile_expression(expression)(x, beta)
    slopes = torch.autograd.grad(value.sum(), [x, beta], allow_unused=True, materialize_grads=True)
    asked = {"x": x.tolist(), "beta": beta.tolist() if expression.uses_beta else []}
    answer = subprocess.run(
        [sys.executable, "-I", "-c", _CHECK, str(path)],
        input=json.dumps(asked), capture_output=True, text=True, check=False, cwd=path.parent,
    )  # fmt: skip
    if answer.returncode != 0:
        raise ExportFailed(f"the exported module cannot be used alone: {answer.stderr.strip().splitlines()[-1]}")
    found = json.loads(answer.stdout)
    pairs = [(found["value"], value), (found["slope"], slopes[0])]
    if expression.uses_beta:
        pairs.append((found["beta_slope"], slopes[1]))
    return max(_largest_gap(torch.tensor(a, dtype=torch.float64), b.detach()) for a, b in pairs)


def _largest_gap(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the largest relative difference; equal infinities and two not-a-numbers are equal."""
    same = (found == expected) | (found.isnan() & expected.isnan())
    gap = (found - expected).abs() / expected.abs().clamp(min=1.0)
    return float(torch.where(same, 0.0, gap).nan_to_num(nan=float("inf")).max())
