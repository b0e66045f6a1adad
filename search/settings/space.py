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
    """A primitive of the user's own. Its code runs on the machine that reads the config.

    Args:
        name: name of the primitive in expressions.
        arity: number of arguments, 1 or 2.
        code: one elementwise Python expression over ``a``, ``b``, ``beta`` and ``torch``.
        formula: the same function in SymPy's notation; it is compared with the code before any training.
    """

    name: str
    arity: Annotated[int, Field(ge=1, le=2)]
    code: str
    formula: str


@dataclass(frozen=True, config=_STRICT)
class ConstraintSettings:
    """Constraints on every expression, enforced by masks during sampling.

    With several core units, each unit must meet them, even a unit whose output is unused.

    Args:
        contains_input: whether x must occur.
        no_inverse_pair: whether to forbid inverse pairs such as log of exp.
        no_nested_periodic: whether to forbid nested periodic functions such as sin of cos.
        most_betas: most uses of the trainable scalar; null is no limit.
        largest_size: largest number of nodes of the tree, leaves included; null is no limit.
    """

    contains_input: bool = False
    no_inverse_pair: bool = False
    no_nested_periodic: bool = False
    most_betas: Annotated[int, Field(ge=0)] | None = None
    largest_size: Annotated[int, Field(ge=1)] | None = None

    def constraints(self) -> tuple[Constraint, ...]:
        """Return the constraints that are switched on."""
        enabled: list[Constraint] = []
        if self.contains_input:
            enabled.append(ContainsInput())
        if self.no_inverse_pair:
            enabled.append(NoInversePair())
        if self.no_nested_periodic:
            enabled.append(NoNestedPeriodic())
        if self.most_betas is not None:
            enabled.append(AtMostBetas(self.most_betas))
        if self.largest_size is not None:
            enabled.append(AtMostSize(self.largest_size))
        return tuple(enabled)


@dataclass(frozen=True, config=_STRICT)
class SpaceSettings:
    """The space of expressions that may be proposed.

    Args:
        primitives: a set (swish2017, aquasurf2023), or a list of names of sets and primitives, and of numbers, which
            may stand wherever a unary primitive may: ``[swish2017, gelu, 0.5]``.
        own: further primitives of the user's own.
        units: number of core units (Ramachandran et al. 2017, section 2).
        shape: a template such as ``b(u(x),u(x))`` instead of core units; null for core units.
        constraints: constraints on every expression.
        share_twins: train only one of several functions that neighbouring layers make equal, and give its outcome to
            all of them: ``signs``, functions that differ in the sign of input or output; ``all``, also functions that
            differ by a constant, which affects convolutions that pad with zeros; ``none``.
    """

    primitives: str | tuple[str | float, ...] = "swish2017"
    own: tuple[OwnPrimitive, ...] = ()
    units: Annotated[int, Field(ge=1, le=8)] = 1
    shape: str | None = None
    constraints: ConstraintSettings = field(default_factory=ConstraintSettings)
    share_twins: Literal["none", "signs", "all"] = "signs"


def vocabulary_of(settings: SpaceSettings) -> Vocabulary:
    """Return the vocabulary of expressions: built-in primitives, the user's, and those that packages add.

    Raises:
        BadPrimitive: the checks of a user's primitive fail.
    """
    return _vocabulary_with(settings.own)


@functools.cache
def _vocabulary_with(own: tuple[OwnPrimitive, ...]) -> Vocabulary:
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
        UnknownPrimitive, BadPrimitive, BadShape, EmptySpace: the settings describe no space; one sentence says why.
    """
    rows = choose(settings.primitives, _rows(settings.own))
    shape: Shape = core_units(settings.units) if settings.shape is None else template(settings.shape)
    unary, binary = (tuple(row for row in rows if (row.arity == 2) == is_binary) for is_binary in (False, True))
    return Space(shape, unary, binary, settings.constraints.constraints())
