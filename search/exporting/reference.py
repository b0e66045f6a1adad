"""The reference of an exported file: the trained function at chosen points, and the tolerance.

Not here: the run of the file itself (``proof``).
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from actsearch.grammar.expression import Expression
from actsearch.grammar.function import Function, function_of, values_and_slopes
from actsearch.grammar.reach import MOST

CHANNELS = 3
SCALARS = (0.375, 1.0, 1.75)
"""A parameter's value by channel, exact in half precision too; further parameters take them in another order."""
VALUE = "value"
DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
ELSEWHERE = 1e-10  # for double precision, where a library other than torch computes sines and exponentials
BASE = {"float64": 1e-12, "float32": 1e-5, "bfloat16": 2.0**-7, "float16": 2.0**-10}
"""Tolerance by precision, relative to max(1, value); for half precisions, one unit in the last place."""
SAME = 1e-6  # relative; a clamped value differs by far more, rounding by far less
SPECIAL = (float("inf"), float("-inf"), float("nan"), -0.0)
NAN_ROW = -2
MOVES = (-8, -1, 1, 8)  # in units of the last place of x
ROUNDINGS = 8
Numbers = Mapping[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]


def points() -> torch.Tensor:
    """Return ``(points, CHANNELS)``: a dense +-6, +-1e4 on a log scale, the smallest numbers, 0, -0, +-inf and NaN."""
    sizes = torch.logspace(-8, 4, 97, dtype=torch.float64)
    tiny = torch.tensor([5e-324, 1e-310, 1.4e-45, 1e-40, 1.2e-38, 6e-8], dtype=torch.float64)
    far = torch.cat([sizes, tiny])
    special = torch.tensor([0.0, *SPECIAL], dtype=torch.float64)
    x = torch.cat([torch.linspace(-6, 6, 121, dtype=torch.float64), far, -far, special])
    return x.repeat(CHANNELS, 1).T.contiguous()


def inputs_of(function: Function) -> torch.Tensor:
    """Return ``(inputs, points, CHANNELS)``: ``points`` for the first input, numbers in +-3 for the others."""
    x = points()
    ordinary = torch.arange(x.numel(), dtype=torch.float64).reshape(x.shape)
    return torch.stack([x, *(3 * torch.sin(ordinary * n * 0.7) for n in range(1, len(function.inputs)))])


def scalars_of(function: Function) -> torch.Tensor:
    """Return the test value of every parameter in every channel, ``(parameters, CHANNELS)``."""
    rows = [
        SCALARS[n % CHANNELS :] + SCALARS[: n % CHANNELS] if one.place == "channel" else SCALARS[:1] * CHANNELS
        for n, one in enumerate(function.parameters)
    ]
    return torch.tensor(rows, dtype=torch.float64).reshape(-1, CHANNELS)


def slope_kinds(function: Function) -> tuple[str, ...]:
    """Return the names of the slopes, in the order of inputs and parameters."""
    return tuple(f"slope_{name}" for name in function.names)


@dataclass(frozen=True)
class Reference:
    """The trained function at ``inputs_of`` and ``scalars_of``.

    Args:
        numbers: ``value_float64``, ``slope_x_float32``, ... -> numbers, stored in double precision.
        slack: the same names -> change of each number when x, or the result of every operation, moves by a few last
            places; infinity where that change is NaN.
        differentiable: whether its slope is the derivative of its value; false for a rectifier that has the slope of a
            leaky one.
    """

    numbers: Numbers
    slack: Numbers
    differentiable: bool


def reference(function: Function, scalars: torch.Tensor | None = None) -> Reference:
    """Compute the numbers of the trained function.

    Args:
        function: trained function.
        scalars: value of each parameter by channel, ``(parameters, CHANNELS)``; by default ``scalars_of``.
    """
    numbers, slack = {}, {}
    scalars = scalars_of(function) if scalars is None else scalars
    for name, dtype in DTYPES.items():
        inputs = inputs_of(function).to(dtype)
        wide = inputs if dtype in {torch.float32, torch.float64} else inputs.float()
        step = (torch.nextafter(wide, torch.full_like(wide, torch.inf)) - wide).nan_to_num(0.0, 0.0, 0.0)
        results = _computed(function, wide, scalars)
        moved = [torch.zeros_like(part, dtype=torch.float64) for part in results]
        variants = [_computed(function, wide + steps * step, scalars) for steps in MOVES]
        for seed in range(ROUNDINGS):
            with _Rounding(torch.finfo(wide.dtype).eps, seed):
                variants.append(_computed(function, wide, scalars))
        for variant in variants:
            for one, here, there in zip(moved, results, variant, strict=True):
                one.add_((there - here).double().abs())
        for kind, here, change in zip((VALUE, *slope_kinds(function)), results, moved, strict=True):
            numbers[f"{kind}_{name}"] = here.to(dtype).double().numpy()  # computed in single precision, rounded once
            slack[f"{kind}_{name}"] = change.nan_to_num(nan=torch.inf).numpy()
    return Reference(numbers, slack, _is_differentiable(function))


