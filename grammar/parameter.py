"""A trainable parameter of an activation function. Not here: the primitives that read it (``primitive``)."""

from dataclasses import dataclass
from typing import Literal, get_args

Place = Literal["channel", "layer", "network"]
"""The units that share one value: those of a channel, of a layer, or of the whole network."""


@dataclass(frozen=True)
class Parameter:
    """A trainable scalar of a function.

    Args:
        name: Python identifier; functions that name the same parameter share it.
        start: value before training, a finite number.
        place: units that share one value.

    Raises:
        ValueError: the name is not an identifier, or the place is unknown.
    """

    name: str
    start: float = 1.0
    place: Place = "channel"

    def __post_init__(self) -> None:
        """Check name and place."""
        if not self.name.isidentifier():
            raise ValueError(f"a parameter's name must be a Python identifier, found '{self.name}'")
        if self.place not in get_args(Place):
            raise ValueError(f"a parameter's place must be one of {get_args(Place)}, found '{self.place}'")


GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "sigma": "σ", "Phi": "Φ"}
"""Name -> Greek letter."""
BETA = Parameter("beta")
"""The trainable scalar of the grammar of 2017. Swish-1 is x*sigmoid(x); the paper does not give the start of beta."""
