"""A discovery -> the text of a Python file with Triton kernels, forward and backward, as an operator of torch.

Where there is no GPU, and in double precision, torch computes it, as does the second derivative. Not here: operations
(``languages``), and functions of two inputs, whose kernels would load a second pointer where beta is loaded here.
"""

from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.formats.discovery import Discovery
from actsearch.grammar.formats.torch_file import class_source, lean_parts
from actsearch.grammar.formats.triton_language import TRITON
from actsearch.grammar.program.derivative import derivative
from actsearch.grammar.program.node import BETA, SLOPE, X
from actsearch.grammar.program.writing import write

_IMPORTS = """\
import os
from typing import Optional

import torch

try:
    import triton
    import triton.language as tl
except ImportError:  # torch computes it
    triton = None
BLOCK = 1024  # numbers a program
"""
_KERNELS = """\
@triton.jit
def _forward_kernel(x_at, beta_at, y_at, count, channels, stride, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    x = tl.load(x_at + at, mask=inside, other=0.0).to(tl.float32)
{load_beta}{forward}
    tl.store(y_at + at, y, mask=inside)


@triton.jit
def _backward_kernel(x_at, beta_at, slope_at, to_x_at, to_beta_at, count, channels, stride, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    x = tl.load(x_at + at, mask=inside, other=0.0).to(tl.float32)
    slope = tl.load(slope_at + at, mask=inside, other=0.0).to(tl.float32)
{load_beta}{backward}
    tl.store(to_x_at + at, to_x, mask=inside)
{store_beta}"""
_LOAD_BETA = """\
    beta = tl.load(beta_at + (at // stride) % channels, mask=inside, other=0.0).to(tl.float32)
"""
_STORE_BETA = """\
    if channels == 1:
        tl.store(to_beta_at + tl.program_id(0), tl.sum(to_beta, axis=0))
    else:
        tl.store(to_beta_at + at, to_beta, mask=inside)
"""
_OPERATOR = '''\
def _dense(x):
    """Return x without gaps between its numbers; channels-last stays."""
    if x.is_contiguous() or (x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)):
        return x
    return x.contiguous()


def _place(x, beta):
    """Return the number of channels and how far apart they are."""
    if beta.numel() == 1:
        return 1, 1
    dimension = next(d for d in range(x.dim()) if beta.shape[d] > 1)
    return beta.numel(), x.stride(dimension)


def _grid(x):
    return (triton.cdiv(x.numel(), BLOCK),)


@torch.library.custom_op("actsearch::{op}", mutates_args=())
def _forward(x: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    x = _dense(x)
    y = torch.empty_like(x)
    if x.numel():
        with torch.cuda.device_of(x):  # which need not be the current one
            _forward_kernel[_grid(x)](x, beta.contiguous(), y, x.numel(), *_place(x, beta), BLOCK=BLOCK)
    return y


@torch.library.custom_op("actsearch::{op}_backward", mutates_args=())
def _backward(x: torch.Tensor, beta: torch.Tensor, slope: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    x = _dense(x)
    slope = slope if slope.stride() == x.stride() else torch.empty_like(x).copy_(slope)
    to_x = torch.empty_like(x)
    if beta.numel() == 1:
        parts = x.new_zeros(max(1, triton.cdiv(x.numel(), BLOCK)), dtype=torch.float32)
    else:
        parts = torch.empty_like(x, dtype=torch.float32)
    if x.numel():
        at = (x, beta.contiguous(), slope, to_x, parts, x.numel(), *_place(x, beta))
        with torch.cuda.device_of(x):
            _backward_kernel[_grid(x)](*at, BLOCK=BLOCK)
    to_beta = parts.sum().reshape(beta.shape) if beta.numel() == 1 else parts.sum_to_size(beta.shape)
    return to_x, to_beta.to(beta.dtype)


@_forward.register_fake
def _(x, beta):
    return torch.empty_like(_dense(x))


@_backward.register_fake
def _(x, beta, slope):
    return torch.empty_like(_dense(x)), torch.empty_like(beta)


def _setup(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def _both(ctx, slope):
    x, beta = ctx.saved_tensors
    if torch.is_grad_enabled():  # a second derivative is wanted: in torch's operators
        {both} = _slopes({arguments}, slope)
        return to_x.to(x.dtype), {to_beta}
    to_x, to_beta = _backward(x, beta, slope)
    return to_x, {fast_beta}


_forward.register_autograd(_both, setup_context=_setup)
'''
_FUNCTION = '''\
def _fits(x: torch.Tensor, beta: torch.Tensor) -> bool:
    """Whether the kernels compute it: on a GPU or in Triton's interpreter, in single precision or narrower."""
    if triton is None or x.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        return False
    if beta.dtype == torch.float64 or beta.device != x.device or beta.dim() > x.dim():
        return False  # torch gives the wider of both, or complains
    if beta.numel() > 1 and (beta.dim() != x.dim() or sum(size > 1 for size in beta.shape) > 1):
        return False
    if beta.numel() > 1 and beta.numel() not in [x.shape[d] for d in range(x.dim()) if beta.shape[d] > 1]:
        return False
    if not torch.compiler.is_compiling():
        # the operator has no forward mode, and torch.func does not take it
        if torch._C._are_functorch_transforms_active() or torch.autograd.forward_ad._current_level >= 0:
            return False
    return x.is_cuda or os.environ.get("TRITON_INTERPRET") == "1"


def {function}({parameters}) -> torch.Tensor:
    """Return {formula}, elementwise."""
    if not torch.jit.is_scripting():
        if not torch.onnx.is_in_onnx_export() and _fits(x, {beta}):
            return _forward(x, {beta})
    return _plain({arguments})
'''


