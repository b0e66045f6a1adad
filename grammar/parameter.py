"""A trainable parameter of an activation function. Not here: what reads it, a row (``primitive``)."""

from dataclasses import dataclass
from typing import Literal, get_args

Place = Literal["channel", "layer", "network"]
"""What shares one value: the units of a channel, of a layer, or of the whole network."""


@dataclass(frozen=True)
class Parameter:
    """A trainable scalar of a function.

    Args:
        name: a Python identifier; functions that name the same parameter share it.
        start: the value before training, a finite number.
        place: what shares one value.

    Raises:
        ValueError: the name is no identifier, or there is no such place.
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
"""Name -> letter, as people write it."""
BETA = Parameter("beta")
"""The trainable scalar of the grammar of 2017. Swish-1 is x*sigmoid(x); the paper does not give the start of beta."""
