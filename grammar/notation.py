"""How people write a function: ``x·σ(βx)``, ``max(x, 0)``; in plain text, LaTeX and MathML.

Of the four mirror images that the layers around an activation make equal, the one that rises to the right is shown.
SymPy orders, folds constants and prints (in a process of its own, ``symbolic``). Not here: reading such a text back
(``infix``).
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actsearch.grammar.behaviour.fingerprint import behaviour
from actsearch.grammar.expression import Expression
from actsearch.grammar.symbolic import printed

TEMPLATES: Mapping[str, str] = {
    "x": "x", "beta": "beta", "neg": "(-{a})", "abs": "Abs({a})", "square": "({a})**2", "cube": "({a})**3",
    "sqrt": "sqrt(Abs({a}))", "scale": "beta*({a})", "shift": "({a}) + beta", "relu": "Max({a}, 0)",
    "minzero": "Min({a}, 0)", "sigmoid": "sigma({a})", "gauss": "exp(-({a})**2)", "gelu": "({a})*Phi({a})",
    "mish": "({a})*tanh(softplus({a}))", "add": "({a}) + ({b})", "mul": "({a})*({b})", "sub": "({a}) - ({b})",
    "div": "({a})/({b})", "max": "Max({a}, {b})", "min": "Min({a}, {b})", "gate": "sigma({a})*({b})",
    "mix": "beta*({a}) + (1 - beta)*({b})", "laplacegap": "exp(-beta*Abs(({a}) - ({b})))",
    "gaussgap": "exp(-beta*(({a}) - ({b}))**2)",
}  # fmt: skip
"""Row -> how it is written; every other row is written as a call of its name."""
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
    name = expression.primitive.name
    template = TEMPLATES.get(name)
    if template is None:
        return f"{name}({', '.join(arguments)})"
    return f"({template.format(**dict(zip('ab', arguments, strict=False)))})"


def image_of(expression: Expression) -> str:
    """Return which mirror image rises to the right: far out it is higher than on the left, and larger."""
    numbers = behaviour(expression)[0, 0].detach().nan_to_num(0.0, 1e12, -1e12)
    left, right = float(numbers[:4].mean()), float(numbers[-4:].mean())
    largest = float(numbers.abs().max())
    slack = 1e-6 * largest
    images = {"f(x)": (left, right), "-f(-x)": (-right, -left), "f(-x)": (right, left), "-f(x)": (-left, -right)}

    def rank(name: str) -> tuple[bool, bool, bool]:
        low, high = images[name]
        return high < low - slack, abs(high) < abs(low) - slack, abs(high - low) <= slack and high < -largest / 2

    return min(images, key=rank)


@functools.lru_cache(maxsize=REMEMBERED)
def written(expression: Expression, *, upright: bool = True) -> Written:
    """Return an expression as people write it.

    Args:
        expression: of which.
        upright: whether the mirror image that rises to the right is written.
    """
    image = image_of(expression) if upright else "f(x)"
    names = sorted({part.primitive.name for part in expression.walk()} - set(TEMPLATES))
    found: dict[str, Any] | None = printed(source(expression), image, names)
    if found is None:
        return Written(str(expression), rf"\mathtt{{{expression}}}".replace("_", r"\_"), f"<mtext>{expression}</mtext>")
    return Written(found["plain"], found["latex"], found["mathml"], image)
