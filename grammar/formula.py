"""Reader of formulas: numbers, operators, names, and functions from a list; it never executes the text.

Python's own parser splits the text. The caller supplies the values: SymPy objects, or anything else that supports the
operators. Not here: SymPy (``symbolic``).
"""

import ast
import difflib
import operator
from collections.abc import Callable, Mapping
from typing import Any

FUNCTIONS = (
    "Abs", "And", "Ei", "Eq", "Heaviside", "LambertW", "Max", "Min", "Mod", "Ne", "Not", "Or", "Piecewise", "Pow",
    "Rational", "acos", "acosh", "acot", "acoth", "acsc", "acsch", "asec", "asech", "asin", "asinh", "atan", "atan2",
    "atanh", "besseli", "besselj", "besselk", "bessely", "cbrt", "ceiling", "cos", "cosh", "cot", "coth", "csc", "csch",
    "digamma", "erf", "erfc", "erfi", "erfinv", "exp", "floor", "gamma", "log", "loggamma", "root", "sec", "sech",
    "sign", "sin", "sinc", "sinh", "sqrt", "tan", "tanh",
)  # fmt: skip
"""Functions that a formula may call, by SymPy's names."""
OTHER_NAMES = {"abs": "Abs", "max": "Max", "min": "Min", "ln": "log"}
CONSTANTS = ("pi", "E", "oo")
LARGEST_EXPONENT = 1000  # largest whole exponent: 9**9**9 has hundreds of millions of digits

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow, ast.BitXor: operator.pow, ast.Mod: operator.mod, ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
}  # fmt: skip
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip


class BadFormula(ValueError):
    """The text is not a formula; the message says what was expected and what was found."""


class Reader:
    """Reader of formulas over these names and functions.

    Args:
        names: name -> value, for variables and constants.
        functions: name -> Python function.
        number: converter from the text of a number, such as ``1`` or ``0.25``, to its value.
    """

    def __init__(
        self, names: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]], number: Callable[[str], Any]
    ) -> None:
        self.names, self.functions, self.number = names, functions, number

    def read(self, text: str) -> Any:
        """Return the value of a formula.

        Raises:
            BadFormula: the text is not a formula, or cannot be computed.
        """
        try:
            tree = ast.parse(text.strip(), mode="eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError) as fault:
            raise BadFormula(f"'{text}' is no formula, such as x/(1 + exp(-beta*x))") from fault
        try:
            return self._value(tree.body, text.strip())
        except (TypeError, ArithmeticError, AttributeError, RecursionError) as fault:
            raise BadFormula(f"'{text}' cannot be computed: {fault}") from fault

    def _value(self, node: ast.expr, text: str) -> Any:  # noqa: PLR0911  one return per kind of node
        match node:
            case ast.Constant(value=bool() as value):
                return value
            case ast.Constant(value=int() | float()):
                return self.number(ast.get_source_segment(text, node) or repr(node.value))
            case ast.Name(id=name) if name in self.names:
                return self.names[name]
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
                value = self._value(operand, text)
                return -value if isinstance(sign, ast.USub) else value
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _BINARY:
                first, second = self._value(left, text), self._value(right, text)
                if isinstance(op, ast.Pow | ast.BitXor):
                    _check_exponent(right)
                    if getattr(second, "is_Integer", False) and abs(second) > LARGEST_EXPONENT:
                        raise BadFormula(f"an exponent may be {LARGEST_EXPONENT} at most, found {second}")
                return _BINARY[type(op)](first, second)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
                return _COMPARISONS[type(op)](self._value(left, text), self._value(right, text))
            case ast.Tuple(elts=parts):
                return tuple(self._value(part, text) for part in parts)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if self._knows(name):
                return self.functions[OTHER_NAMES.get(name, name)](*(self._value(part, text) for part in arguments))
        raise BadFormula(self._complaint(node, text))

    def _knows(self, name: str) -> bool:
        return OTHER_NAMES.get(name, name) in self.functions

    def _complaint(self, node: ast.expr, text: str) -> str:
        source = ast.get_source_segment(text, node) or type(node).__name__
        name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else source
        near = difflib.get_close_matches(name, [*self.names, *self.functions, *OTHER_NAMES], n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known names: {' '.join([*self.names, *self.functions])}"
        return f"in the formula '{text}': expected numbers, operators, names and functions, found '{source}'; {hint}"


def _check_exponent(node: ast.expr) -> None:
    match node:
        case ast.Constant(value=int() as value) if value > LARGEST_EXPONENT:
            raise BadFormula(f"an exponent may be {LARGEST_EXPONENT} at most, found {value}")
        case ast.BinOp(op=ast.Pow() | ast.BitXor()):
            variables = [part for part in ast.walk(node) if isinstance(part, ast.Name)]
            if not variables:
                raise BadFormula("an exponent may not be a power of numbers itself")


class _Anything:
    """A stand-in for every value while a formula is checked."""

    def _same(self, *_: object) -> "_Anything":
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _same
    __pow__ = __rpow__ = __neg__ = __lt__ = __le__ = __gt__ = __ge__ = __mod__ = __and__ = __or__ = _same


_ANYTHING = _Anything()


def check_formula(text: str, variables: tuple[str, ...]) -> None:
    """Check a formula without computing it.

    Args:
        text: the formula.
        variables: names of the variables that the formula may read.

    Raises:
        BadFormula: the text is not a formula.
    """
    names = dict.fromkeys((*variables, *CONSTANTS), _ANYTHING)
    Reader(names, dict.fromkeys(FUNCTIONS, lambda *_: _ANYTHING), lambda _: _ANYTHING).read(text)
