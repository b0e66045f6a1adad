"""Translate formulas as people type them, ``x*sigmoid(beta*x)`` or ``x·σ(βx)``, into calls of primitives.

Not here: the parser of such calls (``parse``), and how an expression is printed for people (``notation``).
"""

import ast
import functools
import math
import re
from collections.abc import Callable

from actsearch.grammar.expression import constant
from actsearch.grammar.parse import BadExpression

SIGNS = re.compile(r"[-+*/^·−²³√|σβΦ]|(?<!\w)\d|\b(?:Max|Min|Abs)\b")
"""Signs that occur in an infix formula and never in calls of primitives."""
SPELLINGS = (
    ("·", "*"), ("−", "-"), ("^", "**"), ("²", "**2"), ("³", "**3"), ("√", "sqrt"), ("σ", "sigmoid"), ("Φ", "Phi"),
    ("β", "beta"),
)  # fmt: skip
NAMES = {"Max": "max", "Min": "min", "Abs": "abs", "arctan": "atan", "arcsinh": "asinh"}
LARGEST = 96  # largest power that is expanded
WRITTEN = 20_000  # most letters after expansion: 8*(8*(8*x)) expands to five hundred copies of x
PRODUCTS = 8  # largest power that is expanded into products, and largest whole factor that is expanded into a sum
NUMBERS = {"pi": math.pi, "E": math.e}
SHOWN = 60  # letters of the formula that an error message shows
Node = ast.expr


def is_infix(text: str) -> bool:
    """Return whether the text contains an operator; calls of primitives never do."""
    return bool(SIGNS.search(text))


def rewritten(text: str) -> str:
    """Return an infix formula as calls of primitives: ``mul(x,sigmoid(scale(x)))``.

    Args:
        text: formula with operators, in ASCII or with Greek letters.

    Raises:
        BadExpression: the text is not a formula, or expands to more than ``WRITTEN`` letters.
    """
    if len(text) > WRITTEN:
        raise BadExpression(
            f"'{text[:SHOWN]} ...' is too long: expected at most {WRITTEN:,} letters, found {len(text):,}"
        )
    plain = _bars(text)
    for sign, ascii_sign in SPELLINGS:
        plain = plain.replace(sign, ascii_sign)
    plain = re.sub(r"/\s*betax\b", "/(beta*x)", plain)  # people mean u/(beta*x) by "u/betax"
    plain = re.sub(r"\bbeta(?=x\b)", "beta*", plain)
    if "#" in plain:
        raise BadExpression(f"'{text}' is no formula: expected operators, names and brackets, found '#'")
    shown = text if len(text) <= SHOWN else text[:SHOWN] + " ..."
    try:
        tree = ast.parse(plain.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as fault:
        raise BadExpression(
            f"'{shown}' is no formula: expected one such as x*sigmoid(beta*x), or calls as mul(x,sigmoid(scale(x)))"
        ) from fault
    try:
        return _translate(tree, shown)
    except RecursionError as fault:
        raise BadExpression(f"'{shown}' is nested too deeply") from fault


def _bars(text: str) -> str:
    """Return the text with ``|u|`` as ``abs(u)``.

    A bar opens after an operator, an opening bracket or a comma; any other bar closes.
    """
    result, before = "", ""
    for letter in text:
        if letter == "|":
            result += "abs(" if not before or before in "+-−*·/^(,|" else ")"
        else:
            result += letter
        before = letter if letter.strip() else before
        if letter == "|":
            before = "(" if result.endswith("(") else ")"
    return result


def _is_number(node: Node, value: float | None = None) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float) and value in (None, node.value)


