"""The lines that were trained, written as a person would: one line where nothing is needed twice, names that say what.

Not here: the file around them (``torch_file``).
"""

import ast
from collections import Counter

from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.expression import INPUT, Expression
from actsearch.grammar.render import steps
from actsearch.grammar.rows.known import names_by_fingerprint

NATIVE = (
    {
        "relu": "torch.relu(x)",
        "tanh": "torch.tanh(x)",
        "sigmoid": "torch.sigmoid(x)",
        "abs": "torch.abs(x)",
        "squared_relu": "torch.square(torch.relu(x))",
        "leaky_relu": "torch.nn.functional.leaky_relu(x, 0.01)",
        "leaky_relu_02": "torch.nn.functional.leaky_relu(x, 0.2)",
    }
    | {
        name: f"torch.nn.functional.{name}(x)"
        for name in ("silu", "gelu", "mish", "elu", "selu", "hardswish", "softsign")
    }
    | {"softplus": "torch.nn.functional.softplus(x, 1, 40).to(x.dtype)"}  # autocast on CUDA would widen it
)
"""Known activations that torch has, equal up to rounding."""
ROUNDED_ONCE = tuple(name for name in NATIVE if name not in {"softsign", "squared_relu"})
"""Of these, what torch itself computes in single precision and rounds once, and gives back in its input's precision."""

EXPORTED = tuple(name for name in NATIVE if name not in {"softplus", "elu", "selu"})
"""Of these, what torch's exporters to ONNX have as well."""


def native(expression: Expression) -> tuple[str, str]:
    """Return name and call of what torch has; empty where it has none."""
    if not expression.uses_beta:
        for name in names_by_fingerprint().get(fingerprint(expression), ()):
            if name in NATIVE:
                return name, NATIVE[name]
    return "", ""


def lines_for_a_compiler(expression: Expression) -> list[str]:
    """Return the same body without what compilers are slow with; empty where there is nothing of it.

    torch's inductor keeps the mask of a comparison for the backward pass, and on a CPU reads and writes it number by
    number: max(x, sin(x)) took 10 times as long as SiLU. What a mask of floats is made of, it computes again.
    """
    plain = function_lines(expression)
    body = ast.parse("\n".join(["def f():", *(f"    {line}" for line in plain)]))
    found = [ast.unparse(line) for line in _Unmasked().visit(body).body[0].body]
    return found if found != plain else []


class _Unmasked(ast.NodeTransformer):
    """Writes ``(a > b).to(a.dtype)`` as the sign of what a is larger by."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        match node.func:
            case ast.Attribute(value=ast.Compare(left=a, ops=[ast.Gt()], comparators=[b]), attr="to"):
                return _sign(a, b)
            case ast.Attribute(value=ast.Compare(left=a, ops=[ast.Lt()], comparators=[b]), attr="to"):
                return _sign(b, a)
        return node


def _sign(more: ast.expr, less: ast.expr) -> ast.expr:
    text = f"torch.sign(torch.relu({ast.unparse(ast.BinOp(more, ast.Sub(), less))})).detach()"
    return ast.parse(text, mode="eval").body


def function_lines(expression: Expression) -> list[str]:
    """Return the body of the function: what was trained, with nothing named that is needed once."""
    if call := native(expression)[1]:
        return [f"return {call}"]
    found = steps(expression)
    names, taken = {}, set[str]()
    for step, node, _ in found:
        names[step] = _name(node, taken)
    result = found[-1][0] if found else "x"
    lines = [f"{step} = {code}" for step, _, code in found]
    last = f"return {result}" if expression.contains_input else f"return {result} + 0 * x"
    body = ast.parse("\n".join(f"    {line}" for line in ["def f():", *lines, last])[4:]).body[0]
    assert isinstance(body, ast.FunctionDef)
    renamed = [
        _Insert({old: ast.Name(new, ast.Load()) for old, new in names.items()}).visit(line) for line in body.body
    ]
    for line in renamed:
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            line.targets[0].id = names[line.targets[0].id]
    return [ast.unparse(line) for line in _tidied(_unfolded(renamed))]


def _name(node: Expression, taken: set[str]) -> str:
    """Return a name by the row, ``sin_x``; numbered where it is applied to something else."""
    row = node.primitive.name
    alone = len(node.arguments) == 1 and node.arguments[0].primitive is INPUT
    name, number = f"{row}_x" if alone else f"{row}_1", 1
    while name in taken:
        number += 1
        name = f"{row}_{number}"
    taken.add(name)
    return name


class _Unfold(ast.NodeTransformer):
    """Takes assignments out of an expression: TorchScript has none there."""

    def __init__(self, names: Counter[str]) -> None:
        self.names, self.before, self.now = names, list[ast.stmt](), dict[str, str]()

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.expr:
        value = self.visit(node.value)
        kind = "held" if node.target.id == "m" else node.target.id
        self.names[kind] += 1
        name = f"{kind}_{self.names[kind]}"
        self.now[node.target.id] = name
        self.before.append(ast.Assign([ast.Name(name, ast.Store())], value, lineno=0))
        return ast.Name(name, ast.Load())

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Name(self.now.get(node.id, node.id), node.ctx)


def _unfolded(lines: list[ast.stmt]) -> list[ast.stmt]:
    names, found = Counter[str](), list[ast.stmt]()
    for line in lines:
        unfold = _Unfold(names)
        done = unfold.visit(line)
        found += [*unfold.before, done]
    return found


class _Insert(ast.NodeTransformer):
    """Writes values in the places of their names."""

    def __init__(self, values: dict[str, ast.expr]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.values.get(node.id, node) if isinstance(node.ctx, ast.Load) else node


def _tidied(lines: list[ast.stmt]) -> list[ast.stmt]:
    """Return lines without those whose value is used once: it stands where it is used."""
    found, values = list[ast.stmt](), dict[str, ast.expr]()
    uses = Counter(
        node.id
        for line in lines
        for node in ast.walk(line)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    )
    for line in lines:
        done = _Insert(values).visit(line)
        if isinstance(done, ast.Assign) and isinstance(done.targets[0], ast.Name) and uses[done.targets[0].id] == 1:
            values[done.targets[0].id] = done.value
        else:
            found.append(done)
    return found
