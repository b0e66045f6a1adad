"""Export to data: JSON, which this module also reads, LaTeX, and a formula for SymPy.

The reader never executes the file. Not here: the printer of formulas (``grammar.notation``).
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
LARGEST = 3.4028234e38  # largest number of single precision
FORMAT, VERSION = "actsearch-function", 1
"""Format and version in the JSON. A later version keeps the keys of this one."""
_SPELLED = {
    "sigma": r"\sigma(u) = 1 / (1 + e^{-u})",
    "Phi": r"\Phi(u) = \tfrac{1}{2} (1 + \operatorname{erf}(u / \sqrt{2}))",
}


class BadFile(UserFault):
    """The file does not describe a function of this project; the message says what was expected and what was found."""


def json_source(discovery: Discovery) -> str:
    """Return the function as JSON.

    The keys are ``format`` and ``version``; ``expression`` (text) and ``tree`` (nested lists), each of which alone
    defines the function; ``formula``, for people; ``name``, that of the class; ``beta``, with ``start`` and ``layers``
    (least, mean and largest learned value in each layer); ``notes``; and ``facts``, on provenance and quality. A
    function of inputs other than x has ``inputs``. A function of other parameters has ``parameters`` instead of
    ``beta``: ``name``, ``start``, ``place`` and ``layers`` of each, in the order of the function.
    """
    inputs, parameters = discovery.function.inputs, discovery.parameters
    values = [
        {"start": parameter.start, "layers": [list(layer[3 * n : 3 * n + 3]) for layer in discovery.layers]}
        for n, parameter in enumerate(parameters)
    ]
    is_usual = tuple((parameter.name, parameter.place) for parameter in parameters) in {(), ((BETA.name, BETA.place),)}
    data = {
        "format": FORMAT,
        "version": VERSION,
        "name": discovery.name,
        "expression": str(discovery.expression),
        "tree": discovery.expression.to_json(),
        "formula": discovery.written.plain,
        **({} if inputs == (INPUT.name,) else {"inputs": [*inputs]}),
        **(
            {BETA.name: values[0] if values else None}
            if is_usual
            else {
                "parameters": [
                    {"name": parameter.name, "place": parameter.place, **value}
                    for parameter, value in zip(parameters, values, strict=True)
                ]
            }
        ),
        "notes": list(discovery.notes),
        "facts": dict(discovery.facts),
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def read_file(path: Path, own: Sequence[Primitive] = ()) -> Discovery:
    """Read a JSON file that contains the text of ``json_source``.

    Args:
        path: path of the file.
        own: user-defined primitives that the function may contain.

    Raises:
        BadFile: the file cannot be read, or does not describe a function.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as fault:
        raise BadFile(f"{str(path)!r} cannot be read: {fault}") from fault
    return read_json(text, own)


def read_json(text: str, own: Sequence[Primitive] = ()) -> Discovery:
    """Read the text of ``json_source``.

    Args:
        text: JSON text.
        own: user-defined primitives that the function may contain; their code is never in the file.

    Raises:
        BadFile: the text does not describe a function, or has another version.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise BadFile(f"it is no JSON: {fault}") from fault
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise BadFile(f'expected JSON with "format": "{FORMAT}", as export --to json writes it')
    if data.get("version") != VERSION:
        raise BadFile(f"it is of version {data.get('version')!r}; this actsearch reads version {VERSION}")
    try:
        rows = (*VOCABULARY, *own)
        inputs = [_INPUTS[name] for name in data.get("inputs", [INPUT.name])]
        expression = (
            from_json(data["tree"], rows, inputs) if "tree" in data else parse(data["expression"], rows, inputs=inputs)
        )
        starts, layers = _parameters(data, expression)
        name = data.get("name", "Activation")
        notes = tuple(str(note) for note in data.get("notes", ()))
        facts = dict(data.get("facts", {}))
        discovery = Discovery(expression, name, starts, notes, facts, layers)
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
    if str(expression) != data.get("expression", str(expression)):
        raise BadFile(f"its tree is {expression}, its expression {data['expression']}: they must be one function")
    return discovery


def _parameters(data: Mapping[str, Any], expression: Expression) -> tuple[tuple[float, ...], Layers]:
    """Return the start values of the parameters, and their learned values in each layer.

    Args:
        data: parsed JSON of the file.
        expression: function in the file.

    Raises:
        ValueError: the file names other parameters or places than those of the function.
    """
    beta = data.get(BETA.name)
    entries = data.get("parameters") or ([{"name": BETA.name, **beta}] if beta else [])
    by_name = {str(entry["name"]): entry for entry in entries}
    known = {parameter.name: parameter for parameter in expression.parameters}
    if not by_name.keys() <= known.keys():
        raise ValueError(f"expected the parameters {[*known]}, found {[*by_name]}")
    for name, entry in by_name.items():
        if entry.get("place", known[name].place) != known[name].place:
            raise ValueError(f"'{name}' has one value per {known[name].place}, found one per {entry['place']}")
    if not by_name:
        return (), ()
    starts = tuple(float(by_name.get(name, {}).get("start", parameter.start)) for name, parameter in known.items())
    starts = () if starts == tuple(parameter.start for parameter in known.values()) else starts
    columns = [[_triple(layer) for layer in by_name.get(name, {}).get("layers", ())] for name in known]
    return starts, tuple(tuple(itertools.chain(*layer)) for layer in zip(*columns, strict=True))


def _triple(numbers: Sequence[Any]) -> tuple[float, float, float]:
    low, mean, high = (float(number) for number in numbers)
    return low, mean, high


def latex_source(discovery: Discovery) -> str:
    """Return the formula as LaTeX, after a comment."""
    comment = "\n".join(f"% {line}".rstrip() for line in discovery.head.splitlines())
    latex = discovery.written.latex
    definitions = [text for name, text in _SPELLED.items() if f"\\{name}" in latex]
    tail = rf", \qquad {', '.join(definitions)}" if definitions else ""
    return f"{comment}\nf({', '.join(discovery.function.inputs)}) = {latex}{tail}\n"


def sympy_source(discovery: Discovery) -> str:
    """Return the text of a Python file with the function and its slope as SymPy expressions.

    Raises:
        BadFile: the formula is too long.
    """
    formula = discovery.expression.formula
    if formula == str(discovery.expression) and not _is_formula(discovery.expression):
        raise BadFile(f"the formula of '{formula}' is too long to be written out")
    names = [name for name in FUNCTIONS if re.search(rf"\b{name}\(", formula)]
    imports = ", ".join(sorted({*names, "diff", "symbols"}))
    symbols, first = discovery.function.names, discovery.function.inputs[0]
    declaration = (
        f'{", ".join(symbols)}{"," * (len(symbols) == 1)} = symbols("{" ".join(symbols)}", real=True, seq=True)'
    )
    return (
        f'"""{discovery.head}\n\nNeeds SymPy. As it is written, without the guards that hold values inside.\n"""\n\n'
        f"from sympy import {imports}\n\n{declaration}\nf = {formula}\nslope = diff(f, {first})\n"
    )


def _is_formula(expression: Expression) -> bool:
    return expression.size == 1 or expression.primitive.formula.startswith(expression.primitive.name)