def _is_name(node: Node, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_call(node: Node, name: str) -> bool:
    return isinstance(node, ast.Call) and _is_name(node.func, name) and len(node.args) == 1


def _operand_of_minus(node: Node) -> Node | None:
    """Return u if the node is ``-u``, or has the minus sign on its first factor; else None."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return node.operand
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        left = _operand_of_minus(node.left)
        return None if left is None else ast.BinOp(left, node.op, node.right)
    return None


def _gate_argument(node: Node) -> Node | None:
    """Return u if the node is ``1 + exp(-u)`` or ``exp(-u) + 1``; else None."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)):
        return None
    for one, other in ((node.left, node.right), (node.right, node.left)):
        if _is_number(one, 1) and _is_call(other, "exp") and isinstance(other, ast.Call):
            return _operand_of_minus(other.args[0])
    return None


def _translate(node: Node, text: str) -> str:
    """Return a node as calls of primitives; ``text`` is the whole formula, for error messages."""
    value = _value(node)
    match node:
        case _ if value is not None:
            return _number(value)
        case ast.Name(id="x" | "beta" as name):
            return name
        case ast.UnaryOp(op=ast.UAdd() | ast.USub() as sign, operand=operand):
            inner = _translate(operand, text)
            return inner if isinstance(sign, ast.UAdd) else f"neg({inner})"
        case ast.BinOp(op=ast.Pow(), left=left, right=ast.Constant(value=int() as power)) if 2 <= power <= LARGEST:
            return _power(_translate(left, text), power, text)
        case ast.BinOp(op=op, left=left, right=right):
            return _translate_operator(op, left, right, text)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if arguments:
            return _translate_call(NAMES.get(name, name), arguments, text)
    raise BadExpression(f"in '{text}': expected x, beta, numbers, operators and functions, found '{ast.unparse(node)}'")


def _value(node: Node) -> float | None:
    """Return the number that a node is, with its sign; None for anything else."""
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=operand) if _is_number(operand):
            return -ast.literal_eval(operand)  # type: ignore[no-any-return]  # a number
        case ast.Name(id=name):
            return NUMBERS.get(name)
    return ast.literal_eval(node) if _is_number(node) else None


def _number(value: float) -> str:
    """Return a number as expressions write it.

    Raises:
        BadExpression: the number is beyond double precision.
    """
    try:
        return constant(value).name
    except (ValueError, OverflowError) as fault:
        raise BadExpression("a number in a formula must be finite in double precision") from fault


def _checked_length(expanded: str, text: str) -> str:
    """Return the expanded text unchanged if it is short enough.

    Raises:
        BadExpression: the text has more than ``WRITTEN`` letters.
    """
    if len(expanded) > WRITTEN:
        raise BadExpression(
            f"'{text}' stands for more than {WRITTEN:,} letters, since powers and whole factors are written out: "
            "expected smaller ones"
        )
    return expanded


def _power(inner: str, power: int, text: str) -> str:
    """Return a whole power of ``inner``.

    Powers up to 8 become products. Larger ones become squares and cubes of smaller powers, which copies ``inner`` less.
    """
    if power == 1:
        return inner
    if power in (2, 3):
        return f"{'square' if power == 2 else 'cube'}({inner})"
    if power <= PRODUCTS:
        return _checked_length(f"mul({_power(inner, power - 2, text)},square({inner}))", text)
    for factor, row in ((2, "square"), (3, "cube")):
        if power % factor == 0:
            return f"{row}({_power(inner, power // factor, text)})"
    return _checked_length(f"mul({_power(inner, power - 1, text)},{inner})", text)


def _translate_call(name: str, arguments: list[Node], text: str) -> str:
    """Return a function call as calls of primitives; ``log(1 + exp(u))``, for one, is softplus."""
    if name == "log" and len(arguments) == 1:
        one = arguments[0]
        if isinstance(one, ast.BinOp) and isinstance(one.op, ast.Add):
            for first, second in ((one.left, one.right), (one.right, one.left)):
                if _is_number(first, 1) and isinstance(second, ast.Call) and _is_call(second, "exp"):
                    return f"softplus({_translate(second.args[0], text)})"
    if name in ("max", "min") and len(arguments) == 2 and any(_is_number(one, 0) for one in arguments):
        rest = next((one for one in arguments if not _is_number(one, 0)), arguments[0])
        return f"{'relu' if name == 'max' else 'minzero'}({_translate(rest, text)})"
    if name in ("max", "min") and len(arguments) > 2:
        arguments = sorted(arguments, key=lambda one: _is_number(one, 0))  # zeros last
        return f"{name}({_translate(arguments[0], text)},{_translate_call(name, arguments[1:], text)})"
    if name == "sqrt" and len(arguments) == 1 and isinstance(arguments[0], ast.Call):
        inner = arguments[0]
        if (
            isinstance(inner.func, ast.Name)
            and NAMES.get(inner.func.id, inner.func.id) == "abs"
            and len(inner.args) == 1
        ):
            arguments = inner.args  # the primitive sqrt is sqrt(|u|) already
    return f"{name}({','.join(_translate(one, text) for one in arguments)})"


