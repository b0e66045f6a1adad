"""An activation, an expression or a layer alike, and the vocabulary that reads one from a text.

Whoever holds an ``Activation`` need not ask which of the two it is, and whoever holds a ``Vocabulary`` need not carry
rows of the user's own. Not here: the layers themselves (``layers``) and what an expression is (``grammar.expression``).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from torch import nn

from actsearch.evaluators.layers import LAYERS, ActivationLayer
from actsearch.grammar.behaviour.fingerprint import behaviour, fingerprint, twin_key
from actsearch.grammar.behaviour.screening import Refusal, refusal
from actsearch.grammar.expression import Expression
from actsearch.grammar.formats import data_files
from actsearch.grammar.function import Function, function_of
from actsearch.grammar.parse import BadExpression
from actsearch.grammar.primitive import Primitive
from actsearch.grammar.rows import known

REMEMBERED = 4096  # texts that a vocabulary read: each is parsed and compiled once


class Activation(ABC):
    """What takes the place of a network's activation: trained, ranked and shown under its text."""

    @property
    @abstractmethod
    def text(self) -> str:
        """As it is stored, and read back: ``mul(x,sigmoid(x))``, or a layer's name."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """What equal activations share: the fingerprint of an expression, or ``layer-`` and the layer's name."""

    @property
    @abstractmethod
    def formula(self) -> str:
        """What it does, for people."""

    @property
    @abstractmethod
    def size(self) -> int | None:
        """Nodes of the expression, leaves included; None for a layer."""

    @property
    @abstractmethod
    def refusal(self) -> Refusal | None:
        """Why it cannot be worth a training, None if it may be; a layer always may."""

    @property
    @abstractmethod
    def expression(self) -> Expression | None:
        """The expression; None for a layer."""

    @property
    @abstractmethod
    def function(self) -> Function | None:
        """What it computes, with the starts of its parameters; None for a layer."""

    @abstractmethod
    def make(self, channels: int, dimension: int | None = None) -> nn.Module:
        """Return one layer of a network; see ``ActivationLayer``."""

    @abstractmethod
    def twin(self, *, constants: bool) -> str:
        """Return what it shares with those that the layers around make equal; see ``twin_key``."""

    def __repr__(self) -> str:
        """Return the text that it is read from."""
        return f"Activation('{self.text}')"

    def as_expression(self) -> Expression:
        """Return the expression.

        Raises:
            BadExpression: it is a layer.
        """
        if self.expression is None:
            raise BadExpression(
                f"'{self.text}' is a layer, no function of one number: {self.formula}; write it as a module of your own"
            )
        return self.expression


@dataclass(frozen=True, repr=False)
class Elementwise(Activation):
    """An activation that an expression describes.

    Args:
        written: the expression.
        starts: where its parameters start, in their order; empty for where they start in a search.
    """

    written: Expression
    starts: tuple[float, ...] = ()

    @property
    def expression(self) -> Expression:
        """As it is written."""
        return self.written

    @cached_property
    def text(self) -> str:
        """The expression's."""
        return str(self.written)

    @property
    def identity(self) -> str:
        """The fingerprint."""
        return fingerprint(self.written)

    @property
    def formula(self) -> str:
        """As it is written."""
        return self.written.formula

    @property
    def size(self) -> int:
        """Nodes."""
        return self.written.size

    @cached_property
    def refusal(self) -> Refusal | None:
        """What screening says."""
        return refusal(self.written)

    @cached_property
    def function(self) -> Function:
        """Compiled once."""
        function = function_of(self.written)
        return function.starting_at(self.starts) if self.starts else function

    def make(self, channels: int, dimension: int | None = None) -> nn.Module:
        """Return a layer with parameters of its own."""
        return ActivationLayer(self.function, channels, dimension)

    def twin(self, *, constants: bool) -> str:
        """Return the key of its behaviour."""
        return twin_key(behaviour(self.written), constants=constants)


@dataclass(frozen=True, repr=False)
class Layer(Activation):
    """An activation that is a layer only, random in training or mixing channels: a baseline by name.

    Args:
        name: one of ``LAYERS``.
    """

    name: str
    expression = function = size = refusal = None

    @property
    def text(self) -> str:
        """Its name."""
        return self.name

    @property
    def identity(self) -> str:
        """Its name is all there is to tell it by."""
        return f"layer-{self.name}"

    @property
    def formula(self) -> str:
        """In words."""
        return LAYERS[self.name].formula

    def make(self, channels: int, dimension: int | None = None) -> nn.Module:
        """Return the layer."""
        return LAYERS[self.name].make(channels, dimension or 1)

    def twin(self, *, constants: bool) -> str:
        """Return its identity: it has no twin."""
        return self.identity


@dataclass(frozen=True)
class Vocabulary:
    """What texts are read with: the built-in rows, names and layers, and rows of the user's own.

    It is small and crosses to each worker once.

    Args:
        own: the user's rows, checked.
    """

    own: tuple[Primitive, ...] = ()
    _read: dict[str, Activation] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __reduce__(self) -> tuple[type["Vocabulary"], tuple[tuple[Primitive, ...]]]:
        """Cross a process boundary without what was read."""
        return Vocabulary, (self.own,)

    def read(self, text: str) -> Activation:
        """Return what a known name, a layer's name or an expression stands for.

        Raises:
            BadExpression: none of the three.
        """
        if text not in self._read:
            name = text.strip().lower()
            found = Layer(name) if name in LAYERS else Elementwise(known.read(text, self.own))
            while len(self._read) >= REMEMBERED:
                self._read.pop(next(iter(self._read)))
            self._read[text] = found
        return self._read[text]

    def read_kept(self, text: str) -> Activation:
        """Return what a text of a store stands for: the name of a layer, or rows; nobody typed a formula there.

        Raises:
            BadExpression: neither of the two.
        """
        if text in LAYERS or text in self._read:
            return self.read(text)
        known.read_rows(text, self.own)
        return self.read(text)

    def read_file(self, path: Path) -> Activation:
        """Return what a JSON file holds that ``export`` wrote, its parameters starting as there.

        Raises:
            BadFile: it cannot be read, or is none of these.
        """
        found = data_files.read_file(path, self.own)
        return Elementwise(found.expression, found.starts)


BUILT_IN = Vocabulary()
"""Without rows of a user's own."""

BASELINES = (
    "relu", "leaky_relu", "leaky_relu_02", "prelu", "rrelu", "leaky_backward_relu", "elu", "selu", "gelu", "silu",
    "swish", "mish", "hardswish", "squared_relu", "maxout", "softplus", "sigmoid", "tanh", "abs", "gauss",
)  # fmt: skip
"""The activations that every user knows: what ``--baselines all`` stands for."""
