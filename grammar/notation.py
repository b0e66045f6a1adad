"""Formulas as people write them, ``x·σ(βx)`` or ``max(x, 0)``, in plain text, LaTeX and MathML.

The layers around an activation make its four mirror images equal; the printed one rises to the right. SymPy orders
terms, folds constants and prints, in its own process (``symbolic``). Not here: the parser of such text (``infix``).
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actsearch.grammar.expression import Expression
from actsearch.grammar.formats.languages import NUMPY
from actsearch.grammar.function import function_of
from actsearch.grammar.primitive import OPERANDS
from actsearch.grammar.program.operations import NoCounterpart
from actsearch.grammar.program.writing import NotInLanguage, write
from actsearch.grammar.symbolic import printed

FAR = 6.0  # |x| that decides whether a function rises
REMEMBERED = 4096


@dataclass(frozen=True)
class Written:
    """A function as people write it.

    Args:
        plain: plain text, such as ``x·σ(βx)``.
        latex: LaTeX without dollar signs.
        mathml: presentation MathML without its outermost element.
        image: mirror image of the trained function that is printed: ``f(x)``, ``f(-x)``, ``-f(x)`` or ``-f(-x)``.
    """

    plain: str
    latex: str
    mathml: str
    image: str = "f(x)"

    @property
    def note(self) -> str:
        """A remark that a mirror image is printed; empty if it is the trained function."""
        return (
            ""
            if self.image == "f(x)"
            else f"written as {self.image} of what was trained, which the layers around make equal"
        )


def source(expression: Expression) -> str:
    """Return an expression as a formula for ``symbolic.printed``."""
    arguments = [source(argument) for argument in expression.arguments]
    row = expression.primitive
    if row.is_input:
        return row.name
    if not row.shown:
        return f"{row.name}({', '.join(arguments)})"
    return f"({row.shown.format(**dict(zip(OPERANDS, arguments, strict=False)))})"


def image_of(expression: Expression) -> str:
    """Return the mirror image that rises to the right: the right end is higher, and larger in size, than the left."""
    numbers = np.nan_to_num(numbers_of(expression), nan=0.0, posinf=1e12, neginf=-1e12)
    left, right = float(numbers[:4].mean()), float(numbers[-4:].mean())
    largest = float(np.abs(numbers).max())
    slack = 1e-6 * largest
    images = {"f(x)": (left, right), "-f(-x)": (-right, -left), "f(-x)": (right, left), "-f(x)": (-left, -right)}

    def rank(name: str) -> tuple[bool, bool, bool]:
        low, high = images[name]
        return high < low - slack, abs(high) < abs(low) - slack, abs(high - low) <= slack and high < -largest / 2

    return min(images, key=rank)


def numbers_of(expression: Expression) -> NDArray[np.float64]:
    """Return the values at the 64 points of a fingerprint, its parameters at their start, in double precision.

    NumPy computes them, since torch takes a second to import; torch does if a primitive calls what only torch has.
    """
    try:
        function = function_of(expression, held=False)
        text = write([function.plain_graph], NUMPY)
    except (NoCounterpart, NotInLanguage):
        from actsearch.grammar.behaviour.fingerprint import behaviour  # noqa: PLC0415  as above

        return np.asarray(behaviour(expression)[0, 0].numpy())
    steps = np.arange(32.0)  # the points of a fingerprint (``behaviour.fingerprint.probe_points``)
    positive = 0.0101 + 0.0731 * steps + 0.00471 * steps * steps + 0.0137 * np.sin(17 * steps)
    scope: dict[str, Any] = {"np": np, "x": np.concatenate([-positive[::-1], positive])}
    scope |= {parameter.name: np.float64(parameter.start) for parameter in function.parameters}
    with np.errstate(all="ignore"):
        exec("\n".join([*text.helpers, *text.lines, f"value = {text.results[0]}"]), scope)  # noqa: S102  trusted code
    return np.broadcast_to(np.asarray(scope["value"], dtype=np.float64), (64,))


@functools.lru_cache(maxsize=REMEMBERED)
def written(expression: Expression, *, upright: bool = True) -> Written:
    """Return an expression as people write it.

    Args:
        expression: the function.
        upright: whether to print the mirror image that rises to the right; else the function itself.
    """
    image = image_of(expression) if upright else "f(x)"
    rows = {part.primitive for part in expression.walk()}
    names = sorted(row.name for row in rows if not row.shown and not row.is_input)
    forms: dict[str, Any] | None = printed(source(expression), image, names, expression.parameters)
    if forms is None:
        return Written(str(expression), rf"\mathtt{{{expression}}}".replace("_", r"\_"), f"<mtext>{expression}</mtext>")
    return Written(forms["plain"], forms["latex"], forms["mathml"], image)
