"""One row of the table of tasks: data, network, and default settings.

Not here: the rows (``registry``) and the training of their children (``network_task``).
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from actsearch.evaluators.data.dataset import DataSet
from actsearch.evaluators.layers import MakeActivation
from actsearch.evaluators.settings import CompleteSettings, Init, TaskSettings

SIDE_BY_SIDE = 8  # number of children in turns on a GPU; more gained 6 % on an H200 (README, "On a GPU")
OPEN = ("steps", "batch", "learning_rate", "width", "init")


@dataclass(frozen=True)
class Kind:
    """Data and network of one name, with the values that replace open settings.

    Args:
        load: function that returns the data set; called once per worker.
        network: function that builds the child before its weights are drawn.
        purpose: use of the task, in one line for people.
        steps, batch, learning_rate, width, init: default values, see ``TaskSettings``.
        large: whether the child is large enough to gain from a GPU.
        files: whether the task reads the user's files in ``task.directory``.
        in_turns: number of children that a GPU trains in turns; above 1 if one does not fill it.
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
        """Return the settings with this task's values in place of open ones."""
        values = {part.name: getattr(settings, part.name) for part in dataclasses.fields(TaskSettings)}
        return CompleteSettings(**values | {name: getattr(self, name) for name in OPEN if values[name] is None})
