"""The interface of Python and C: structures, operations, limits, and the signatures of the functions.

Loading compares it with the library's own report, because a difference would cause wrong numbers or a signal. Not here:
the computations of the functions (``tape.c``, ``resnet1d.c``, ``training.c``).
"""

import ctypes
from typing import Any

BLOCK, REGISTERS = 256, 64  # elements per block; values of a tape, x and the parameter included
STAGES = 3
WIDEST, WIDE = 128, 32  # largest number of channels of a layer; examples of a tile
MOST_BATCH = 1024  # largest number of examples per step
OPERATIONS = (
    "CONSTANT", "COPY", "ADD", "SUB", "MUL", "DIV", "NEG", "ABS", "SQRT", "EXP", "LOG",
    "LOG1P", "EXPM1", "SIN", "COS", "SINH", "COSH", "TANH", "ATAN", "ERF", "ERFC", "SIGMOID",
    "SOFTPLUS", "RELU", "THRESHOLD", "SLOPED", "ELU", "CLIP", "COPYSIGN", "LESS", "LERP", "POW",
)  # fmt: skip
"""Operations of the kernel, in the order of their numbers."""


class Instruction(ctypes.Structure):
    """``Instruction`` of tape.h."""

    _fields_ = [(name, ctypes.c_int) for name in ("op", "a", "b", "c", "to_a", "to_b")] + [
        (name, ctypes.c_float) for name in ("k", "l")
    ]


class Tape(ctypes.Structure):
    """``Tape`` of tape.h; the object keeps its instructions alive."""

    _fields_ = [
        ("length", ctypes.c_int),
        ("result", ctypes.c_int),
        ("by_x", ctypes.c_int),
        ("by_beta", ctypes.c_int),
        ("code", ctypes.POINTER(Instruction)),
    ]


class Plan(ctypes.Structure):
    """``Plan`` of resnet1d.h."""

    _fields_ = [
        *((name, ctypes.c_int) for name in ("width", "positions", "batch", "classes")),
        ("weight_decay", ctypes.c_float),
        ("clip", ctypes.c_float),
        ("offsets", ctypes.POINTER(ctypes.c_int)),
        ("size", ctypes.c_int),
    ]


class Child(ctypes.Structure):
    """``Child`` of resnet1d.h."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("flat", "moment", "square", "running")]


def _expected_layout() -> list[int]:
    """Return the numbers that ``layout`` of layout.c must return."""
    return [
        ctypes.sizeof(Instruction), Instruction.k.offset, ctypes.sizeof(Tape), Tape.code.offset, ctypes.sizeof(Plan),
        Plan.offsets.offset, Plan.size.offset, ctypes.sizeof(Child), Child.running.offset, BLOCK, REGISTERS, STAGES,
        WIDEST, WIDE, MOST_BATCH, -1,
    ]  # fmt: skip


def declare(library: ctypes.CDLL) -> ctypes.CDLL:
    """Declare the signatures of the library's functions, compare its interface with this module, and return it.

    Args:
        library: loaded library.

    Raises:
        ValueError: the interfaces differ, so that a call would cause a wrong number or a signal.
    """
    tensor, number = ctypes.c_void_p, ctypes.c_int
    network: list[Any] = [ctypes.POINTER(Plan), ctypes.POINTER(Tape), ctypes.POINTER(Child)]
    library.run_tape.argtypes = [ctypes.POINTER(Tape), tensor, tensor, tensor, tensor]
    library.run_tape.restype = None
    library.train.argtypes = [*network, tensor, tensor, tensor, tensor, tensor, number, number, tensor, tensor]
    library.train.restype = number
    library.score.argtypes = [*network, tensor, tensor, number, ctypes.POINTER(ctypes.c_double)]
    library.score.restype = number
    library.operations.argtypes, library.operations.restype = [], ctypes.c_char_p
    library.layout.argtypes, library.layout.restype = [], ctypes.POINTER(number)
    names, expected = library.operations().decode().split(), _expected_layout()
    actual = library.layout()[: len(expected)]
    if names != [*OPERATIONS] or actual != expected:
        raise ValueError(f"the kernel and layout.py differ: {names}, {actual}; expected {[*OPERATIONS]}, {expected}")
    return library
