"""Parser of text such as ``mul(x,sigmoid(x))``; one clear sentence for each mistake in the text.

Not here: the names, which come from a set of primitives or from ``known``.
"""

import difflib
import math
import re
from collections.abc import Mapping, Sequence

from actsearch.grammar.expression import IDENTITY, INPUT, NUMBER, Expression, apply, constant
from actsearch.grammar.fault import UserFault
from actsearch.grammar.primitive import Primitive, call

WRITTEN = {"+": "add(x,x)", "-": "sub(x,x) or neg(x)", "*": "mul(x,sigmoid(x))", "/": "div(x,x)", "^": "square(x)"}
DEEPEST, LONGEST = 100, 100_000  # largest nesting depth, and largest number of letters
_TOKEN = re.compile(rf"\s*(?:(?P<name>[A-Za-z_]\w*|{NUMBER.pattern})|(?P<sign>[(),]))")


class BadExpression(UserFault):
    """The text is not an expression over these primitives; the message gives the mistake, its place and a hint."""


def parse(
    text: str, primitives: Sequence[Primitive], known: Mapping[str, str] | None = None,
    inputs: Sequence[Primitive] = (INPUT,),
) -> Expression:  # fmt: skip
    """Parse an expression such as ``mul(x,sigmoid(x))``.

    Args:
        text: the expression.
        primitives: primitives that the text may call.
        known: further functions of one argument: lower-case name -> expression over the primitives.
        inputs: inputs of the function. A name without brackets means the input, even if a primitive has the same name.

    Raises:
        BadExpression: a name is unknown, the number of arguments is wrong, brackets do not match, or text follows.
    """
    return _Reader(text, {row.name: row for row in primitives}, known or {}, {row.name: row for row in inputs}).read()


def from_json(value: object, primitives: Sequence[Primitive], inputs: Sequence[Primitive] = (INPUT,)) -> Expression:
    """Parse the nested lists of ``Expression.to_json``, such as ``["mul", "x", ["sigmoid", "x"]]``.

    Args:
        value: the nested lists.
        primitives: primitives that the lists may name.
        inputs: inputs of the function.

    Raises:
        BadExpression: the value is not such a tree, or names other primitives.
    """
    return parse(_as_text(value), primitives, inputs=inputs)


def _as_text(value: object) -> str:
    match value:
        case str():
            return value
        case [str() as name, *arguments] if arguments:
            return f"{name}({','.join(map(_as_text, arguments))})"
    raise BadExpression(f"expected a name or a list of a name and its arguments, found {value!r}")


class _Reader:
    """Recursive-descent parser of one text; arguments as for ``parse``."""

    def __init__(
        self, text: str, rows: dict[str, Primitive], known: Mapping[str, str], inputs: Mapping[str, Primitive]
    ) -> None:
        self.text, self.rows, self.known, self.inputs = text, rows, known, inputs
        self.position, self.depth = 0, 0

    def read(self) -> Expression:
        if len(self.text) > LONGEST:
            raise BadExpression(f"an expression has at most {LONGEST:,} letters, found {len(self.text):,}")
        if not self.text.strip():
            raise BadExpression("an expression is expected, such as 'mul(x,sigmoid(x))', found empty text")
        expression = self._expression()
        if self._peek() is not None:
            raise self._fault("expected the end of the text", self._peek())
        return expression

    def _expression(self) -> Expression:
        self.depth += 1
        if self.depth > DEEPEST:
            raise BadExpression(
                f"'{self.text[:40]} ...' is nested too deeply: expected at most {DEEPEST} brackets within each other"
            )
        expression = self._name_or_call()
        self.depth -= 1
        return expression

    def _name_or_call(self) -> Expression:
        start, name = self._skip_blanks(), self._next()
        if name is None or name in "(),":
            raise self._fault("expected a name", name, start)
        if NUMBER.fullmatch(name):
            return Expression(self._number(name, start))
        if name in self.inputs and (name not in self.rows or self._peek() != "("):
            return Expression(self.inputs[name])
        if name not in self.rows and name.lower() in self.known:
            arguments = self._arguments() if self._peek() == "(" else ()
            self._check_count(name, 1, len(arguments), start)
            return _Reader(self.known[name.lower()], self.rows, {}, {INPUT.name: INPUT}).read().of(arguments[0])
        if name not in self.rows:
            raise self._fault(f"unknown name '{name}'{self._nearest(name)}", None, start, show_token=False)
        row = self.rows[name]
        arguments = self._arguments() if self._peek() == "(" else ()
        self._check_count(name, row.arity, len(arguments), start)
        return arguments[0] if name == IDENTITY else apply(row, *arguments)

    def _number(self, text: str, start: int) -> Primitive:
        if not math.isfinite(float(text)):
            raise self._fault("expected a number of double precision", text, start)
        return constant(float(text))

    def _check_count(self, name: str, arity: int, count: int, start: int) -> None:
        if count != arity:
            message = f"'{name}' takes {arity} argument{'s' * (arity != 1)}, found {count}: write {call(name, arity)}"
            raise self._fault(message, None, start, show_token=False)

    def _arguments(self) -> tuple[Expression, ...]:
        self._next()
        arguments = [self._expression()]
        while (sign := self._peek()) == ",":
            self._next()
            arguments.append(self._expression())
        if sign != ")":
            raise self._fault("expected ',' or ')'", sign)
        self._next()
        return tuple(arguments)

    def _nearest(self, name: str) -> str:
        near = difflib.get_close_matches(name, [*self.inputs, *self.rows, *self.known], n=1, cutoff=0.5)
        return f", did you mean '{near[0]}'?" if near else f"; known names: {' '.join([*self.inputs, *self.rows])}"

    def _skip_blanks(self) -> int:
        while self.position < len(self.text) and self.text[self.position].isspace():
            self.position += 1
        return self.position

    def _peek(self) -> str | None:
        if self._skip_blanks() == len(self.text):
            return None
        match = _TOKEN.match(self.text, self.position)
        if match is None:
            sign = self.text[self.position]
            hint = f"; write it as a function, {WRITTEN[sign]}" if sign in WRITTEN else ""
            raise BadExpression(
                f"in '{self.text}' at character {self.position + 1}: expected a name, '(', ',' or ')', "
                f"found '{sign}'{hint}"
            )
        return match["name"] or match["sign"]

    def _next(self) -> str | None:
        token = self._peek()
        self.position += len(token or "")
        return token

    def _fault(self, what: str, token: str | None, at: int | None = None, *, show_token: bool = True) -> BadExpression:
        ending = (f", found '{token}'" if token else ", found the end of the text") if show_token else ""
        where = (self.position if at is None else at) + 1
        return BadExpression(f"in '{self.text}' at character {where}: {what}{ending}")
