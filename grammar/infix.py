"""Formulas as people type them, ``x*sigmoid(beta*x)`` or ``x·σ(βx)``, written as expressions of rows.

Not here: expressions in the notation of rows (``parse``), and how an expression is written for people (``notation``).
"""

import ast
import re
from collections.abc import Callable

from actsearch.grammar.parse import BadExpression

SIGNS = re.compile(r"[-+*/^·−²³√|σβΦ]|(?<!\w)\d|\b(?:Max|Min|Abs)\b")
"""What tells an infix formula from calls of rows."""
SPELLINGS = (
    ("·", "*"), ("−", "-"), ("^", "**"), ("²", "**2"), ("³", "**3"), ("√", "sqrt"), ("σ", "sigmoid"), ("Φ", "Phi"),
    ("β", "beta"),
)  # fmt: skip
NAMES = {"Max": "max", "Min": "min", "Abs": "abs", "arctan": "atan", "arcsinh": "asinh"}
LARGEST, LARGEST_FACTOR = 96, 4096  # power, and whole factor, that are written out
WRITTEN = 20_000  # letters of rows that a formula may stand for: 8*(8*(8*x)) is five hundred times x
PRODUCTS = 8  # power or factor up to which products and sums are written one after the other
SHOWN = 60  # letters of a text in a message
Node = ast.expr


def is_infix(text: str) -> bool:
    """Return whether a text has operators, which the notation of rows has not."""
    return bool(SIGNS.search(text))


def rewritten(text: str) -> str:
    """Return an infix formula as calls of rows: ``mul(x,sigmoid(scale(x)))``.

    Raises:
        BadExpression: it is no formula, holds a constant that no row has, or stands for more than anybody can train.
    """
    if len(text) > WRITTEN:
        raise BadExpression(
            f"'{text[:SHOWN]} ...' is too long: expected at most {WRITTEN:,} letters, found {len(text):,}"
        )
    plain = _bars(text)
    for sign, ascii_sign in SPELLINGS:
        plain = plain.replace(sign, ascii_sign)
    plain = re.sub(r"/\s*betax\b", "/(beta*x)", plain)  # as one writes it, and reads it
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
        return _written(tree, shown)
    except RecursionError as fault:
        raise BadExpression(f"'{shown}' is nested too deeply") from fault


def _bars(text: str) -> str:
    """Return ``|u|`` as ``abs(u)``; a bar opens behind an operator, a bracket or a comma, else it closes."""
    found, before = "", ""
    for letter in text:
        if letter == "|":
            found += "abs(" if not before or before in "+-−*·/^(,|" else ")"
        else:
            found += letter
        before = letter if letter.strip() else before
        if letter == "|":
            before = "(" if found.endswith("(") else ")"
    return found


def _is_number(node: Node, value: float | None = None) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float) and value in (None, node.value)


