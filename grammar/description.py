"""All facts about one function: formulas, exact limits where SymPy finds them, numeric properties.

Each fact carries its method, symbolic or numeric. Not here: the display of facts (``search.show.display``).
"""

import dataclasses
from typing import Any

from actsearch.grammar import symbolic
from actsearch.grammar.behaviour.fingerprint import fingerprint, role_of
from actsearch.grammar.behaviour.properties import properties
from actsearch.grammar.behaviour.screening import refusal
from actsearch.grammar.expression import Expression
from actsearch.grammar.parameter import BETA
from actsearch.grammar.rows.known import names_by_fingerprint

SYMBOLIC, NUMERIC = "symbolic", "numeric"


def describe(expression: Expression, seconds: float | None = None) -> dict[str, Any]:
    """Return the facts about a function, by name.

    Args:
        expression: the function; its properties are computed at the start values of its parameters.
        seconds: time limit of each SymPy call, by default ``symbolic.SECONDS``. If SymPy is late, a formula is None,
            and a limit is numeric.
    """
    name = fingerprint(expression)
    formula = expression.formula
    numbers = {
        fact: {"value": value, "how": NUMERIC} for fact, value in dataclasses.asdict(properties(expression)).items()
    }
    for fact, text in symbolic.limits(formula, seconds, expression.parameters).items():
        exact = _number(text)
        if exact is not None:
            numbers[fact] = {"value": exact, "how": SYMBOLIC}
    for fact, proven in symbolic.symmetries(formula, seconds, expression.parameters).items():
        if proven:
            numbers[fact] = {"value": True, "how": SYMBOLIC}
    refused = refusal(expression)
    return {
        "expression": str(expression),
        "id": name,
        "names": list(names_by_fingerprint().get(name, ())),
        "formula": formula,
        **symbolic.forms(formula, seconds, expression.parameters),
        **{parameter.name: role_of(expression, n) for n, parameter in enumerate(expression.parameters or (BETA,))},
        "refused": str(refused) if refused else None,
        "properties": numbers,
    }


def _number(text: str | None) -> float | None:
    """Return the value of a limit in SymPy's notation: a number, oo or -oo; else None."""
    if text is None:
        return None
    try:
        return float(text.replace("oo", "inf"))
    except ValueError:
        return None