def triton_source(discovery: Discovery) -> str:
    """Return the whole file.

    Raises:
        NoCounterpart: a row of the user's own does what Triton cannot be told.
        NotInLanguage: Triton lacks an operation.
    """
    has_beta = discovery.has_beta
    forward = write([discovery.graph], TRITON)
    leaves = (X, BETA) if has_beta else (X,)
    backward = write([derivative(discovery.graph, leaf, SLOPE) for leaf in leaves], TRITON)
    helpers: list[str] = []
    for helper in (*forward.helpers, *backward.helpers):
        helpers += [part for part in helper.split("\n\n\n") if part not in helpers]
    names = ("to_x", "to_beta")
    slopes = [f"{name} = tl.where(inside, {to}, 0.0)" for name, to in zip(names, backward.results, strict=False)]
    kernels = _KERNELS.format(
        load_beta=_LOAD_BETA if has_beta else "",
        forward=_indented([*forward.lines, f"y = tl.where(inside, {forward.results[0]}, 0.0)"]),
        backward=_indented([*backward.lines, *slopes]),
        store_beta=_STORE_BETA if has_beta else "",
    )
    operator = _OPERATOR.format(
        op=f"{discovery.function}_{fingerprint(discovery.expression)[:8]}",
        both="to_x, to_beta" if has_beta else "to_x",
        arguments="x, beta" if has_beta else "x",
        to_beta="to_beta.sum_to_size(beta.shape).to(beta.dtype)" if has_beta else "None",
        fast_beta="to_beta" if has_beta else "None",
    )
    inside = "\n\n\n".join([*helpers, kernels.rstrip("\n"), operator.rstrip("\n")])
    guarded = "if triton is not None:\n\n" + "\n".join(f"    {line}".rstrip() for line in inside.split("\n")) + "\n"
    function = _FUNCTION.format(
        function=discovery.function,
        parameters="x: torch.Tensor, beta: torch.Tensor" if has_beta else "x: torch.Tensor",
        formula=discovery.written.plain,
        arguments="x, beta" if has_beta else "x",
        beta="beta" if has_beta else "torch.ones(1, device=x.device)",
    )
    head = (
        f'"""{discovery.head}\n\nNeeds torch; its kernels Triton and a GPU, without which torch computes it.\n"""\n\n'
    )
    return "\n\n".join([head + _IMPORTS, *lean_parts(discovery), guarded, function, class_source(discovery)])


def _indented(lines: list[str]) -> str:
    return "\n".join(f"    {line}" for line in lines)
