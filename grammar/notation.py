"""How people write a function: ``x·σ(βx)``, ``max(x, 0)``; in plain text, LaTeX and MathML.

Of the four mirror images that the layers around an activation make equal, the one that rises to the right is shown.
SymPy orders, folds constants and prints (in a process of its own, ``symbolic``). Not here: reading such a text back
(``infix``).
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

FAR = 6.0  # where it is seen whether a function rises
REMEMBERED = 4096


@dataclass(frozen=True)
class Written:
    """A function as people write it.

    Args:
        plain: text, such as ``x·σ(βx)``.
        latex: without dollars.
        mathml: presentation markup, without its outermost element.
        image: which mirror image it is of what was trained: ``f(x)``, ``f(-x)``, ``-f(x)`` or ``-f(-x)``.
    """

    plain: str
    latex: str
    mathml: str
    image: str = "f(x)"

    @property
    def note(self) -> str:
        """What must be said of it; empty where it is what was trained."""
        return (
            ""
            if self.image == "f(x)"
            else f"written as {self.image} of what was trained, which the layers around make equal"
        )


def source(expression: Expression) -> str:
    """Return an expression as ``printed`` reads it."""
    arguments = [source(argument) for argument in expression.arguments]
    row = expression.primitive
    if row.is_input:
        return row.name
    if not row.shown:
        return f"{row.name}({', '.join(arguments)})"
    return f"({row.shown.format(**dict(zip(OPERANDS, arguments, strict=False)))})"


def image_of(expression: Expression) -> str:
    """Return which mirror image rises to the right: far out it is higher than on the left, and larger."""
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
    """Return the function at the 64 points of a fingerprint, its parameters at their start, in double precision.

    NumPy computes it: torch would take a second to load. It does so where a row calls what only torch has.
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
        exec("\n".join([*text.helpers, *text.lines, f"value = {text.results[0]}"]), scope)  # noqa: S102  of trusted rows
    return np.broadcast_to(np.asarray(scope["value"], dtype=np.float64), (64,))


@functools.lru_cache(maxsize=REMEMBERED)
def written(expression: Expression, *, upright: bool = True) -> Written:
    """Return an expression as people write it.

    Args:
        expression: of which.
        upright: whether the mirror image that rises to the right is written.
    """
    image = image_of(expression) if upright else "f(x)"
    rows = {part.primitive for part in expression.walk()}
    names = sorted(row.name for row in rows if not row.shown and not row.is_input)
    found: dict[str, Any] | None = printed(source(expression), image, names, expression.parameters)
    if found is None:
        return Written(str(expression), rf"\mathtt{{{expression}}}".replace("_", r"\_"), f"<mtext>{expression}</mtext>")
    return Written(found["plain"], found["latex"], found["mathml"], image)
