"""The shapes an expression may have, each a short program: which part is chosen when, and what it is applied to.

Register 0 is x; every choice writes the next register, and the last register is the function. Core units and templates
are two ways to write such a program. Not here: which primitives fill the places (``space``).
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from actsearch.grammar.fault import UserFault


class Kind(StrEnum):
    """What is chosen at a position."""

    INPUT = "input"
    UNARY = "unary"
    BINARY = "binary"


@dataclass(frozen=True)
class Position:
    """One choice on the way to an expression.

    Args:
        kind: an input chooses one of the registers it reads; a unary or binary row is applied to all of them.
        reads: registers.
        name: for people, such as ``unit 1 unary 2``.
    """

    kind: Kind
    reads: tuple[int, ...]
    name: str


class BadShape(UserFault):
    """The text of a template or the number of units cannot be used."""


@dataclass(frozen=True)
class Shape:
    """A program of choices; position i writes register i + 1.

    Args:
        text: how a person wrote it.
        positions: the choices in order, at least one.
    """

    text: str
    positions: tuple[Position, ...]

    def __post_init__(self) -> None:
        """Something must be chosen, and only what is already there can be read."""
        if not self.positions:
            raise BadShape(f"shape '{self.text}' leaves nothing to choose: use u for a unary and b for a binary place")
        if any(max(position.reads) > index for index, position in enumerate(self.positions)):
            raise BadShape(f"shape '{self.text}' reads what is not yet chosen")


def core_units(units: int) -> Shape:
    """Return the shape of 2017: units ``b(u1(i1), u2(i2))`` whose inputs are x or the output of an earlier unit.

    The order of choices is the controller's of the paper: input 1, input 2, unary 1, unary 2, binary.

    Raises:
        BadShape: fewer than one unit.

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

    Arguments are chosen before what is applied to them, left before right.

    Raises:
        BadShape: the text is not such a template.
    """
    tokens = re.findall(r"[A-Za-z_]\w*|\S", text)
    positions: list[Position] = []

    def take(expected: str) -> None:
        found = tokens.pop(0) if tokens else "the end"
        if found != expected:
            raise BadShape(f"template '{text}': expected '{expected}', found '{found}'")

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