def _translate_operator(op: ast.operator, left: Node, right: Node, text: str) -> str:
    """Return ``left op right`` as calls of primitives."""

    def binary_call(row: str) -> str:
        return _checked_length(f"{row}({_translate(left, text)},{_translate(right, text)})", text)

    rules: dict[type[ast.operator], Callable[[], str]] = {
        ast.Add: lambda: _sum(left, right, text, binary_call),
        ast.Sub: lambda: _difference(left, right, text, binary_call),
        ast.Mult: lambda: _product(left, right, text, binary_call),
        ast.Div: lambda: _quotient(left, right, text, binary_call),
    }
    rule = rules.get(type(op))
    if rule is None:
        raise BadExpression(
            f"in '{text}': expected + - * / and whole powers from 2 to {LARGEST}, found another operator"
        )
    return rule()


def _sum(left: Node, right: Node, text: str, binary_call: Callable[[str], str]) -> str:
    for one, other in ((left, right), (right, left)):
        if _is_name(other, "beta"):
            return f"shift({_translate(one, text)})"
        weights = _weight_and_factor(one), _weight_and_factor(other)
        if weights[0] and weights[1] and _is_name(weights[0][0], "beta") and _is_one_minus_beta(weights[1][0]):
            return f"mix({_translate(weights[0][1], text)},{_translate(weights[1][1], text)})"
    negated = _operand_of_minus(left)
    return binary_call("add") if negated is None else f"sub({_translate(right, text)},{_translate(negated, text)})"


def _weight_and_factor(node: Node) -> tuple[Node, Node] | None:
    """Return the weight and u of ``beta*u`` or ``(1 - beta)*u``, factors in either order; None for anything else."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)):
        return None
    for one, other in ((node.left, node.right), (node.right, node.left)):
        if _is_name(one, "beta") or _is_one_minus_beta(one):
            return one, other
    return None


def _is_one_minus_beta(node: Node) -> bool:
    """Return whether the node is ``1 - beta``."""
    is_difference = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)
    return is_difference and _is_number(node.left, 1) and _is_name(node.right, "beta")  # type: ignore[attr-defined]


def _difference(left: Node, right: Node, text: str, binary_call: Callable[[str], str]) -> str:
    rest, beta = _weight_and_factor(left), _weight_and_factor(right)  # (1 - beta)*v - beta*u is a mix of -u and v
    if rest and beta and _is_one_minus_beta(rest[0]) and _is_name(beta[0], "beta"):
        return f"mix(neg({_translate(beta[1], text)}),{_translate(rest[1], text)})"
    beta, rest = rest, beta  # beta*u - (1 - beta)*v is a mix of u and -v
    if rest and beta and _is_one_minus_beta(rest[0]) and _is_name(beta[0], "beta"):
        return f"mix({_translate(beta[1], text)},neg({_translate(rest[1], text)}))"
    if _is_number(left, 0):
        return f"neg({_translate(right, text)})"
    return binary_call("sub")


def _product(left: Node, right: Node, text: str, binary_call: Callable[[str], str]) -> str:
    for one, other in ((left, right), (right, left)):
        if _is_name(one, "beta"):
            return f"scale({_translate(other, text)})"
        if isinstance(one, ast.Constant) and type(one.value) is int and 2 <= one.value <= PRODUCTS:
            inner = _translate(other, text)
            total = functools.reduce(lambda total, _: f"add({total},{inner})", range(one.value - 1), inner)
            return _checked_length(total, text)
        if isinstance(one, ast.Call) and _is_call(one, "Phi") and ast.dump(one.args[0]) == ast.dump(other):
            return f"gelu({_translate(other, text)})"
        negated = _operand_of_minus(one)
        if negated is not None and _is_name(negated, "beta"):
            return f"neg(scale({_translate(other, text)}))"
    return binary_call("mul")


def _quotient(left: Node, right: Node, text: str, binary_call: Callable[[str], str]) -> str:
    gate = _gate_argument(right)
    if gate is not None:
        inner = _translate(gate, text)
        return f"sigmoid({inner})" if _is_number(left, 1) else f"gate({inner},{_translate(left, text)})"
    return binary_call("div")
