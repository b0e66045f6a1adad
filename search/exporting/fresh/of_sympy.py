"""Import an exported SymPy file and compute its numbers at ordinary points.

Arguments: the file, the answer, the value of every parameter and further input, and the names of inputs and parameters.
"""

import runpy
import sys
from typing import Any

import numpy as np
from sympy import sympify

POINTS = (-2.3, -1.7, -0.6, 0.3, 0.9, 1.4)


def _number(formula: Any, at: dict[Any, float]) -> float:
    """Return a formula's value, or NaN if it has none: it may divide by 0, where the trained function has a guard."""
    try:
        return float(formula.subs(at).doit().evalf(25))
    except (TypeError, ValueError, ZeroDivisionError):
        return float("nan")


def main() -> None:
    """Compute the value and the slope at every point and write them."""
    path, answer, other, first, *rest = sys.argv[1:]
    exported = runpy.run_path(path)
    answers: dict[str, Any] = {}
    for kind in ("f", "slope"):
        formula, others = sympify(exported[kind]), {exported[name]: float(other) for name in rest}
        answers[kind] = np.array([_number(formula, {exported[first]: point} | others) for point in POINTS])
    np.savez(answer, x=np.array(POINTS), **answers)


if __name__ == "__main__":
    main()
