"""The body of the exported torch function: the trained operations, on one line unless a value is used twice.

Not here: the file around the body (``torch_file``).
"""

import ast
import dataclasses
import textwrap

from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.expression import Expression
from actsearch.grammar.function import function_of
from actsearch.grammar.program.writing import TORCH, Language, write
from actsearch.grammar.rows.known import names_by_fingerprint

NATIVE = (
    {
        "relu": "torch.relu(x)",
        "tanh": "torch.tanh(x)",
        "sigmoid": "torch.sigmoid(x)",
        "abs": "torch.abs(x)",
        "squared_relu": "torch.square(torch.relu(x))",
        "leaky_relu": "torch.nn.functional.leaky_relu(x, 0.01)",
        "leaky_relu_02": "torch.nn.functional.leaky_relu(x, 0.2)",
    }
    | {
        name: f"torch.nn.functional.{name}(x)"
        for name in ("silu", "gelu", "mish", "elu", "selu", "hardswish", "softsign")
    }
    | {"softplus": "torch.nn.functional.softplus(x, 1, 40).to(x.dtype)"}  # autocast on CUDA would widen the result
)
"""Known activation -> call of torch's own function, equal up to rounding."""
ROUNDED_ONCE = tuple(name for name in NATIVE if name not in {"softsign", "squared_relu"})
"""Activations of ``NATIVE`` that torch computes in single precision and rounds once, to the precision of the input."""

EXPORTED = tuple(name for name in NATIVE if name not in {"softplus", "elu", "selu"})
"""Activations of ``NATIVE`` that torch's ONNX exporters support."""


def native(expression: Expression) -> tuple[str, str]:
    """Return the name of the known activation, and the call of torch's own function; empty if torch has none."""
    if not expression.parameters:
        for name in names_by_fingerprint().get(fingerprint(expression), ()):
            if name in NATIVE:
                return name, NATIVE[name]
    return "", ""


COMPILED = dataclasses.replace(
    TORCH, calls={**TORCH.calls} | {"below": "torch.sign(torch.relu(({1}) - ({0}))).detach()"}
)
"""torch without boolean masks, for its compiler. On a CPU, inductor stores the mask of a comparison for the backward
pass, and reads and writes it element by element: max(x, sin(x)) took 10 times as long as SiLU. A mask of floats it
recomputes instead."""


def lines_for_a_compiler(expression: Expression) -> list[str]:
    """Return the body without operations that are slow when compiled; empty if there are none."""
    lines = [] if native(expression)[1] else _lines(expression, COMPILED)
    return lines if lines != function_lines(expression) else []


def function_lines(expression: Expression) -> list[str]:
    """Return the body of the function; only values that are used twice get a name."""
    call = native(expression)[1]
    return [f"return {call}"] if call else _lines(expression, TORCH)


def _lines(expression: Expression, language: Language) -> list[str]:
    text = write([function_of(expression).torch_graph], language)
    lines = "\n".join([*text.lines, f"return {text.results[0]}"])
    body = ast.parse(f"def f():\n{textwrap.indent(lines, ' ')}").body[0]
    assert isinstance(body, ast.FunctionDef)
    return [ast.unparse(line) for line in body.body]  # unparse drops redundant brackets
