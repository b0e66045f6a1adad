"""Sets of primitives, selection of primitives by name, and the checks of user-defined primitives.

The code of a user-defined primitive comes from the user's config and runs on the user's machine. It never comes from a
store or an exported file. Not here: the primitives of the sets (``swish2017``, ``aquasurf2023``).
"""

import difflib
import functools
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from actsearch.grammar.expression import constant
from actsearch.grammar.fault import UserFault
from actsearch.grammar.formula import BadFormula, check_formula
from actsearch.grammar.plugins import BadPlugin, installed, loaded
from actsearch.grammar.primitive import OPERANDS, BadPrimitive, Primitive, built_in
from actsearch.grammar.rows import aquasurf2023, swish2017
from actsearch.grammar.symbolic import evaluate_formula

if TYPE_CHECKING:
    import torch

FURTHER = (
    built_in("gelu", 1, "torch.nn.functional.gelu(a)", "a*(1 + erf(a/sqrt(2)))/2", shown="({a})*Phi({a})"),
    built_in("mish", 1, "torch.nn.functional.mish(a)", "a*tanh(log(1 + exp(a)))", shown="({a})*tanh(softplus({a}))"),
    built_in("leaky_relu", 1, "torch.nn.functional.leaky_relu(a, 0.01)", "Max(a, 0) + Min(a, 0)/100"),
    built_in("leaky_relu_02", 1, "torch.nn.functional.leaky_relu(a, 0.2)", "Max(a, 0) + Min(a, 0)/5"),
    built_in(
        "rrelu_mean",
        1,
        "torch.nn.functional.leaky_relu(a, 11 / 48)",
        "Max(a, 0) + 11*Min(a, 0)/48",
        note="RReLU as torch evaluates it: the mean of the slopes 1/8 and 1/3; its randomness is a task's business",
    ),
    built_in(
        "prelu",
        1,
        "torch.relu(a) - beta / 4 * torch.relu(-a)",
        "Max(a, 0) + beta*Min(a, 0)/4",
        note="beta starts at 1, and PReLU's slope at 0.25 (He et al. 2015, section 2.1)",
    ),
    built_in(
        "leaky_backward_relu",
        1,
        "(m := torch.nn.functional.leaky_relu(a, 0.01)) + (torch.relu(a) - m).detach()",
        "Max(a, 0)",
        note="the value of a rectifier with the slope of a leaky one: it cannot die",
    ),
    built_in("hardswish", 1, "torch.nn.functional.hardswish(a)", "a*Max(0, Min(6, a + 3))/6"),
)
"""Primitives outside the sets: well-known activations that no set has as one primitive."""

SETS = {
    "swish2017": (*swish2017.UNARY, *swish2017.BINARY),
    "aquasurf2023": (*aquasurf2023.UNARY, *aquasurf2023.BINARY),
}
VOCABULARY: tuple[Primitive, ...] = (*swish2017.SWISH2017, *aquasurf2023.NEW, *FURTHER)
"""Every built-in primitive; the parser knows all of them."""


class UnknownPrimitive(UserFault):
    """No set and no primitive has this name; the message gives the nearest one."""


@functools.cache
def added() -> dict[str, tuple[Primitive, ...]]:
    """Return the sets of primitives that installed packages add, by name.

    Raises:
        BadPlugin: a package cannot be imported, or its plugin is not a tuple of primitives.
        BadPrimitive: a primitive fails a check.
    """
    sets: dict[str, tuple[Primitive, ...]] = {
        name: loaded("primitives", name, tuple) for name in installed("primitives")
    }
    for name, rows in sets.items():
        if not all(isinstance(row, Primitive) for row in rows):
            raise BadPlugin(f"the primitives '{name}': expected a tuple of actsearch.Primitive, found {rows!r}")
        for row in rows:
            check_own(row)
    return sets