def _is_name(node: Node, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_call(node: Node, name: str) -> bool:
    return isinstance(node, ast.Call) and _is_name(node.func, name) and len(node.args) == 1


def _denied(node: Node) -> Node | None:
    """Return u of ``-u``; None of anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return node.operand
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        left = _denied(node.left)
        return None if left is None else ast.BinOp(left, node.op, node.right)
    return None


def _in_gate(node: Node) -> Node | None:
    """Return u of ``1 + exp(-u)`` or ``exp(-u) + 1``."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)):
        return None
    for one, other in ((node.left, node.right), (node.right, node.left)):
        if _is_number(one, 1) and _is_call(other, "exp") and isinstance(other, ast.Call):
            return _denied(other.args[0])
    return None


def _written(node: Node, text: str) -> str:
    match node:
        case ast.Name(id="x" | "beta" as name):
            return name
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _written(operand, text)
        case ast.UnaryOp(op=ast.USub(), operand=operand) if not _is_number(operand):
            return f"neg({_written(operand, text)})"
        case ast.BinOp(op=ast.Pow(), left=left, right=ast.Constant(value=int() as power)) if 2 <= power <= LARGEST:
            return _power(_written(left, text), power, text)
        case ast.BinOp(op=op, left=left, right=right):
            return _operated(op, left, right, text)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if arguments:
            return _called(NAMES.get(name, name), arguments, text)
    found = ast.unparse(node)
    is_denied = isinstance(node, ast.UnaryOp) and _is_number(node.operand)
    if _is_number(node) or is_denied or _is_name(node, "E") or _is_name(node, "pi"):
        raise BadExpression(
            f"in '{text}': {found} is a constant, which expressions of these primitives do not have; write beta for a "
            "trainable factor (x*sigmoid(beta*x)), or add a primitive of your own (space.own)"
        )
    raise BadExpression(f"in '{text}': expected x, beta, operators and functions, found '{found}'")


def _bounded(written: str, text: str) -> str:
    """Return rows that a formula stands for.

    Raises:
        BadExpression: there are more of them than anybody can train.
    """
    if len(written) > WRITTEN:
        raise BadExpression(
            f"'{text}' stands for more than {WRITTEN:,} letters, since powers and whole factors are written out: "
            "expected smaller ones"
        )
    return written


def _power(inner: str, power: int, text: str) -> str:
    """Return a whole power: up to 8 as products, above as squares and cubes of powers, which copy nothing."""
    if power == 1:
        return inner
    if power in (2, 3):
        return f"{'square' if power == 2 else 'cube'}({inner})"
    if power <= PRODUCTS:
        return _bounded(f"mul({_power(inner, power - 2, text)},square({inner}))", text)
    for factor, row in ((2, "square"), (3, "cube")):
        if power % factor == 0:
            return f"{row}({_power(inner, power // factor, text)})"
    return _bounded(f"mul({_power(inner, power - 1, text)},{inner})", text)


def _called(name: str, arguments: list[Node], text: str) -> str:
    if name == "log" and len(arguments) == 1:
        one = arguments[0]
        if isinstance(one, ast.BinOp) and isinstance(one.op, ast.Add):
            for first, second in ((one.left, one.right), (one.right, one.left)):
                if _is_number(first, 1) and isinstance(second, ast.Call) and _is_call(second, "exp"):
                    return f"softplus({_written(second.args[0], text)})"
    if name in ("max", "min") and len(arguments) == 2 and any(_is_number(one, 0) for one in arguments):
        rest = next((one for one in arguments if not _is_number(one, 0)), arguments[0])
        return f"{'relu' if name == 'max' else 'minzero'}({_written(rest, text)})"
    if name in ("max", "min") and len(arguments) > 2:
        arguments = sorted(arguments, key=lambda one: _is_number(one, 0))  # 0 last
        return f"{name}({_written(arguments[0], text)},{_called(name, arguments[1:], text)})"
    if name == "sqrt" and len(arguments) == 1 and isinstance(arguments[0], ast.Call):
        inner = arguments[0]
        if (
            isinstance(inner.func, ast.Name)
            and NAMES.get(inner.func.id, inner.func.id) == "abs"
            and len(inner.args) == 1
        ):
            arguments = inner.args  # the row is the root of the size
    return f"{name}({','.join(_written(one, text) for one in arguments)})"


def _operated(op: ast.operator, left: Node, right: Node, text: str) -> str:
    def both(row: str) -> str:
        return _bounded(f"{row}({_written(left, text)},{_written(right, text)})", text)

    rules: dict[type[ast.operator], Callable[[], str]] = {
        ast.Add: lambda: _sum(left, right, text, both),
        ast.Sub: lambda: _difference(left, right, text, both),
        ast.Mult: lambda: _product(left, right, text, both),
        ast.Div: lambda: _quotient(left, right, text, both),
    }
    rule = rules.get(type(op))
    if rule is None:
        raise BadExpression(
            f"in '{text}': expected + - * / and whole powers from 2 to {LARGEST}, found another operator"
        )
    return rule()


def _sum(left: Node, right: Node, text: str, both: Callable[[str], str]) -> str:
    for one, other in ((left, right), (right, left)):
        if _is_name(other, "beta"):
            return f"shift({_written(one, text)})"
        weights = _weighted(one), _weighted(other)
        if weights[0] and weights[1] and _is_name(weights[0][0], "beta") and _is_rest(weights[1][0]):
            return f"mix({_written(weights[0][1], text)},{_written(weights[1][1], text)})"
    denied = _denied(left)
    return both("add") if denied is None else f"sub({_written(right, text)},{_written(denied, text)})"


def _weighted(node: Node) -> tuple[Node, Node] | None:
    """Return weight and what is weighted, of ``beta*u`` or ``(1 - beta)*u``, in either order."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)):
        return None
    for one, other in ((node.left, node.right), (node.right, node.left)):
        if _is_name(one, "beta") or _is_rest(one):
            return one, other
    return None


def _is_rest(node: Node) -> bool:
    """Whether it is ``1 - beta``."""
    is_difference = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)
    return is_difference and _is_number(node.left, 1) and _is_name(node.right, "beta")  # type: ignore[attr-defined]


def _difference(left: Node, right: Node, text: str, both: Callable[[str], str]) -> str:
    rest, beta = _weighted(left), _weighted(right)  # (1 - beta)*v - beta*u is a mix of -u and v
    if rest and beta and _is_rest(rest[0]) and _is_name(beta[0], "beta"):
        return f"mix(neg({_written(beta[1], text)}),{_written(rest[1], text)})"
    beta, rest = rest, beta  # beta*u - (1 - beta)*v is a mix of u and -v
    if rest and beta and _is_rest(rest[0]) and _is_name(beta[0], "beta"):
        return f"mix({_written(beta[1], text)},neg({_written(rest[1], text)}))"
    if _is_number(left, 0):
        return f"neg({_written(right, text)})"
    return both("sub")


def _product(left: Node, right: Node, text: str, both: Callable[[str], str]) -> str:
    for one, other in ((left, right), (right, left)):
        if _is_name(one, "beta"):
            return f"scale({_written(other, text)})"
        if isinstance(one, ast.Constant) and type(one.value) is int and 2 <= one.value <= LARGEST_FACTOR:
            inner = _written(other, text)
            if one.value * (len(inner) + len("add(,)")) > WRITTEN:
                _bounded("x" * (WRITTEN + 1), text)
            return _times(inner, one.value)
        if isinstance(one, ast.Call) and _is_call(one, "Phi") and ast.dump(one.args[0]) == ast.dump(other):
            return f"gelu({_written(other, text)})"
        denied = _denied(one)
        if denied is not None and _is_name(denied, "beta"):
            return f"neg(scale({_written(other, text)}))"
    return both("mul")


def _times(inner: str, count: int) -> str:
    """Return a sum of copies: up to 8 one after the other, above by halves, which nests less."""
    if count <= PRODUCTS:
        found = inner
        for _ in range(count - 1):
            found = f"add({found},{inner})"
        return found
    return f"add({_times(inner, count - count // 2)},{_times(inner, count // 2)})"


def _quotient(left: Node, right: Node, text: str, both: Callable[[str], str]) -> str:
    gate = _in_gate(right)
    if gate is not None:
        inner = _written(gate, text)
        return f"sigmoid({inner})" if _is_number(left, 1) else f"gate({inner},{_written(left, text)})"
    return both("div")
