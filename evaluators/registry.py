"""The list of tasks, and the construction of a task from settings.

Not here: the tasks themselves (``task``, ``network_task``, ``own.score_task``).
"""

import copyreg
import difflib
from typing import Any

from actsearch.evaluators.data import cifar, digits, idx, mnist1d, text
from actsearch.evaluators.data.dataset import DataSet
from actsearch.evaluators.kind import Kind
from actsearch.evaluators.network_task import NetworkTask
from actsearch.evaluators.networks.mlp import MLP
from actsearch.evaluators.networks.mlp import WIDTH as MLP_WIDTH
from actsearch.evaluators.networks.resnet1d import WIDTH, ResNet1d
from actsearch.evaluators.networks.resnet2d import ResNet2d
from actsearch.evaluators.networks.resnet9 import ResNet9
from actsearch.evaluators.networks.transformer import WIDTH as STREAM_WIDTH
from actsearch.evaluators.networks.transformer import CharacterModel, SequenceClassifier
from actsearch.evaluators.own import graft
from actsearch.evaluators.own.problem import load
from actsearch.evaluators.own.score_task import WholeTraining
from actsearch.evaluators.settings import TaskSettings
from actsearch.evaluators.task import BadTask, Task
from actsearch.grammar.plugins import BadPlugin, installed, loaded


def _shape(data: DataSet[Any]) -> tuple[int, ...]:
    return tuple(data.train.first(1).inputs.shape[1:])


def _width(settings: TaskSettings) -> int:
    assert settings.width is not None  # each kind of this engine has a default width
    return settings.width


TASKS: dict[str, Kind] = {
    "mnist1d": Kind(
        lambda settings: mnist1d.load(),
        lambda settings, data, make: ResNet1d(data.class_count, make, _width(settings)),
        "a small 1-D ResNet on MNIST-1D: under a second a child, ranks like the paper's CIFAR-10 (the default)",
        steps=500, batch=32, learning_rate=5e-3, width=WIDTH,
    ),
    "mnist1d_mlp": Kind(
        lambda settings: mnist1d.load(),
        lambda settings, data, make: MLP(_shape(data), data.class_count, make, _width(settings)),
        "a multilayer perceptron on MNIST-1D: functions for networks without convolutions; reaches 65 %",
        steps=500, batch=128, learning_rate=5e-3, width=MLP_WIDTH,
    ),
    "mnist1d_transformer": Kind(
        lambda settings: mnist1d.load(),
        lambda settings, data, make: SequenceClassifier(_shape(data)[0], data.class_count, make, _width(settings)),
        "a small transformer on MNIST-1D: functions for feed-forward blocks behind layer normalisation",
        steps=500, batch=128, learning_rate=3e-3, width=STREAM_WIDTH, init="lecun",
    ),
    "digits": Kind(
        lambda settings: digits.load(),
        lambda settings, data, make: MLP(_shape(data), data.class_count, make, _width(settings)),
        "a perceptron on scikit-learn's digits: the smoke test; too easy to rank anything (sin wins)",
        steps=60, batch=64, learning_rate=5e-3, width=32,
    ),
    "fashion_mnist": Kind(
        lambda settings: idx.load(settings.directory),
        lambda settings, data, make: ResNet2d(_shape(data), data.class_count, make, _width(settings), blocks=1),
        "a small 2-D ResNet on Fashion-MNIST: real images; agrees with the default task at a higher price",
        steps=400, batch=128, learning_rate=5e-3, width=8, large=True, files=True,
    ),
    "cifar10": Kind(
        lambda settings: cifar.load(settings.directory, 10),
        lambda settings, data, make: ResNet2d(_shape(data), data.class_count, make, _width(settings), blocks=3),
        "ResNet-20 on CIFAR-10 as in the paper: hours a child on a CPU, minutes on a GPU",
        steps=10_000, batch=128, learning_rate=5e-3, width=16, large=True, files=True,
    ),
    "cifar10_fast": Kind(
        lambda settings: cifar.load(settings.directory, 10),
        lambda settings, data, make: ResNet9(_shape(data), data.class_count, make, _width(settings)),
        "ResNet-9 on CIFAR-10: a wide, shallow child for a GPU, minutes where ResNet-20 takes many; set task.augment",
        steps=2_350, batch=512, learning_rate=1e-2, width=64, large=True, files=True, in_turns=1,
    ),
    "cifar100": Kind(
        lambda settings: cifar.load(settings.directory, 100),
        lambda settings, data, make: ResNet2d(_shape(data), data.class_count, make, _width(settings), blocks=3),
        "ResNet-20 on CIFAR-100: as cifar10, with finer classes",
        steps=10_000, batch=128, learning_rate=5e-3, width=16, large=True, files=True,
    ),
    "text": Kind(
        lambda settings: text.load(settings.directory),
        lambda settings, data, make: CharacterModel(text.WINDOW, data.class_count, make, _width(settings)),
        "a character-level transformer on any text, by default Python's own library: functions for language models",
        steps=300, batch=32, learning_rate=3e-3, width=STREAM_WIDTH, init="lecun", large=True, files=True,
    ),
    "own": Kind(
        load,
        graft.network,
        "your network and your data, or your whole training (task.own)",
        steps=250, batch=128, learning_rate=5e-3, init="network", large=True,
    ),
}  # fmt: skip


