"""An activation as a tape for the kernel: its torch function is traced, and each torch operation has an instruction.

So the one description of an activation stays its row. A function with an operation that no rule knows is not native;
torch trains it. Not here: what the instructions compute (``tape.c``, held to torch by the tests).
"""

import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch.fx import Node, symbolic_trace
from torch.nn import functional

from actsearch.evaluators.native.compiler import NotNativeError
from actsearch.evaluators.native.layout import OPERATIONS, REGISTERS, Instruction, Tape
from actsearch.grammar.render import Function

NUMBERS = {name: number for number, name in enumerate(OPERATIONS)}
MOST_INSTRUCTIONS = REGISTERS - 2  # without x and beta
CARRIES = {"CONSTANT": 0, "COPY": 0, "GREATER": 0, "LESS": 0, "COPYSIGN": 1}
"""How many of its first arguments an operation has a gradient for: 2 where it is not said."""


class _Writer:
    """Collects instructions; a register is a number, 0 being x and 1 beta."""

    def __init__(self) -> None:
        self.code: list[Instruction] = []
        self.live = {0, 1}  # registers that depend on x or beta
        self.constants: dict[float, int] = {}

    def write(self, name: str, *arguments: int | float, k: float = 0.0, l: float = 0.0) -> int:  # noqa: E741  as in C
        a, b, c = (*map(self.register, arguments), 0, 0, 0)[:3]
        count = min(len(arguments), CARRIES.get(name, 2))
        wanted = [n < count and (a, b)[n] in self.live for n in (0, 1)]
        self.code.append(Instruction(NUMBERS[name], a, b, c, *wanted, k, l))
        register = len(self.code) + 1
        if any(wanted):
            self.live.add(register)
        return register

    def finish(self, result: int) -> Tape:
        """Say of every gradient whether it is the first part, in the order backwards, and what reaches x and beta."""
        if len(self.code) > MOST_INSTRUCTIONS:
            raise NotNativeError(f"{len(self.code)} operations, at most {MOST_INSTRUCTIONS} fit")
        reached = {result}
        for register in range(len(self.code) + 1, 1, -1):
            step = self.code[register - 2]
            for name, argument in (("to_a", step.a), ("to_b", step.b)):
                if not getattr(step, name) or register not in reached:
                    setattr(step, name, 0)
                else:
                    setattr(step, name, 2 if argument in reached else 1)
                    reached.add(argument)
        code = (Instruction * max(1, len(self.code)))(*self.code)
        return Tape(len(self.code), result, 0 in reached, 1 in reached, code)

    def register(self, value: int | float) -> int:
        """Numbers of the function come as floats, registers as ints."""
        if isinstance(value, int):
            return value
        if value not in self.constants:
            self.constants[value] = self.write("CONSTANT", k=value)
        return self.constants[value]


Rule = Callable[..., int]


def _plain(name: str) -> Rule:
    return lambda w, *arguments: w.write(name, *arguments)


def _lerp(w: _Writer, a: int, b: int, weight: int) -> int:
    if weight in w.live:
        raise NotNativeError("lerp with a weight that has a gradient")
    return w.write("LERP", a, b, weight)


def _softplus(w: _Writer, a: int, sharpness: float = 1.0, threshold: float = 20.0) -> int:
    if sharpness != 1.0:
        raise NotNativeError("softplus with another sharpness than 1")
    return w.write("SOFTPLUS", a, k=threshold)


def _gelu(w: _Writer, a: int) -> int:
    half = w.write("MUL", a, 0.5)
    return w.write("MUL", half, w.write("ADD", w.write("ERF", w.write("MUL", a, math.sqrt(0.5))), 1.0))


