"""One row of the table of tasks: data, network, and the values that settings take where they are left open.

Not here: the rows (``registry``) and how their children are trained (``network_task``).
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from actsearch.evaluators.data.dataset import DataSet
from actsearch.evaluators.layers import MakeActivation
from actsearch.evaluators.settings import CompleteSettings, Init, TaskSettings

SIDE_BY_SIDE = 8  # children on a GPU; more gained 6 % on an H200 (README, "On a GPU")
OPEN = ("steps", "batch", "learning_rate", "width", "init")


@dataclass(frozen=True)
class Kind:
    """Data and network of one name, with the values that settings take where they are left open.

    Args:
        load: returns the data set; called once per worker.
        network: makes the child, with weights yet to be drawn.
        purpose: what it is good for, one line for people.
        steps, batch, learning_rate, width, init: see ``TaskSettings``.
        large: whether a GPU pays.
        files: whether it reads files of the user's, ``task.directory``.
        in_turns: children that a GPU trains in turns, where one does not fill it.
    """

    load: Callable[[TaskSettings], DataSet[Any]]
    network: Callable[[TaskSettings, DataSet[Any], MakeActivation], nn.Module]
    purpose: str
    steps: int
    batch: int
    learning_rate: float
    width: int | None = None
    init: Init = "he"
    large: bool = False
    files: bool = False
    in_turns: int = SIDE_BY_SIDE

    def complete(self, settings: TaskSettings) -> CompleteSettings:
        """Return settings of this task without an open value."""
        values = {part.name: getattr(settings, part.name) for part in dataclasses.fields(TaskSettings)}
        return CompleteSettings(**values | {name: getattr(self, name) for name in OPEN if values[name] is None})