class _Rounding(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's
    """Moves the result of every operation at random by up to two last places, as another order of operations might.

    This is Monte Carlo arithmetic (Parker 1997, "Monte Carlo arithmetic: exploiting randomness in floating-point
    arithmetic").
    """

    def __init__(self, eps: float, seed: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.eps, self.generator = eps, torch.Generator().manual_seed(seed)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        returns = func._schema.returns
        if not (isinstance(result, torch.Tensor) and result.is_floating_point() and returns[0].alias_info is None):
            return result
        chance = torch.randint(-2, 3, result.shape, generator=self.generator, dtype=result.dtype)
        return result + result * (self.eps * chance) if result.dtype in {torch.float32, torch.float64} else result


def _computed(function: Function, inputs: torch.Tensor, scalars: torch.Tensor) -> list[torch.Tensor]:
    values = [*inputs, *(row.to(inputs.dtype).expand_as(inputs[0]).clone() for row in scalars)]
    leaves = [value.detach().requires_grad_() for value in values]
    result = function(*leaves)
    slopes = tuple(torch.zeros_like(leaf) for leaf in leaves)
    if result.requires_grad:
        slopes = torch.autograd.grad(result, leaves, torch.ones_like(result), allow_unused=True, materialize_grads=True)
    return [result.detach(), *slopes]


def _is_differentiable(function: Function) -> bool:
    x = torch.tensor([-1.31, -0.47, 0.53, 1.27], dtype=torch.float64, requires_grad=True)
    others = [x.detach().roll(n) for n in range(1, len(function.inputs))]
    scalars = [torch.full((), 0.8, dtype=torch.float64) for _ in function.parameters]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.autograd.gradcheck(lambda x: function(x, *others, *scalars) + 0 * x, (x,))
    except RuntimeError:
        return False


def largest_gap(
    numbers: Numbers, expected: Reference, *, exact: bool, kinds: tuple[str, ...] = (*DTYPES,), flushes: bool = False
) -> dict[str, float]:
    """Return the largest difference by precision, as a multiple of the tolerance: above 1 the file is wrong.

    Args:
        numbers: numbers of a file, under the names of the reference.
        expected: the reference.
        exact: whether the file computes the very lines that were trained. Otherwise any number passes where the
            reference is not finite, and any slope where x is infinite, but f(NaN) must be NaN. Slopes at subnormal x,
            and signs at x = -0, are then not compared.
        kinds: precisions to compare.
        flushes: whether the file treats subnormal numbers as 0.
    """
    gaps = {}
    for dtype in kinds:
        worst = 0.0
        size = points().abs()
        subnormal = (size > 0) & (size < 2 * torch.finfo(DTYPES[dtype]).tiny)
        for name in (name for name in expected.numbers if name.endswith(f"_{dtype}")):
            is_value = name.startswith(VALUE)
            if is_value or name in numbers:
                base = BASE[dtype] if exact else max(BASE[dtype], ELSEWHERE)
                triple = (numbers[name], expected.numbers[name], expected.slack[name])
                gap = _gap(triple, base, exact=exact, is_value=is_value, most=torch.finfo(DTYPES[dtype]).max)
                ignored = subnormal if flushes or (not is_value and not exact) else size < 0
                worst = max(worst, float(gap[~ignored].max()))
        gaps[dtype] = worst
    return gaps


def _gap(
    triple: tuple[object, object, object], base: float, *, exact: bool, is_value: bool, most: float
) -> torch.Tensor:
    f, w, s = (torch.from_numpy(np.ascontiguousarray(part, dtype=np.float64)) for part in triple)
    if f.shape != w.shape:
        return torch.full_like(w, torch.inf)
    row = torch.arange(len(w))[:, None]
    none, minus_zero = row == len(w) + NAN_ROW, row == len(w) - 1
    same = (f == w) | (f.isnan() & w.isnan()) | (none & (not is_value))
    if not exact:
        infinite = (row >= len(w) - len(SPECIAL)) & ~none & ~minus_zero
        same |= (~w.isfinite() & ~(none & is_value)) | (infinite & (not is_value)) | (minus_zero & (f == -w))
        same |= f.isinf() & (w.abs() + s >= most)
    gap = (f - w).abs() / (base * w.abs().clamp(min=1.0) + s)
    return torch.where(same, 0.0, gap).nan_to_num(nan=torch.inf)


def weak_spot(expression: Expression) -> str:
    """Say from which x on the exported function differs from its formula or overflows in single precision; else "".

    The formula is evaluated in double precision without clamping inner values. Points where its value does not fit
    single precision are skipped.
    """
    x, *others = inputs_of(function_of(expression))[:, : -len(SPECIAL)]
    trained, written = function_of(expression), function_of(expression, held=False)
    rest = [*others, *scalars_of(trained)]
    truth, trained_numbers = (values_and_slopes(function, x, *rest) for function in (written, trained))
    single = values_and_slopes(trained, x.float(), *(one.float() for one in rest))
    for name, exact, clamped, narrow in zip(("value", "slope"), truth, trained_numbers, single, strict=True):
        known = exact.isfinite() & (exact.abs() < torch.finfo(torch.float32).max)
        for weak, says in (
            (known & ~narrow.isfinite(), "is not finite in single precision"),
            (known & ((clamped - exact).abs() > SAME * (1 + exact.abs())), f"is held: a value inside passes {MOST:g}"),
        ):
            if bool(weak.any()):
                nearest = x[weak].abs().argmin()
                return f"from about x = {float(x[weak][nearest]):.3g} on its {name} {says}"
    return ""