_SELU = 1.0507009873554805, 1.6732632423543772  # Klambauer et al. 2017, section 2
RULES: dict[object, Rule] = {
    torch.exp: _plain("EXP"), torch.log: _plain("LOG"), torch.log1p: _plain("LOG1P"), torch.expm1: _plain("EXPM1"),
    torch.sin: _plain("SIN"), torch.cos: _plain("COS"), torch.sinh: _plain("SINH"), torch.cosh: _plain("COSH"),
    torch.tanh: _plain("TANH"), torch.atan: _plain("ATAN"), torch.erf: _plain("ERF"), torch.erfc: _plain("ERFC"),
    torch.sqrt: _plain("SQRT"), torch.abs: _plain("ABS"), torch.sigmoid: _plain("SIGMOID"), torch.relu: _plain("RELU"),
    torch.copysign: _plain("COPYSIGN"), torch.lerp: _lerp, torch.pow: _plain("POW"),
    torch.square: lambda w, a: w.write("MUL", a, a),
    torch.zeros_like: lambda w, a: w.register(0.0),
    torch.ones_like: lambda w, a: w.register(1.0),
    operator.add: _plain("ADD"), operator.sub: _plain("SUB"), operator.mul: _plain("MUL"),
    operator.truediv: _plain("DIV"), operator.neg: _plain("NEG"), operator.gt: _plain("GREATER"),
    operator.lt: _plain("LESS"), operator.pow: _plain("POW"),
    functional.softplus: _softplus,
    functional.gelu: _gelu,
    functional.silu: lambda w, a: w.write("MUL", a, w.write("SIGMOID", a)),
    functional.mish: lambda w, a: w.write("MUL", a, w.write("TANH", w.write("SOFTPLUS", a, k=20.0))),
    functional.logsigmoid: lambda w, a: w.write("NEG", w.write("SOFTPLUS", w.write("NEG", a), k=80.0)),
    functional.threshold: lambda w, a, threshold, value: w.write("THRESHOLD", a, k=threshold, l=value),
    functional.leaky_relu: lambda w, a, negative_slope=0.01: w.write("SLOPED", a, k=negative_slope),
    functional.elu: lambda w, a, alpha=1.0: w.write("ELU", a, k=1.0, l=alpha),
    functional.selu: lambda w, a: w.write("ELU", a, k=_SELU[0], l=_SELU[0] * _SELU[1]),
    functional.hardtanh: lambda w, a, min_val=-1.0, max_val=1.0: w.write("CLIP", a, k=min_val, l=max_val),
    functional.hardswish: lambda w, a: w.write(
        "MUL", a, w.write("MUL", w.write("CLIP", w.write("ADD", a, 3.0), k=0.0, l=6.0), 1 / 6)
    ),
    "detach": _plain("COPY"),
    "to": lambda w, a: a,  # the dtype of a comparison's result: a tape knows one
}  # fmt: skip


def tape_of(function: Function) -> Tape:
    """Return the tape of ``f(x, beta)``.

    Raises:
        NotNativeError: an operation has no rule, or there are too many.
    """
    try:
        graph = symbolic_trace(function).graph
    except Exception as fault:  # whatever a row does that cannot be traced
        raise NotNativeError(f"cannot be traced: {fault}") from fault
    writer, registers = _Writer(), dict[Node, int]()
    for node in graph.nodes:
        match node.op:
            case "placeholder":
                registers[node] = len(registers)
            case "output":
                return writer.finish(writer.register(_operand(node.args[0], registers)))
            case _ if node.target is getattr:
                continue  # a.dtype, which "to" disregards
            case _:
                registers[node] = _apply(writer, node, registers)
    raise NotNativeError("has no result")


def _apply(writer: _Writer, node: Node, registers: dict[Node, int]) -> int:
    rule = RULES.get(node.target)
    if rule is None:
        raise NotNativeError(f"the kernel has no operation for {node.target}")
    arguments = node.args[:1] if node.target == "to" else node.args
    named = {name: _operand(value, registers) for name, value in node.kwargs.items() if name != "inplace"}
    try:
        return rule(writer, *(_operand(argument, registers) for argument in arguments), **named)
    except TypeError as fault:  # an argument that the rule does not foresee
        raise NotNativeError(f"the kernel's {node.target} takes no such arguments: {fault}") from fault


def _operand(argument: Any, registers: dict[Node, int]) -> int | float:
    if isinstance(argument, Node):
        return registers[argument]
    if isinstance(argument, (int, float)):
        return float(argument)
    raise NotNativeError(f"an argument that is neither tensor nor number: {argument!r}")
