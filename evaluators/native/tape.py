"""An activation as a tape for the kernel: each operation becomes one instruction, or several simpler ones.

A function with an operation that the kernel lacks is not native; torch trains it. Not here: the operations
(``grammar.program.operations``) and the computations of the instructions (``tape.c``, which tests compare with torch).
"""

from actsearch.evaluators.native.compiler import NotNativeError
from actsearch.evaluators.native.layout import OPERATIONS as INSTRUCTIONS
from actsearch.evaluators.native.layout import REGISTERS, Instruction, Tape
from actsearch.grammar.function import Function
from actsearch.grammar.program.node import OPERATIONS, Node, leaf, number, parts
from actsearch.grammar.program.operations import NoCounterpart

NUMBERS = {name: number for number, name in enumerate(INSTRUCTIONS)}
MOST_INSTRUCTIONS = REGISTERS - 2  # two registers hold x and the parameter
CARRIES = {"CONSTANT": 0, "COPY": 0, "LESS": 0, "COPYSIGN": 1}
"""Instruction -> number of its first arguments that get a gradient; 2 for all others."""
DIRECT = {
    **{name: name.upper() for name in (
        "add", "sub", "mul", "div", "neg", "exp", "log", "log1p", "expm1", "sin", "cos", "sinh", "cosh", "tanh",
        "atan", "erf", "erfc", "sqrt", "abs", "sigmoid", "relu", "copysign", "lerp", "less",
    )},
    "power": "POW", "below": "LESS", "stop": "COPY",
}  # fmt: skip
"""Operation -> instruction that takes all its arguments."""
NUMBERED = {"threshold": "THRESHOLD", "clip": "CLIP", "softplus": "SOFTPLUS", "leaky_relu": "SLOPED",
            "exponential": "ELU"}  # fmt: skip
"""Operation -> instruction that takes its first argument; the other arguments are constants of the instruction."""


class _Writer:
    """A list of instructions; a register is a number: 0 is x, 1 is the parameter."""

    def __init__(self) -> None:
        self.code: list[Instruction] = []
        self.live = {0, 1}  # registers that depend on x or the parameter
        self.constants: dict[float, int] = {}

    def write(self, name: str, *arguments: int | float, k: float = 0.0, l: float = 0.0) -> int:  # noqa: E741  as in C
        a, b, c = (*map(self.register, arguments), 0, 0, 0)[:3]
        count = min(len(arguments), CARRIES.get(name, 2))
        gradients = [n < count and (a, b)[n] in self.live for n in (0, 1)]
        self.code.append(Instruction(NUMBERS[name], a, b, c, *gradients, k, l))
        register = len(self.code) + 1
        if any(gradients):
            self.live.add(register)
        return register

    def finish(self, result: int) -> Tape:
        """Return the tape, with marks for the backward pass.

        A gradient is marked 0 if nothing needs it, 1 if it is the first part of its register's sum in backward order,
        and 2 if it is a later part. The tape also records whether x and the parameter get a gradient.

        Args:
            result: register of the function's value.
        """
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
        """Return the register of a value, which is a register already (int) or a number of the function (float)."""
        if isinstance(value, int):
            return value
        if value not in self.constants:
            self.constants[value] = self.write("CONSTANT", k=value)
        return self.constants[value]


def tape_of(function: Function) -> Tape:
    """Return the tape of a function.

    Raises:
        NotNativeError: the function has other inputs than x, several parameters, or a parameter that is not one per
            channel; or an operation has no instruction, or there are too many instructions.
    """
    if (
        len(function.inputs) > 1
        or len(function.parameters) > 1
        or any(one.place != "channel" for one in function.parameters)
    ):
        what = ", ".join([*function.inputs, *(f"{one.name} (one a {one.place})" for one in function.parameters)])
        raise NotNativeError(f"the kernel computes functions of x and one parameter a channel, found one of {what}")
    writer = _Writer()
    values: list[int | float] = [0] if not function.parameters else [0, 1]
    for step in function.graph:
        arguments = [values[value] if isinstance(value, int) else value for value in step.arguments]
        values.append(_write(writer, step.name, arguments))
    return writer.finish(writer.register(values[-1] if function.graph else 0))


def _write(writer: _Writer, name: str, arguments: list[int | float]) -> int | float:
    """Write an operation on registers and numbers; return the register of its result, or a number."""
    if name == "select":  # a comparison is 1 or 0 here, and has no gradient
        name, arguments = "lerp", [arguments[2], arguments[1], arguments[0]]
    if name == "lerp" and arguments[2] in writer.live:
        raise NotNativeError("lerp with a weight that has a gradient")
    if name in DIRECT:
        return writer.write(DIRECT[name], *(arguments[:2] if name == "below" else arguments))
    if name in NUMBERED and all(isinstance(argument, float) for argument in arguments[1:]):
        k, l = (*arguments[1:], 0.0, 0.0)[:2]  # noqa: E741  as in C
        return writer.write(NUMBERED[name], arguments[0], k=k, l=l)
    build = None if name == "opaque" else OPERATIONS[name].made_of
    if build is None:
        raise NotNativeError(f"the kernel has no operation for {name}")
    places = [leaf(f"argument {n}") if isinstance(one, int) else number(one) for n, one in enumerate(arguments)]
    values_of: dict[Node, int | float] = {
        place: one for place, one in zip(places, arguments, strict=True) if isinstance(one, int)
    }
    try:
        result = build(*places)
    except NoCounterpart as fault:
        raise NotNativeError(f"the kernel's {name} takes no such arguments: {fault}") from fault
    for node in parts(result):
        if node not in values_of:
            values = [values_of[part] for part in node.arguments]
            values_of[node] = node.value if node.is_number else _write(writer, node.name, values)
    return writer.register(values_of[result])  # a constant, too, becomes an instruction
