"""Settings of a space, and the space they describe.

Not here: what a space is (``grammar.space``).
"""

import functools
import itertools
from dataclasses import field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from actsearch.evaluators.activation import Vocabulary
from actsearch.grammar.constraint import (
    AtMostBetas,
    AtMostSize,
    Constraint,
    ContainsInput,
    NoInversePair,
    NoNestedPeriodic,
)
from actsearch.grammar.primitive import Primitive
from actsearch.grammar.rows.sets import added, check_own, choose
from actsearch.grammar.shape import Shape, core_units, template
from actsearch.grammar.space import Space

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True, config=_STRICT)
class OwnPrimitive:
    """A row of the user's own. Its code runs on the machine that reads the config.

    Args:
        name: how it is written in expressions.
        arity: 1 or 2.
        code: one Python expression over ``a``, ``b``, ``beta`` and ``torch``, elementwise.
        formula: the same in SymPy's notation; both are compared before anything is trained.
    """

    name: str
    arity: Annotated[int, Field(ge=1, le=2)]
    code: str
    formula: str


@dataclass(frozen=True, config=_STRICT)
class ConstraintSettings:
    """What must hold of every expression; masked into the sampling.

    With several core units it must hold of every unit that is written, also of one whose output nobody reads.

    Args:
        contains_input: x occurs.
        no_inverse_pair: no log of exp and the like.
        no_nested_periodic: no sin of cos and the like.
        most_betas: how often the trainable scalar may be read; nothing is no limit.
        largest_size: nodes of the tree, leaves included; nothing is no limit.
    """

    contains_input: bool = False
    no_inverse_pair: bool = False
    no_nested_periodic: bool = False
    most_betas: Annotated[int, Field(ge=0)] | None = None
    largest_size: Annotated[int, Field(ge=1)] | None = None

    def constraints(self) -> tuple[Constraint, ...]:
        """Return those that are switched on."""
        found: list[Constraint] = []
        if self.contains_input:
            found.append(ContainsInput())
        if self.no_inverse_pair:
            found.append(NoInversePair())
        if self.no_nested_periodic:
            found.append(NoNestedPeriodic())
        if self.most_betas is not None:
            found.append(AtMostBetas(self.most_betas))
        if self.largest_size is not None:
            found.append(AtMostSize(self.largest_size))
        return tuple(found)


@dataclass(frozen=True, config=_STRICT)
class SpaceSettings:
    """What may be written.

    Args:
        primitives: a set (swish2017, aquasurf2023), or a list of names of sets and primitives.
        own: further primitives of the user's own.
        units: number of core units (Ramachandran et al. 2017, section 2).
        shape: a template such as ``b(u(x),u(x))`` instead of core units; null for core units.
        constraints: what must hold of every expression.
        share_twins: train one of several functions that the layers around make equal, and give its outcome to all:
            ``signs``, those that differ in the sign of input or output; ``all``, also those that differ by a constant,
            which convolutions feel that pad with zeros; ``none``.
    """

    primitives: str | tuple[str, ...] = "swish2017"
    own: tuple[OwnPrimitive, ...] = ()
    units: Annotated[int, Field(ge=1, le=8)] = 1
    shape: str | None = None
    constraints: ConstraintSettings = field(default_factory=ConstraintSettings)
    share_twins: Literal["none", "signs", "all"] = "signs"


def vocabulary_of(settings: SpaceSettings) -> Vocabulary:
    """Return what expressions are read with: the built-in rows, the user's, and those that packages add.

    Raises:
        BadPrimitive: a row does not hold what it promises.
    """
    return _with(settings.own)


@functools.cache
def _with(own: tuple[OwnPrimitive, ...]) -> Vocabulary:
    rows = _rows(own)
    for row in rows:
        check_own(row)
    return Vocabulary((*itertools.chain(*added().values()), *rows))


def _rows(own: tuple[OwnPrimitive, ...]) -> tuple[Primitive, ...]:
    return tuple(Primitive(row.name, row.arity, row.code, row.formula) for row in own)


@functools.cache
def build_space(settings: SpaceSettings) -> Space:
    """Return the space that the settings describe.

    Raises:
        UnknownPrimitive, BadPrimitive, BadShape, EmptySpace: each with one sentence.
    """
    rows = choose(settings.primitives, _rows(settings.own))
    shape: Shape = core_units(settings.units) if settings.shape is None else template(settings.shape)
    unary, binary = (tuple(row for row in rows if (row.arity == 2) == is_binary) for is_binary in (False, True))
    return Space(shape, unary, binary, settings.constraints.constraints())
