"""A primitive: one building block of activation functions, checked when it is created.

Training, display and export all use the ``code`` of the primitive. Not here: the primitives themselves (``swish2017``
and its neighbours), and their combination (``expression``).
"""

import ast
import functools
import re
from dataclasses import dataclass, fields
from functools import cached_property
from types import CodeType
from typing import TYPE_CHECKING

from actsearch.grammar.fault import UserFault, fault_text
from actsearch.grammar.parameter import BETA, Parameter

if TYPE_CHECKING:
    import torch

OPERANDS = ("a", "b")
"""Names of the first and second argument in a primitive's code and formula."""

_ORDINARY = (-3.0, -1.7, -1.0, -0.3, 0.0, 0.2, 1.0, 1.9, 2.6)


def call(name: str, arity: int) -> str:
    """Return an example call over x: ``gate(x,x)``; the name alone for arity 0."""
    return f"{name}({','.join('x' * arity)})" if arity else name


class BadPrimitive(UserFault):
    """A primitive fails a check; the message names the primitive and the check."""


@dataclass(frozen=True)
class Primitive:
    """A unary or binary building block of activation functions.

    Args:
        name: name of the primitive in expressions, a Python identifier.
        arity: number of arguments: 0 for a constant or a parameter, 1 for unary, 2 for binary.
        code: one Python expression over ``a``, ``b``, the parameters and ``torch``; elementwise, keeps the shape. It
            may name an intermediate value, ``(m := torch.abs(a))``. The code of an input is empty.
        formula: the same function as mathematics, in SymPy's notation over ``a``, ``b`` and the parameters.
        domain: SymPy condition under which ``code`` equals ``formula``; elsewhere the code is a safe continuation.
        note: reason for anything that a reader would not expect, with its source.
        held: code for use inside another primitive, where the value could overflow. It equals ``code`` as long as the
            value stays under ``reach.MOST``; value and slopes are finite for every finite argument. Empty if clamping
            the value is enough.
        shown: the formula as people write it, if that is not a call of the primitive's name.
        parameters: trainable scalars that the code may read.

    Raises:
        BadPrimitive: the code does not parse, uses other names, has another arity, changes the shape, is not finite on
            ordinary inputs between -3 and 3, or differs from ``held`` there.
    """

    name: str
    arity: int
    code: str
    formula: str
    domain: str = "True"
    note: str = ""
    held: str = ""
    shown: str = ""
    parameters: tuple[Parameter, ...] = (BETA,)

    def __post_init__(self) -> None:
        """Check names and arity, and shape and finiteness on ordinary inputs."""
        if not self.name.isidentifier():
            raise BadPrimitive(f"primitive '{self.name}': a name must be a Python identifier")
        if self.arity not in (0, 1, 2):
            raise BadPrimitive(f"primitive '{self.name}': arity must be 0, 1 or 2, found {self.arity}")
        for code in (self.code, *filter(None, [self.held])):
            self._check_names(code)
        self._check_values()

    def _check_values(self) -> None:
        import torch  # noqa: PLC0415  the import takes a second, and reading a run does not need it

        value = self._value_on_ordinary_inputs(self.code)
        if self.held and not torch.allclose(self._value_on_ordinary_inputs(self.held), value, rtol=1e-12, atol=0):
            raise BadPrimitive(f"primitive '{self.name}': its held code differs from its code on ordinary inputs")

    @property
    def is_input(self) -> bool:
        """Whether this primitive is an input of the function."""
        return not self.code

    @property
    def is_number(self) -> bool:
        """Whether this primitive is a number, which is its name."""
        return self.arity == 0 and self.name[-1:].isdigit() and not self.name.isidentifier()

    @cached_property
    def reads(self) -> tuple[Parameter, ...]:
        """The trainable scalars that the code reads."""
        names = _names_in(self.code, self.name) if self.code else frozenset()
        return tuple(parameter for parameter in self.parameters if parameter.name in names)

    def __call__(self, *arguments: "torch.Tensor", **parameters: "torch.Tensor") -> "torch.Tensor":
        """Evaluate the primitive alone, for tests and checks; training evaluates whole functions."""
        return self._evaluate(self.code, arguments, parameters)

    def _evaluate(
        self, code: str, arguments: "tuple[torch.Tensor, ...]", parameters: "dict[str, torch.Tensor]"
    ) -> "torch.Tensor":
        import torch  # noqa: PLC0415  as above

        scope = {"torch": torch, **parameters, **dict(zip(OPERANDS, arguments, strict=False))}
        value = eval(_compiled(code, self.name), scope)
        return torch.tensor(value, dtype=torch.float64) if isinstance(value, int | float) else torch.as_tensor(value)

    def _check_names(self, code: str) -> None:
        allowed = {parameter.name for parameter in self.parameters} | {"torch"}
        for name in sorted(_walrus_names(code, self.name)):
            if name in {"x", *OPERANDS} | allowed or re.fullmatch(r"t\d+", name):
                raise BadPrimitive(f"primitive '{self.name}': an intermediate value must not be named '{name}'")
        used = _names_in(code, self.name) - allowed
        if used != set(OPERANDS[: self.arity]):
            raise BadPrimitive(
                f"primitive '{self.name}': with arity {self.arity} its code must use exactly "
                f"{list(OPERANDS[: self.arity])} beside {' and '.join(sorted(allowed))}, found {sorted(used)}"
            )

    def _value_on_ordinary_inputs(self, code: str) -> "torch.Tensor":
        import torch  # noqa: PLC0415  as above

        grid = torch.tensor(_ORDINARY, dtype=torch.float64)
        a, b = torch.meshgrid(grid, grid, indexing="ij")
        try:
            starts = {
                parameter.name: torch.full((), parameter.start, dtype=torch.float64) for parameter in self.parameters
            }
            value = self._evaluate(code, (a, b)[: self.arity], starts)
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
    name: str, arity: int, code: str, formula: str, domain: str = "True", note: str = "", held: str = "",
    shown: str = "",
) -> Primitive:  # fmt: skip
    """Return a built-in primitive without checking it, so that reading a run needs no torch; a test checks it.

    The arguments are the fields of ``Primitive``.
    """
    row = object.__new__(Primitive)
    values = (name, arity, code, formula, domain, note, held, shown, (BETA,))
    for field, value in zip(fields(Primitive), values, strict=True):
        object.__setattr__(row, field.name, value)  # the dataclass is frozen
    return row


def _parsed(code: str, name: str) -> ast.Expression:
    try:
        return ast.parse(code, mode="eval")
    except SyntaxError as fault:
        raise BadPrimitive(f"primitive '{name}': code must be one Python expression, found '{code}'") from fault


def _compiled(code: str, name: str) -> CodeType:
    return compile(_parsed(code, name), f"<primitive {name}>", "eval")


@functools.lru_cache(maxsize=1024)
def _names_in(code: str, name: str) -> frozenset[str]:
    """Return the names that the code of primitive ``name`` reads, without those that it assigns."""
    nodes = list(ast.walk(_parsed(code, name)))
    return frozenset(node.id for node in nodes if isinstance(node, ast.Name)) - _walrus_names(code, name)


def _walrus_names(code: str, name: str) -> set[str]:
    return {node.target.id for node in ast.walk(_parsed(code, name)) if isinstance(node, ast.NamedExpr)}
