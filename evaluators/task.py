"""A task: data, child network, budget, and what the score means. The registry of tasks is at the end.

Not here: how a child is trained (``training``) and on which worker (``pool``).
"""

import dataclasses
import difflib
import functools
from collections.abc import Callable

import torch
from torch import nn

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.data import cifar, digits, idx, mnist1d, text
from actsearch.evaluators.data.dataset import BadData, DataSet
from actsearch.evaluators.layers import MakeActivation
from actsearch.evaluators.native.child import NativeChild
from actsearch.evaluators.native.compiler import NotNativeError, is_available
from actsearch.evaluators.networks.mlp import MLP
from actsearch.evaluators.networks.mlp import WIDTH as MLP_WIDTH
from actsearch.evaluators.networks.resnet1d import WIDTH, ResNet1d
from actsearch.evaluators.networks.resnet2d import ResNet2d
from actsearch.evaluators.networks.transformer import WIDTH as STREAM_WIDTH
from actsearch.evaluators.networks.transformer import CharacterModel, SequenceClassifier
from actsearch.evaluators.own import functions as own
from actsearch.evaluators.own import places
from actsearch.evaluators.own.check import check
from actsearch.evaluators.settings import TaskSettings
from actsearch.grammar.fault import UserFault

Network = Callable[[TaskSettings, DataSet, MakeActivation], nn.Module]


class BadTask(UserFault):
    """Task settings that cannot be used; the message names the key."""


@dataclasses.dataclass(frozen=True)
class Task:
    """Data and child of one name, with the values that its settings take where they are left open.

    Args:
        load: returns the data set; called once per worker.
        network: makes the child, with weights yet to be drawn.
        purpose: what it is good for, one line for people.
        steps, batch, learning_rate, width, init: see ``TaskSettings``.
        large: whether a GPU pays.
    """

    load: Callable[[TaskSettings], DataSet]
    network: Network
    purpose: str
    steps: int
    batch: int
    learning_rate: float
    width: int = 0
    init: str = "he"
    large: bool = False


def _shape(data: DataSet) -> tuple[int, ...]:
    return tuple(data.train.inputs.shape[1:])


TASKS: dict[str, Task] = {
    "mnist1d": Task(
        lambda settings: mnist1d.load(),
        lambda settings, data, make: ResNet1d(data.classes, make, settings.width),
        "a small 1-D ResNet on MNIST-1D: under a second a child, ranks like the paper's CIFAR-10 (the default)",
        steps=500, batch=32, learning_rate=5e-3, width=WIDTH,
    ),
    "mnist1d_mlp": Task(
        lambda settings: mnist1d.load(),
        lambda settings, data, make: MLP(_shape(data), data.classes, make, settings.width),
        "a multilayer perceptron on MNIST-1D: functions for networks without convolutions; reaches 65 %",
        steps=500, batch=128, learning_rate=5e-3, width=MLP_WIDTH,
    ),
    "mnist1d_transformer": Task(
        lambda settings: mnist1d.load(),
        lambda settings, data, make: SequenceClassifier(data.train.inputs.shape[1], data.classes, make, settings.width),
        "a small transformer on MNIST-1D: functions for feed-forward blocks behind layer normalisation",
        steps=500, batch=128, learning_rate=3e-3, width=STREAM_WIDTH, init="lecun",
    ),
    "digits": Task(
        lambda settings: digits.load(),
        lambda settings, data, make: MLP(_shape(data), data.classes, make, settings.width),
        "a perceptron on scikit-learn's digits: the smoke test; too easy to rank anything (sin wins)",
        steps=60, batch=64, learning_rate=5e-3, width=32,
    ),
    "fashion_mnist": Task(
        lambda settings: idx.load(settings.directory),
        lambda settings, data, make: ResNet2d(_shape(data), data.classes, make, settings.width, blocks=1),
        "a small 2-D ResNet on Fashion-MNIST: real images; agrees with the default task at a higher price",
        steps=400, batch=128, learning_rate=5e-3, width=8, large=True,
    ),
    "cifar10": Task(
        lambda settings: cifar.load(settings.directory, 10),
        lambda settings, data, make: ResNet2d(_shape(data), data.classes, make, settings.width, blocks=3),
        "ResNet-20 on CIFAR-10 as in the paper: hours a child on a CPU, minutes on a GPU",
        steps=10_000, batch=128, learning_rate=5e-3, width=16, large=True,
    ),
    "cifar100": Task(
        lambda settings: cifar.load(settings.directory, 100),
        lambda settings, data, make: ResNet2d(_shape(data), data.classes, make, settings.width, blocks=3),
        "ResNet-20 on CIFAR-100: as cifar10, with finer classes",
        steps=10_000, batch=128, learning_rate=5e-3, width=16, large=True,
    ),
    "text": Task(
        lambda settings: text.load(settings.directory),
        lambda settings, data, make: CharacterModel(text.WINDOW, data.classes, make, settings.width),
        "a character-level transformer on any text, by default Python's own library: functions for language models",
        steps=300, batch=32, learning_rate=3e-3, width=STREAM_WIDTH, init="lecun", large=True,
    ),
    "own": Task(
        own.load,
        places.network,
        "your network and your data, or your whole training (task.own)",
        steps=250, batch=128, learning_rate=5e-3, init="network", large=True,
    ),
}  # fmt: skip


