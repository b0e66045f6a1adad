"""A stand-in for what is known of functions without training."""

import math
from collections.abc import Callable, Sequence

from actsearch.grammar.expression import Expression


class Knowing:
    """Knowledge whose numbers a test chooses.

    Args:
        profile: numbers of a function; none by default.
        elsewhere: ranks of a function on other problems; none by default.
        readout: readout of a function; unknown by default.
    """

    def __init__(
        self, profile: Callable[[Expression], Sequence[float]] = lambda expression: (0.0,),
        elsewhere: Callable[[Expression], Sequence[float]] = lambda expression: (),
        readout: Callable[[Expression], float] = lambda expression: math.nan,
    ) -> None:  # fmt: skip
        self._profile, self._elsewhere, self._readout = profile, elsewhere, readout

    def profile(self, expression: Expression) -> tuple[float, ...]:
        """Return the numbers that the test chose."""
        return tuple(self._profile(expression))

    def elsewhere(self, expression: Expression) -> tuple[float, ...]:
        """Return the ranks that the test chose."""
        return tuple(self._elsewhere(expression))

    def readout(self, expression: Expression) -> float:
        """Return the readout that the test chose."""
        return self._readout(expression)
