"""What is known of a function without training it, as one row of numbers: for the surrogate.

How well the untrained network's features tell the classes apart, what else is seen before the first step, and the
function's profile. Not here: how these are measured (``evaluators.first_look``, ``grammar.profile``).
"""

from collections.abc import Callable

from evaluators.first_look import first_look
from evaluators.settings import TaskSettings
from grammar.expression import Expression
from grammar.primitive import Primitive
from grammar.profile import profile


def knowledge_of(task: TaskSettings, seed: int, own: tuple[Primitive, ...] = ()) -> Callable[[Expression], list[float]]:
    """Return what describes an expression, the most telling number first; for a task without a network 0 and a profile.

    Args:
        task: whose network is looked at.
        seed: of its weights.
        own: rows of the user's own.
    """

    def describe(expression: Expression) -> list[float]:
        look = first_look(str(expression), task, seed, own)
        return [*(look.numbers() if look else [0.0]), *profile(expression).tolist()]

    return describe