def complete(settings: TaskSettings) -> TaskSettings:
    """Return the settings with the task's own values where they were left open.

    Raises:
        BadTask: unknown task, or one that lacks what it needs.
    """
    if settings.name not in TASKS:
        near = difflib.get_close_matches(settings.name, TASKS, n=1, cutoff=0.4)
        hint = f"did you mean '{near[0]}'?" if near else f"expected one of: {', '.join(TASKS)}"
        raise BadTask(f"key 'task.name': unknown task '{settings.name}'; {hint}")
    theirs = settings.own.build or settings.own.score
    if settings.name == "own" and not theirs:
        raise BadTask(
            "key 'task.own': the task 'own' is a function of yours: name it, task.own.build or task.own.score"
        )
    if settings.name != "own" and theirs:
        raise BadTask(
            f"key 'task.name': '{settings.name}' contradicts '{theirs}' of task.own: the name own goes with it"
        )
    task = TASKS[settings.name]
    open_ones = ("steps", "batch", "learning_rate", "width", "init")
    return dataclasses.replace(settings, **{name: getattr(settings, name) or getattr(task, name) for name in open_ones})


@functools.lru_cache(maxsize=2)
def data_of(settings: TaskSettings) -> DataSet:
    """Return a task's data, loaded once a process and kept on the task's device.

    Raises:
        BadData: it cannot be read.
        BadTask: the task brings none.
    """
    return TASKS[settings.name].load(settings).shortened(settings.examples).to(device_of(settings))


def chance_of(settings: TaskSettings) -> float | None:
    """Return the score of a child that knows nothing, lower is better; None where only the user could know it."""
    return settings.own.chance if settings.own.score else data_of(complete(settings)).chance


def device_of(settings: TaskSettings) -> str:
    """Return where children are trained.

    Raises:
        BadTask: a GPU is asked for and there is none.
    """
    has_gpu = torch.cuda.is_available()
    if settings.device == "cuda" and not has_gpu:
        raise BadTask("key 'task.device': torch finds no GPU here; use cpu, or auto")
    wants_gpu = settings.device == "cuda" or (settings.device == "auto" and TASKS[settings.name].large)
    return "cuda" if has_gpu and wants_gpu else "cpu"


def slow_because(settings: TaskSettings) -> str:
    """Return why the default child is trained by torch here, some six times slower, or nothing."""
    if complete(settings).name != "mnist1d" or settings.kernel == "torch" or is_available():
        return ""
    return "no C compiler that works was found: children are trained by torch, many times slower"


def warm_up(settings: TaskSettings, *, rehearsed: bool = False) -> str:
    """Make what a worker needs before its first child; return the digest of its data, empty if the task has none.

    Args:
        settings: of the task.
        rehearsed: whether the user's own training is called once, so that it starts alike in every worker.

    Raises:
        BadTask, BadData, BadOwnTask: with one sentence.
    """
    settings = complete(settings)
    if settings.name == "mnist1d" and settings.kernel == "auto" and not is_available():
        raise BadTask("key 'task.kernel': the driver has the kernel and a worker has not; use torch, or bring cc there")
    if settings.own.score:
        own.find(settings.own.score)
        if rehearsed:
            own.rehearse(settings, BUILT_IN.read("swish").make)
        return ""
    return data_of(settings).digest


def prepare(settings: TaskSettings) -> list[str]:
    """Make the data, one child and the kernel, so that what is wrong is said before anything is trained.

    Returns:
        What the user should know of their own network, a sentence each.

    Raises:
        BadTask, BadData, BadOwnTask: with one sentence.
    """
    settings = complete(settings)
    if settings.kernel == "auto" and settings.name == "mnist1d":
        is_available()  # compiled once, not by each worker
    if settings.own.score:
        own.find(settings.own.score)
        return []
    data = data_of(settings)
    if settings.batch < 2:
        raise BadTask(f"key 'task.batch': at least 2 examples are needed, found {settings.batch}")
    if settings.augment and data.train.inputs.ndim != 4:
        raise BadTask(f"key 'task.augment': only images can be shifted and mirrored, task '{settings.name}' has none")
    if settings.own.build:
        if settings.kernel == "native":
            raise BadTask("key 'task.kernel': the kernel knows the default child alone; use auto or torch")
        return check(settings, data)
    try:
        with torch.random.fork_rng(devices=[]):
            network = TASKS[settings.name].network(settings, data, BUILT_IN.read("swish").make)
            network.to(data.train.inputs.device).eval()(data.train.inputs[:2])
        if settings.kernel == "native":
            order = torch.zeros(1, settings.batch, dtype=torch.int64)
            NativeChild(network, BUILT_IN.read("swish").function, data.train, order, settings)
    except BadData:
        raise
    except NotNativeError as fault:
        raise BadTask(f"key 'task.kernel': {fault}; use auto or torch") from fault
    except (RuntimeError, ValueError) as fault:
        raise BadTask(f"task '{settings.name}': {fault}") from fault
    return []
