"""A discovery -> data: JSON, which the project reads back, LaTeX, and a formula for SymPy.

Nothing that is read is ever executed. Not here: how a formula is printed (``grammar.notation``).
"""

import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actsearch.grammar.expression import Expression
from actsearch.grammar.fault import UserFault
from actsearch.grammar.formats.discovery import BadName, Discovery
from actsearch.grammar.formula import FUNCTIONS
from actsearch.grammar.parse import BadExpression, from_json, parse
from actsearch.grammar.primitive import Primitive
from actsearch.grammar.rows.sets import VOCABULARY

LARGEST = 3.4028234e38  # of single precision
FORMAT, VERSION = "actsearch-function", 1
"""What the JSON says it is. A later version keeps the keys of this one."""
_SPELLED = {
    "sigma": r"\sigma(u) = 1 / (1 + e^{-u})",
    "Phi": r"\Phi(u) = \tfrac{1}{2} (1 + \operatorname{erf}(u / \sqrt{2}))",
}


class BadFile(UserFault):
    """The file is no function of this project; the message says what was expected and what was found."""


def json_source(discovery: Discovery) -> str:
    """Return the function as JSON.

    Keys: ``format``, ``version``; ``expression``, text, and ``tree``, nested lists, either of which says all;
    ``formula``, for people; ``name`` of the class; ``beta``: ``start``, and ``layers``, least, mean and largest learned
    value of each; ``facts``: where it was found and how good it was.
    """
    found = {
        "format": FORMAT,
        "version": VERSION,
        "name": discovery.name,
        "expression": str(discovery.expression),
        "tree": discovery.expression.to_json(),
        "formula": discovery.written.plain,
        "beta": {"start": discovery.beta, "layers": [list(layer) for layer in discovery.layers]}
        if discovery.has_beta
        else None,
        "notes": list(discovery.notes),
        "facts": dict(discovery.facts),
    }
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def read_file(path: Path, own: Sequence[Primitive] = ()) -> Discovery:
    """Return what a file holds that ``json_source`` was written to; arguments as of ``read_json``.

    Raises:
        BadFile: it cannot be read, or is none of these.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as fault:
        raise BadFile(f"{str(path)!r} cannot be read: {fault}") from fault
    return read_json(text, own)


def read_json(text: str, own: Sequence[Primitive] = ()) -> Discovery:
    """Return what ``json_source`` wrote.

    Args:
        text: of the file.
        own: primitives of the user's own that the function may have: their code is never in the file.

    Raises:
        BadFile: it is something else, or of a later version.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise BadFile(f"it is no JSON: {fault}") from fault
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BadFile(f'expected JSON with "format": "{FORMAT}", as export --to json writes it')
    if found.get("version") != VERSION:
        raise BadFile(f"it is of version {found.get('version')!r}; this actsearch reads version {VERSION}")
    try:
        rows = (*VOCABULARY, *own)
        expression = from_json(found["tree"], rows) if "tree" in found else parse(found["expression"], rows)
        beta = found.get("beta") or {}
        layers = tuple(_layer(layer) for layer in beta.get("layers", ()))
        start, name = float(beta.get("start", 1.0)), found.get("name", "Activation")
        notes = tuple(str(note) for note in found.get("notes", ()))
        facts = dict(found.get("facts", {}))
        read = Discovery(expression, name, start, notes, facts, layers)
    except (
        BadExpression,
        BadName,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as fault:
        raise BadFile(f"its function cannot be read: {fault}") from fault
    if not all(abs(number) <= LARGEST for number in (start, *itertools.chain(*layers))):
        raise BadFile("its betas must be finite numbers in single precision")
    if str(expression) != found.get("expression", str(expression)):
        raise BadFile(f"its tree is {expression}, its expression {found['expression']}: they must be one function")
    return read


def _layer(found: Sequence[Any]) -> tuple[float, float, float]:
    low, mean, high = (float(number) for number in found)
    return low, mean, high


def latex_source(discovery: Discovery) -> str:
    """Return the formula, with comments in front."""
    said = "\n".join(f"% {line}".rstrip() for line in discovery.head.splitlines())
    latex = discovery.written.latex
    where = [text for name, text in _SPELLED.items() if f"\\{name}" in latex]
    tail = rf", \qquad {', '.join(where)}" if where else ""
    return f"{said}\nf(x) = {latex}{tail}\n"


def sympy_source(discovery: Discovery) -> str:
    """Return a Python file with the function and its slope as SymPy's expressions."""
    formula = discovery.expression.formula
    if formula == str(discovery.expression) and not _is_formula(discovery.expression):
        raise BadFile(f"the formula of '{formula}' is too long to be written out")
    names = [name for name in FUNCTIONS if re.search(rf"\b{name}\(", formula)]
    imports = ", ".join(sorted({*names, "diff", "symbols"}))
    return (
        f'"""{discovery.head}\n\nNeeds SymPy. As it is written, without the guards that hold values inside.\n"""\n\n'
        f'from sympy import {imports}\n\nx, beta = symbols("x beta", real=True)\nf = {formula}\nslope = diff(f, x)\n'
    )


def _is_formula(expression: Expression) -> bool:
    return expression.size == 1 or expression.primitive.formula.startswith(expression.primitive.name)