def choose(names: str | Sequence[str | float], own: Sequence[Primitive] = ()) -> tuple[Primitive, ...]:
    """Return the primitives with these names, followed by the user-defined ones.

    Args:
        names: name of a set, or list of names of sets and primitives, and of numbers.
        own: user-defined primitives.

    Raises:
        UnknownPrimitive: a name is neither a set nor a primitive.
        BadPrimitive: a user-defined primitive fails a check.
    """
    rows: dict[str, Primitive] = {}
    sets = SETS | added()
    known = {row.name: row for row in (*VOCABULARY, *itertools.chain(*added().values()), *own)}
    for name in (names,) if isinstance(names, str) else names:
        if not isinstance(name, str):
            rows[constant(name).name] = constant(name)
        elif name in sets:
            rows |= {row.name: row for row in sets[name]}
        elif name in known:
            rows[name] = known[name]
        else:
            near = difflib.get_close_matches(name, [*sets, *known], n=1, cutoff=0.5)
            hint = f", did you mean '{near[0]}'?" if near else f"; sets: {', '.join(sets)}"
            raise UnknownPrimitive(f"unknown set or primitive '{name}'{hint}")
    for row in own:
        check_own(row)
        rows[row.name] = row
    return tuple(rows.values())


def check_own(row: Primitive) -> None:
    """Check a primitive that is not built in.

    Raises:
        BadPrimitive: its name is already in use, or it fails ``check``.
    """
    if row.name in {"x", *(built_in_row.name for built_in_row in VOCABULARY)}:
        raise BadPrimitive(f"primitive '{row.name}': the name is taken by a built-in one")
    try:
        check_formula(row.formula, (*OPERANDS[: row.arity], *(parameter.name for parameter in row.parameters)))
    except BadFormula as fault:
        raise BadPrimitive(f"primitive '{row.name}': {fault}") from fault
    check(row)


def check(row: Primitive) -> None:
    """Check what the constructor does not: formula, gradient, and elementwise computation.

    Raises:
        BadPrimitive: a check fails; the message gives the point and the two values.
    """
    import torch  # noqa: PLC0415  the import takes a second, and reading a run does not need it

    a = torch.tensor([1.7, -2.3, 0.4, -0.6, 0.9, -1.1], dtype=torch.float64)
    b = a.flip(0) * 0.7 + 0.15
    parameters = {parameter.name: torch.tensor(0.8, dtype=torch.float64) for parameter in row.parameters}
    arguments = [values.clone().requires_grad_() for values in (a, b)[: row.arity]]
    outputs = row(*arguments, **parameters).expand(len(a))
    if outputs.dtype != torch.float64:
        raise BadPrimitive(f"primitive '{row.name}': must give numbers of its input's type, gave {outputs.dtype}")
    for index in range(len(a)):
        inputs = {"a": float(a[index]), "b": float(b[index])} | dict.fromkeys(parameters, 0.8)
        at = ", ".join(f"{name}={value:g}" for name, value in inputs.items() if name in row.formula)
        value = float(outputs[index].detach())
        alone = float(row(*(argument[index].detach() for argument in arguments), **parameters))
        if abs(value - alone) > 1e-9 * max(1.0, abs(alone)):
            raise BadPrimitive(f"primitive '{row.name}': not elementwise, at {at} it gives {value:g}, alone {alone:g}")
        expected = evaluate_formula(row.formula, inputs)
        if expected is None:
            raise BadPrimitive(f"primitive '{row.name}': its formula '{row.formula}' has no real value at {at}")
        if abs(value - expected) > 1e-6 * max(1.0, abs(expected)):
            raise BadPrimitive(
                f"primitive '{row.name}': its code gives {value:.6g} at {at}, its formula {expected:.6g}"
            )
    _check_gradient(row, arguments, parameters, outputs)


def _check_gradient(
    row: Primitive, arguments: "list[torch.Tensor]", parameters: "dict[str, torch.Tensor]", outputs: "torch.Tensor"
) -> None:
    import torch  # noqa: PLC0415  as above

    complaint = f"primitive '{row.name}': its gradient is not that of its value (gradcheck)"
    if outputs.requires_grad:
        try:
            torch.autograd.gradcheck(lambda *inputs: row(*inputs, **parameters), arguments)
        except RuntimeError as fault:
            raise BadPrimitive(complaint) from fault
    elif float(outputs.max() - outputs.min()) > 1e-9:  # a constant has no gradient to check
        raise BadPrimitive(complaint)
