"""One building block, described once, in one row that proves itself when it is built.

The row's ``code`` is what is trained, shown and exported. Not here: the rows themselves (``swish2017`` and its
neighbours) and how rows are combined (``expression``).
"""

import ast
import functools
import re
from dataclasses import dataclass, fields
from types import CodeType
from typing import TYPE_CHECKING

from actsearch.grammar.fault import UserFault, fault_text

if TYPE_CHECKING:
    import torch

OPERANDS = ("a", "b")
"""The names that a row's code and formula use for its first and second argument."""

_ORDINARY = (-3.0, -1.7, -1.0, -0.3, 0.0, 0.2, 1.0, 1.9, 2.6)


def call(name: str, arity: int) -> str:
    """Return how a row of that name is written, over x alone: ``gate(x,x)``; ``beta`` takes nothing."""
    return f"{name}({','.join('x' * arity)})" if arity else name


class BadPrimitive(UserFault):
    """A row that does not hold what it promises; the message names the row and the broken promise."""


@dataclass(frozen=True)
class Primitive:
    """A unary or binary building block of activation functions.

    Args:
        name: how the primitive is written in an expression, a Python identifier.
        arity: number of arguments: 0 for a constant or ``beta``, 1 for unary, 2 for binary.
        code: one Python expression over ``a``, ``b``, ``beta`` and ``torch``; elementwise, keeps the shape. It may name
            an intermediate value, ``(m := torch.abs(a))``.
        formula: the same function as mathematics (SymPy's notation over ``a``, ``b``, ``beta``).
        domain: where ``code`` equals ``formula``, as a SymPy condition; elsewhere the code is a safe continuation.
        note: the reason for anything that a reader would not expect, with its source.
        held: the code where the value is used by another row and could overflow: equal to ``code`` as long as the value
            stays under ``reach.MOST``, and finite in value and slopes for every finite argument; empty if cutting off
            the value is enough.

    Raises:
        BadPrimitive: the code does not parse, uses other names, has another arity, changes the shape, is not finite on
            ordinary inputs between -3 and 3, or differs from the held code there.
    """

    name: str
    arity: int
    code: str
    formula: str
    domain: str = "True"
    note: str = ""
    held: str = ""

    def __post_init__(self) -> None:
        """Check the row: names, arity, shape and finiteness on ordinary inputs."""
        if not self.name.isidentifier():
            raise BadPrimitive(f"primitive '{self.name}': a name must be a Python identifier")
        if self.arity not in (0, 1, 2):
            raise BadPrimitive(f"primitive '{self.name}': arity must be 0, 1 or 2, found {self.arity}")
        for code in filter(None, (self.code, self.held)):
            self._check_names(code)
        self._check_values()

    def _check_values(self) -> None:
        import torch  # noqa: PLC0415  a second, which reading a run saves

        value = self._value_on_ordinary_inputs(self.code)
        if self.held and not torch.allclose(self._value_on_ordinary_inputs(self.held), value, rtol=1e-12, atol=0):
            raise BadPrimitive(f"primitive '{self.name}': its held code differs from its code on ordinary inputs")

    @property
    def uses_beta(self) -> bool:
        """Whether the row reads the trainable scalar."""
        return "beta" in _names_in(self.code, self.name)

    def written_with(self, arguments: tuple[str, ...], code: str = "") -> str:
        """Return the row's code, or the given form of it, with its operands replaced by the given names."""
        renamed = _Rename(dict(zip(OPERANDS, arguments, strict=False)))
        return ast.unparse(renamed.visit(_parsed(code or self.code, self.name)))

    def __call__(self, *arguments: "torch.Tensor", beta: "torch.Tensor") -> "torch.Tensor":
        """Evaluate the row itself (tests and checks; training renders whole expressions instead)."""
        return self._evaluate(self.code, arguments, beta)

    def _evaluate(self, code: str, arguments: "tuple[torch.Tensor, ...]", beta: "torch.Tensor") -> "torch.Tensor":
        import torch  # noqa: PLC0415  as above

        scope = {"torch": torch, "beta": beta, **dict(zip(OPERANDS, arguments, strict=False))}
        return torch.as_tensor(eval(_compiled(code, self.name), scope))

    def _check_names(self, code: str) -> None:
        for name in sorted(_walrus_names(code, self.name)):
            if name in {"x", "a", "b", "beta", "torch"} or re.fullmatch(r"t\d+", name):
                raise BadPrimitive(f"primitive '{self.name}': an intermediate value must not be named '{name}'")
        used = _names_in(code, self.name) - {"torch", "beta"}
        if used != set(OPERANDS[: self.arity]):
            raise BadPrimitive(
                f"primitive '{self.name}': with arity {self.arity} its code must use exactly "
                f"{list(OPERANDS[: self.arity])} beside beta and torch, found {sorted(used)}"
            )

    def _value_on_ordinary_inputs(self, code: str) -> "torch.Tensor":
        import torch  # noqa: PLC0415  as above

        grid = torch.tensor(_ORDINARY, dtype=torch.float64)
        a, b = torch.meshgrid(grid, grid, indexing="ij")
        try:
            value = self._evaluate(code, (a, b)[: self.arity], torch.ones((), dtype=torch.float64))
        except Exception as fault:
            raise BadPrimitive(f"primitive '{self.name}': its code raised {fault_text(fault)}") from fault
        if self.arity and value.shape != a.shape:
            raise BadPrimitive(
                f"primitive '{self.name}': must keep the shape of its input, "
                f"gave {tuple(value.shape)} for {tuple(a.shape)}"
            )
        if not bool(torch.isfinite(value).all()):
            raise BadPrimitive(f"primitive '{self.name}': not finite on ordinary inputs between -3 and 3")
        return value


def built_in(
    name: str, arity: int, code: str, formula: str, domain: str = "True", note: str = "", held: str = ""
) -> Primitive:
    """Return a row of this project. A test checks it, so that whoever reads a run needs no torch for it."""
    row = object.__new__(Primitive)
    for field, value in zip(fields(Primitive), (name, arity, code, formula, domain, note, held), strict=True):
        object.__setattr__(row, field.name, value)  # frozen for everybody else
    return row


class _Rename(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.names.get(node.id, node.id), node.ctx)


def _parsed(code: str, name: str) -> ast.Expression:
    try:
        return ast.parse(code, mode="eval")
    except SyntaxError as fault:
        raise BadPrimitive(f"primitive '{name}': code must be one Python expression, found '{code}'") from fault


def _compiled(code: str, name: str) -> CodeType:
    return compile(_parsed(code, name), f"<primitive {name}>", "eval")


@functools.lru_cache(maxsize=1024)
def _names_in(code: str, name: str) -> frozenset[str]:
    nodes = list(ast.walk(_parsed(code, name)))
    return frozenset(node.id for node in nodes if isinstance(node, ast.Name)) - _walrus_names(code, name)


def _walrus_names(code: str, name: str) -> set[str]:
    return {node.target.id for node in ast.walk(_parsed(code, name)) if isinstance(node, ast.NamedExpr)}
