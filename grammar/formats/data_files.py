"""A discovery -> data: JSON, which the project reads back, LaTeX, and a formula for SymPy.

Nothing that is read is ever executed. Not here: how a formula is printed (``grammar.notation``).
"""

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from actsearch.grammar.expression import GATE, INPUT, UP, Expression
from actsearch.grammar.fault import UserFault
from actsearch.grammar.formats.discovery import BadName, Discovery
from actsearch.grammar.formula import FUNCTIONS
from actsearch.grammar.parameter import BETA
from actsearch.grammar.parse import BadExpression, from_json, parse
from actsearch.grammar.primitive import Primitive
from actsearch.grammar.rows.sets import VOCABULARY

Layers = tuple[tuple[float, ...], ...]
_INPUTS = {row.name: row for row in (INPUT, GATE, UP)}
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
    value of each; ``facts``: where it was found and how good it was. A function of other inputs than x has ``inputs``,
    one of other parameters ``parameters`` instead: of each, in the function's order, ``name``, ``start``, ``place`` and
    ``layers``.
    """
    inputs, parameters = discovery.function.inputs, discovery.parameters
    said = [
        {"start": one.start, "layers": [list(layer[3 * n : 3 * n + 3]) for layer in discovery.layers]}
        for n, one in enumerate(parameters)
    ]
    is_usual = tuple((one.name, one.place) for one in parameters) in {(), ((BETA.name, BETA.place),)}
    found = {
        "format": FORMAT,
        "version": VERSION,
        "name": discovery.name,
        "expression": str(discovery.expression),
        "tree": discovery.expression.to_json(),
        "formula": discovery.written.plain,
        **({} if inputs == (INPUT.name,) else {"inputs": [*inputs]}),
        **(
            {BETA.name: said[0] if said else None}
            if is_usual
            else {
                "parameters": [
                    {"name": one.name, "place": one.place, **what} for one, what in zip(parameters, said, strict=True)
                ]
            }
        ),
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
        inputs = [_INPUTS[name] for name in found.get("inputs", [INPUT.name])]
        expression = (
            from_json(found["tree"], rows, inputs)
            if "tree" in found
            else parse(found["expression"], rows, inputs=inputs)
        )
        starts, layers = _parameters(found, expression)
        name = found.get("name", "Activation")
        notes = tuple(str(note) for note in found.get("notes", ()))
        facts = dict(found.get("facts", {}))
        read = Discovery(expression, name, starts, notes, facts, layers)
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
    if not all(abs(number) <= LARGEST for number in (*starts, *itertools.chain(*layers))):
        raise BadFile("its parameters must be finite numbers in single precision")
    if str(expression) != found.get("expression", str(expression)):
        raise BadFile(f"its tree is {expression}, its expression {found['expression']}: they must be one function")
    return read


def _parameters(found: Mapping[str, Any], expression: Expression) -> tuple[tuple[float, ...], Layers]:
    """Return where the parameters start, and what each layer learned of them.

    Raises:
        ValueError: they are not the function's.
    """
    beta = found.get(BETA.name)
    said = found.get("parameters") or ([{"name": BETA.name, **beta}] if beta else [])
    by_name = {str(one["name"]): one for one in said}
    known = {one.name: one for one in expression.parameters}
    if not by_name.keys() <= known.keys():
        raise ValueError(f"expected the parameters {[*known]}, found {[*by_name]}")
    for name, one in by_name.items():
        if one.get("place", known[name].place) != known[name].place:
            raise ValueError(f"'{name}' is one a {known[name].place}, found one a {one['place']}")
    if not by_name:
        return (), ()
    starts = tuple(float(by_name.get(name, {}).get("start", one.start)) for name, one in known.items())
    starts = () if starts == tuple(one.start for one in known.values()) else starts
    columns = [[_triple(layer) for layer in by_name.get(name, {}).get("layers", ())] for name in known]
    return starts, tuple(tuple(itertools.chain(*layer)) for layer in zip(*columns, strict=True))


def _triple(found: Sequence[Any]) -> tuple[float, float, float]:
    low, mean, high = (float(number) for number in found)
    return low, mean, high


def latex_source(discovery: Discovery) -> str:
    """Return the formula, with comments in front."""
    said = "\n".join(f"% {line}".rstrip() for line in discovery.head.splitlines())
    latex = discovery.written.latex
    where = [text for name, text in _SPELLED.items() if f"\\{name}" in latex]
    tail = rf", \qquad {', '.join(where)}" if where else ""
    return f"{said}\nf({', '.join(discovery.function.inputs)}) = {latex}{tail}\n"


def sympy_source(discovery: Discovery) -> str:
    """Return a Python file with the function and its slope as SymPy's expressions."""
    formula = discovery.expression.formula
    if formula == str(discovery.expression) and not _is_formula(discovery.expression):
        raise BadFile(f"the formula of '{formula}' is too long to be written out")
    names = [name for name in FUNCTIONS if re.search(rf"\b{name}\(", formula)]
    imports = ", ".join(sorted({*names, "diff", "symbols"}))
    symbols, first = discovery.function.names, discovery.function.inputs[0]
    made = f'{", ".join(symbols)}{"," * (len(symbols) == 1)} = symbols("{" ".join(symbols)}", real=True, seq=True)'
    return (
        f'"""{discovery.head}\n\nNeeds SymPy. As it is written, without the guards that hold values inside.\n"""\n\n'
        f"from sympy import {imports}\n\n{made}\nf = {formula}\nslope = diff(f, {first})\n"
    )


def _is_formula(expression: Expression) -> bool:
    return expression.size == 1 or expression.primitive.formula.startswith(expression.primitive.name)
