"""Shapes of expressions: each is a short program of choices, with the registers that each choice reads.

Register 0 is x. Every choice writes the next register, and the last register is the function. Core units and templates
are two ways to write such a program. Not here: the primitives for the positions (``space``).
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from actsearch.grammar.fault import UserFault


class Kind(StrEnum):
    """Kind of choice at a position."""

    INPUT = "input"
    UNARY = "unary"
    BINARY = "binary"


@dataclass(frozen=True)
class Position:
    """One choice on the way to an expression.

    Args:
        kind: kind of choice. An input selects one of the registers; a unary or binary primitive is applied to all.
        reads: numbers of the registers that the choice reads.
        name: name of the position for people, such as ``unit 1 unary 2``.
    """

    kind: Kind
    reads: tuple[int, ...]
    name: str


class BadShape(UserFault):
    """The template or the number of units is not valid."""


@dataclass(frozen=True)
class Shape:
    """A program of choices; position i writes register i + 1.

    Args:
        text: the shape as the user wrote it.
        positions: choices in order, at least one.
    """

    text: str
    positions: tuple[Position, ...]

    def __post_init__(self) -> None:
        """Check that there is a choice, and that each choice reads only earlier registers."""
        if not self.positions:
            raise BadShape(f"shape '{self.text}' leaves nothing to choose: use u for a unary and b for a binary place")
        if any(max(position.reads) > index for index, position in enumerate(self.positions)):
            raise BadShape(f"shape '{self.text}' reads what is not yet chosen")


def core_units(units: int) -> Shape:
    """Return the shape of 2017: units ``b(u1(i1), u2(i2))`` whose inputs are x or the output of an earlier unit.

    The order of choices is that of the paper's controller: input 1, input 2, unary 1, unary 2, binary.

    Args:
        units: number of units.

    Raises:
        BadShape: ``units`` is less than one.

    Source: Ramachandran, Zoph & Le 2017, section 2 and figure 2.
    """
    if units < 1:
        raise BadShape(f"units must be at least 1, found {units}")
    outputs: list[int] = [0]
    positions: list[Position] = []
    for unit in range(1, units + 1):
        first = len(positions) + 1  # the register that this unit's first choice writes
        for kind, reads, name in (
            (Kind.INPUT, tuple(outputs), "input 1"),
            (Kind.INPUT, tuple(outputs), "input 2"),
            (Kind.UNARY, (first,), "unary 1"),
            (Kind.UNARY, (first + 1,), "unary 2"),
            (Kind.BINARY, (first + 2, first + 3), "binary"),
        ):
            positions.append(Position(kind, reads, f"unit {unit} {name}"))
        outputs.append(len(positions))
    return Shape(f"{units} core unit" + "s" * (units > 1), tuple(positions))


def template(text: str) -> Shape:
    """Return the shape of a template over ``u(.)``, ``b(.,.)`` and ``x``, such as ``b(u(x),u(u(x)))``.

    Choices for arguments come before the choice of their primitive, left before right.

    Args:
        text: the template.

    Raises:
        BadShape: the text is not such a template.
    """
    tokens = re.findall(r"[A-Za-z_]\w*|\S", text)
    positions: list[Position] = []

    def take(expected: str) -> None:
        token = tokens.pop(0) if tokens else "the end"
        if token != expected:
            raise BadShape(f"template '{text}': expected '{expected}', found '{token}'")

    def part() -> int:
        name = tokens.pop(0) if tokens else "the end"
        if name == "x":
            return 0
        if name not in ("u", "b"):
            raise BadShape(f"template '{text}': expected x, u(.) or b(.,.), found '{name}'")
        take("(")
        reads = [part()]
        if name == "b":
            take(",")
            reads.append(part())
        take(")")
        kind = Kind.UNARY if name == "u" else Kind.BINARY
        positions.append(Position(kind, tuple(reads), f"{kind} {len(positions) + 1}"))
        return len(positions)

    part()
    if tokens:
        raise BadShape(f"template '{text}': expected its end, found '{tokens[0]}'")
    return Shape(text, tuple(positions))
