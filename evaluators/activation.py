"""An activation (an expression or a layer), and the vocabulary that reads one from text.

The users of an ``Activation`` need not distinguish the two kinds. The users of a ``Vocabulary`` need not pass the
user's rows around. Not here: the layers themselves (``layers``) and the expressions (``grammar.expression``).
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

REMEMBERED = 4096  # texts that a vocabulary caches, so that each is parsed and compiled once


class Activation(ABC):
    """A replacement for a network's activation, trained, ranked and shown under its text."""

    @property
    @abstractmethod
    def text(self) -> str:
        """Text for storing and reading back: ``mul(x,sigmoid(x))``, or a layer's name."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Key shared by equal activations: the fingerprint of an expression, or ``layer-`` and the layer's name."""

    @property
    @abstractmethod
    def formula(self) -> str:
        """Formula for people."""

    @property
    @abstractmethod
    def size(self) -> int | None:
        """Number of nodes of the expression, leaves included; None for a layer."""

    @property
    @abstractmethod
    def refusal(self) -> Refusal | None:
        """Reason why the activation cannot be worth a training; None if it may be, and always None for a layer."""

    @property
    @abstractmethod
    def expression(self) -> Expression | None:
        """The expression; None for a layer."""

    @property
    @abstractmethod
    def function(self) -> Function | None:
        """The function with the initial values of its parameters; None for a layer."""

    @abstractmethod
    def make(self, channels: int, dimension: int | None = None) -> nn.Module:
        """Return one layer of a network; see ``ActivationLayer``."""

    @abstractmethod
    def twin(self, *, constants: bool) -> str:
        """Key shared by functions that differ only in signs (or a constant) which neighbouring layers absorb.

        Args:
            constants: whether functions that differ by a constant share a key; see ``twin_key``.
        """

    def __repr__(self) -> str:
        """Return the text of the activation, with its type."""
        return f"Activation('{self.text}')"

    def as_expression(self) -> Expression:
        """Return the expression.

        Raises:
            BadExpression: the activation is a layer.
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
        starts: initial values of the parameters, in their order; empty means the initial values of a search.
    """

    written: Expression
    starts: tuple[float, ...] = ()

    @property
    def expression(self) -> Expression:
        """The expression."""
        return self.written

    @cached_property
    def text(self) -> str:
        """The expression as text."""
        return str(self.written)

    @property
    def identity(self) -> str:
        """The fingerprint of the expression."""
        return fingerprint(self.written)

    @property
    def formula(self) -> str:
        """The expression's formula."""
        return self.written.formula

    @property
    def size(self) -> int:
        """Number of nodes of the expression."""
        return self.written.size

    @cached_property
    def refusal(self) -> Refusal | None:
        """Reason of the screening to refuse the expression; None if it accepts it."""
        return refusal(self.written)

    @cached_property
    def function(self) -> Function:
        """The function, compiled once."""
        function = function_of(self.written)
        return function.starting_at(self.starts) if self.starts else function

    def make(self, channels: int, dimension: int | None = None) -> nn.Module:
        """Return a new layer with its own parameters."""
        return ActivationLayer(self.function, channels, dimension)

    def twin(self, *, constants: bool) -> str:
        """Return the twin key of the expression's behaviour."""
        return twin_key(behaviour(self.written), constants=constants)


@dataclass(frozen=True, repr=False)
class Layer(Activation):
    """An activation that no expression can write (random in training, or mixing channels): a baseline with a name.

    Args:
        name: key in ``LAYERS``.
    """

    name: str
    expression = function = size = refusal = None

    @property
    def text(self) -> str:
        """The layer's name."""
        return self.name

    @property
    def identity(self) -> str:
        """Key made of the layer's name, since a layer has no fingerprint."""
        return f"layer-{self.name}"

    @property
    def formula(self) -> str:
        """Description of the layer in words."""
        return LAYERS[self.name].formula

    def make(self, channels: int, dimension: int | None = None) -> nn.Module:
        """Return a new layer; the default dimension of the channels is 1."""
        return LAYERS[self.name].make(channels, dimension or 1)

    def twin(self, *, constants: bool) -> str:
        """Return the identity, because a layer has no twin."""
        return self.identity


@dataclass(frozen=True)
class Vocabulary:
    """The vocabulary for reading texts: the built-in rows, names and layers, and the user's own rows.

    It is small and is sent to each worker once.

    Args:
        own: the user's rows, already checked.
    """

    own: tuple[Primitive, ...] = ()
    _read: dict[str, Activation] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __reduce__(self) -> tuple[type["Vocabulary"], tuple[tuple[Primitive, ...]]]:
        """Pickle the vocabulary without its cache."""
        return Vocabulary, (self.own,)

    def read(self, text: str) -> Activation:
        """Return the activation of a known name, a layer's name or an expression.

        Raises:
            BadExpression: the text is none of the three.
        """
        if text not in self._read:
            name = text.strip().lower()
            activation = Layer(name) if name in LAYERS else Elementwise(known.read(text, self.own))
            while len(self._read) >= REMEMBERED:
                self._read.pop(next(iter(self._read)))
            self._read[text] = activation
        return self._read[text]

    def read_kept(self, text: str) -> Activation:
        """Return the activation of a text from a store: a layer's name or rows, never a formula that a user typed.

        Raises:
            BadExpression: the text is neither of the two.
        """
        if text in LAYERS or text in self._read:
            return self.read(text)
        known.read_rows(text, self.own)
        return self.read(text)

    def read_file(self, path: Path) -> Activation:
        """Return the activation in a JSON file of ``export``, with the file's initial parameter values.

        Raises:
            BadFile: the file cannot be read, or ``export`` did not write it.
        """
        content = data_files.read_file(path, self.own)
        return Elementwise(content.expression, content.starts)


BUILT_IN = Vocabulary()
"""The vocabulary without user rows."""

BASELINES = (
    "relu", "leaky_relu", "leaky_relu_02", "prelu", "rrelu", "leaky_backward_relu", "elu", "selu", "gelu", "silu",
    "swish", "mish", "hardswish", "squared_relu", "maxout", "softplus", "sigmoid", "tanh", "abs", "gauss",
)  # fmt: skip
"""The well-known activations, which ``--baselines all`` selects."""
