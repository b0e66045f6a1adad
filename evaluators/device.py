"""The device that trains the children. Not here: the workers that train there (``pools``)."""

import torch

from actsearch.evaluators.settings import TaskSettings
from actsearch.evaluators.task import BadTask


def device_of(settings: TaskSettings, *, large: bool) -> str:
    """Return the device for a task, ``cpu`` or ``cuda``.

    Args:
        settings: settings of the task.
        large: whether the task's child is large enough to gain from a GPU.

    Raises:
        BadTask: the settings demand a GPU and there is none.
    """
    has_gpu = torch.cuda.is_available()
    if settings.device == "cuda" and not has_gpu:
        raise BadTask("key 'task.device': torch finds no GPU here; use cpu, or auto")
    wants_gpu = settings.device == "cuda" or (settings.device == "auto" and large)
    return "cuda" if has_gpu and wants_gpu else "cpu"
