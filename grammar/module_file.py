"""Expression -> the text of a Python file that imports torch alone and holds the function as an ``nn.Module``.

The function's body is what was trained (``render``), written as a person would: one line where nothing is needed twice,
and torch's own function where the function is one. Not here: writing the file and proving it (``search``'s export).
"""

import ast
from collections import Counter

from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.expression import Expression
from actsearch.grammar.notation import written
from actsearch.grammar.render import source_lines
from actsearch.grammar.rows.known import names_by_fingerprint

NATIVE = {
    "relu": "torch.relu(x)",
    "tanh": "torch.tanh(x)",
    "sigmoid": "torch.sigmoid(x)",
    "abs": "torch.abs(x)",
    "squared_relu": "torch.square(torch.relu(x))",
    "leaky_relu": "torch.nn.functional.leaky_relu(x, 0.01)",
    "leaky_relu_02": "torch.nn.functional.leaky_relu(x, 0.2)",
} | {
    name: f"torch.nn.functional.{name}(x)"
    for name in ("silu", "gelu", "mish", "softplus", "elu", "selu", "hardswish", "softsign")
}
"""Known activations that torch has, equal up to rounding."""
_HEAD = '''\
class {name}(torch.nn.Module):
    """{formula}

    Args:
        channels: {channels}
        dimension: {dimension}
'''
_WITH_BETA = '''\
        beta: where every beta starts.
    """

    def __init__(self, channels: int = 1, dimension: int = 1, beta: float = {start}) -> None:
        super().__init__()
        self.channels = channels
        self.dimension = dimension
        self.beta = torch.nn.Parameter(torch.full((channels,), float(beta)))

    def extra_repr(self) -> str:
        return "channels={{}}, dimension={{}}".format(self.channels, self.dimension)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shape = [1] * x.dim()
        if self.channels > 1:
            if not -x.dim() <= self.dimension < x.dim() or x.shape[self.dimension] != self.channels:
                wanted = "{{}} channels in dimension {{}}".format(self.channels, self.dimension)
                raise ValueError("expected {{}}, found the shape {{}}".format(wanted, list(x.shape)))
            shape[self.dimension] = -1
        return {function}(x, self.beta.view(shape))
'''
_PLAIN = '''\
    """

    def __init__(self, channels: int = 1, dimension: int = 1) -> None:
        super().__init__()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return {function}(x)
'''


def module_source(expression: Expression, *, name: str = "Activation", beta_start: float = 1.0) -> str:
    """Return the whole file.

    Args:
        expression: the function.
        name: of the class.
        beta_start: value of beta at the start, as in training.
    """
    has_beta = expression.uses_beta
    parameters = "x: torch.Tensor, beta: torch.Tensor" if has_beta else "x: torch.Tensor"
    body = "\n".join(f"    {line}" for line in function_lines(expression))
    formula = written(expression, upright=False).plain
    shown = formula if formula == str(expression) else f"{formula}, searched as {expression}"
    head = _HEAD.format(
        name=name, formula=formula,
        channels="number of trainable betas, one per channel, or 1 for the whole layer." if has_beta else
        "not needed: taken, so that files of this kind can stand for one another.",
        dimension="which dimension of the input is the channels'." if has_beta else "the same.",
    )  # fmt: skip
    tail = (_WITH_BETA if has_beta else _PLAIN).format(start=beta_start, function="activation")
    function = f"def activation({parameters}) -> torch.Tensor:\n{body}\n"
    return "\n\n".join(
        (f'"""{shown}: written by an activation search; needs torch alone."""\n\nimport torch\n', function, head + tail)
    )


def function_lines(expression: Expression) -> list[str]:
    """Return the body of the function: what was trained, with nothing named that is needed once."""
    known = names_by_fingerprint().get(fingerprint(expression), ())
    native = next((NATIVE[name] for name in known if name in NATIVE), "")
    if native and not expression.uses_beta:
        return [f"return {native}"]
    statements = ast.parse("\n".join(f"    {line}" for line in ["def f():", *source_lines(expression)])[4:]).body[0]
    assert isinstance(statements, ast.FunctionDef)
    return [ast.unparse(line) for line in _tidied(_unfolded(statements.body))]


class _Unfold(ast.NodeTransformer):
    """Takes assignments out of an expression: TorchScript has none there."""

    def __init__(self, names: Counter[str]) -> None:
        self.names, self.before, self.now = names, list[ast.stmt](), dict[str, str]()

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.expr:
        value = self.visit(node.value)
        self.names[node.target.id] += 1
        name = f"{node.target.id}{self.names[node.target.id]}"
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