def resolve(settings: TaskSettings) -> Task:
    """Return the task that the settings name, with the task's own values in place of open ones.

    Raises:
        BadTask: the task is unknown, or the settings lack a value that it needs.
        BadPlugin: the package that adds the task is broken.
    """
    if settings.name in installed("tasks"):
        return _added(settings)
    if settings.name not in TASKS:
        known = [*TASKS, *installed("tasks")]
        near = difflib.get_close_matches(settings.name, known, n=1, cutoff=0.4)
        hint = f"did you mean '{near[0]}'?" if near else f"expected one of: {', '.join(known)}"
        raise BadTask(f"key 'task.name': unknown task '{settings.name}'; {hint}")
    user_code = settings.own.function or ("a loop of yours" if settings.own.loop else "")
    if settings.name == "own" and not user_code:
        raise BadTask(
            "key 'task.own': the task 'own' is a function of yours: name it, task.own.build or task.own.score"
        )
    if settings.name != "own" and user_code:
        raise BadTask(
            f"key 'task.name': '{settings.name}' contradicts '{user_code}' of task.own: the name own goes with it"
        )
    kind = TASKS[settings.name]
    complete = kind.complete(settings)
    return WholeTraining(complete, kind) if settings.own.score or settings.own.loop else NetworkTask(complete, kind)


def _added(settings: TaskSettings) -> Task:
    """Return a task that a package adds, by calling the package's entry with the settings."""
    task = loaded("tasks", settings.name)(settings)
    if not isinstance(task, Task):
        raise BadPlugin(f"the task '{settings.name}': expected an actsearch.Task, found {type(task).__name__}")
    return task


def _reduce(task: NetworkTask | WholeTraining) -> tuple[object, ...]:
    """Pickle a task as its settings, from which another process builds it again."""
    usual = task.kind is TASKS[task.settings.name]
    return (resolve, (task.settings,)) if usual else (type(task), (task.settings, task.kind))


copyreg.pickle(NetworkTask, _reduce)  # type: ignore[arg-type]  # typeshed wants a function of object
copyreg.pickle(WholeTraining, _reduce)  # type: ignore[arg-type]


def resolve_network(settings: TaskSettings) -> NetworkTask:
    """Return the task that the settings name, which must have a network and data.

    Raises:
        BadTask: the task is the user's whole training.
    """
    task = resolve(settings)
    if not isinstance(task, NetworkTask):
        score = settings.own.score or "a loop of yours"
        raise BadTask(f"key 'task.own': '{score}' is a whole training, which has no network to look at")
    return task
