"""A task of a network and data: it builds, checks, trains and scores its children.

A child's numbers depend only on its activation and its seed. Not here: the list of networks and data (``registry``),
the course of a training (``network_training``) and the training step by step (``torch_child``, ``native.child``).
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from actsearch.evaluators.activation import BUILT_IN, Activation
from actsearch.evaluators.data.dataset import DataSet
from actsearch.evaluators.data.examples import BadData, Split
from actsearch.evaluators.device import device_of
from actsearch.evaluators.initialisation import initialise
from actsearch.evaluators.kind import Kind
from actsearch.evaluators.native.child import NativeChild
from actsearch.evaluators.native.compiler import NotNativeError, is_available
from actsearch.evaluators.network_training import training
from actsearch.evaluators.objective import CrossEntropy, Objective
from actsearch.evaluators.outcome import Outcome, Request
from actsearch.evaluators.own import problem as own
from actsearch.evaluators.own.checks import check
from actsearch.evaluators.own.optimisers import course_of
from actsearch.evaluators.schedule import batches
from actsearch.evaluators.settings import CompleteSettings, TaskSettings
from actsearch.evaluators.stacks.training import train_stack
from actsearch.evaluators.task import BadTask, Drawn, Task, Training
from actsearch.evaluators.torch_child import TorchChild

CROSS_ENTROPY = CrossEntropy()
Child = NativeChild | TorchChild


@dataclass(frozen=True)
class Untrained:
    """A network before its first step.

    Args:
        network: network with initial weights, on the task's device.
        layers: the candidate's layers in the network, in the order of their construction.
        generator: generator that drew the weights; later draws continue from it.
    """

    network: nn.Module
    layers: list[nn.Module]
    generator: torch.Generator


@functools.lru_cache(maxsize=2)
def _data_of(settings: TaskSettings, kind: Kind) -> DataSet[Any]:
    dtype = torch.float64 if settings.precision == "float64" else None
    return kind.load(settings).shortened(settings.examples).to(device_of(settings, large=kind.large), dtype)


@dataclass(frozen=True)
class NetworkTask(Task):
    """A task whose children are networks that this engine trains on data; the user's own network and data included.

    Args:
        settings: settings of the task, without open values.
        kind: network and data of the task.
    """

    settings: CompleteSettings
    kind: Kind

    @property
    def usual(self) -> CompleteSettings:
        """The default settings of the task's kind."""
        return self.kind.complete(TaskSettings(name=self.settings.name, own=self.settings.own))

    def with_kernel(self, kernel: Literal["native", "torch"]) -> "NetworkTask":
        """Return the same task with its children trained by the given kernel."""
        return dataclasses.replace(self, settings=dataclasses.replace(self.settings, kernel=kernel))

    def with_stack(self, size: int) -> "NetworkTask":
        """Return the same task with stacks of ``size`` children that are trained as one."""
        return dataclasses.replace(self, settings=dataclasses.replace(self.settings, stack=size))

    @property
    def data(self) -> DataSet[Any]:
        """The data set, loaded once per process and kept on the task's device.

        Raises:
            BadData, BadOwnTask: the data cannot be read.
        """
        return _data_of(self.settings, self.kind)

    @property
    def objective(self) -> Objective:
        """The loss: cross-entropy for the tasks of this engine, the user's loss for their own task."""
        return own.problem(self.settings).objective if self.is_own else CROSS_ENTROPY

    @property
    def chance(self) -> float | None:
        """Chance loss: a uniform guess; for a user's task, the best constant output."""
        return self.data.chance

    @property
    def unit(self) -> str:
        """The unit of the loss."""
        return self.objective.unit

    @property
    def device(self) -> str:
        """The device of the children: a GPU if there is one and the child is large enough to gain."""
        return device_of(self.settings, large=self.kind.large)

    @property
    def takes_kernel(self) -> bool:
        """Whether the kernel trains the child: the default child, unless a setting needs torch."""
        settings = self.settings
        is_usual = settings.optimiser == "adamw" and settings.precision == "float32" and not settings.augment
        same_decay = settings.beta_decay in {None, settings.weight_decay}
        return settings.name == "mnist1d" and settings.kernel == "auto" and is_usual and same_decay

    @property
    def slow_because(self) -> str:
        """The reason for slow training: without a compiler torch trains the default child, about six times slower."""
        if self.settings.name != "mnist1d" or self.settings.kernel == "torch" or is_available():
            return ""
        return "no C compiler that works was found: children are trained by torch, many times slower"

    def digest(self) -> str:
        """Return the digest of the data."""
        return self.data.digest

    def warm_up(self) -> None:
        """Load the data, and check that this process has the kernel if the task needs it."""
        if self.takes_kernel and not is_available():
            raise BadTask(
                "key 'task.kernel': the driver has the kernel and a worker has not; use torch, or bring cc there"
            )
        _ = self.data

    def build(self, activation: Activation, seed: int) -> Untrained:
        """Build a network with the activation, before its first step. Only this method builds networks.

        Args:
            activation: activation of the network's layers.
            seed: seed of the initial weights.
        """
        layers: list[nn.Module] = []

        def make(channels: int, dimension: int | None = None) -> nn.Module:
            layers.append(activation.make(channels, dimension))
            return layers[-1]

        generator = torch.Generator().manual_seed(seed)
        network = self.kind.network(self.settings, self.data, make)
        function = activation.function
        initialise(network, self.settings.init, None if function is None else function.at_start, generator)
        if self.settings.precision == "float64":
            network.double()
        network = network.to(self.data.train.device)
        if self.device == "cuda" and not self.is_own:  # convolutions are faster with the channels last
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch
        return Untrained(network, layers, generator)

    def child(self, untrained: Untrained, activation: Activation, steps: int) -> Child:
        """Return the child that trains a network, with the kernel if it can train this one, else with torch.

        Args:
            untrained: network before its first step.
            activation: activation of the network.
            steps: number of optimiser steps.

        Raises:
            BadTask: the settings demand the kernel, which cannot train this child.
        """
        train, settings = self.data.train, self.settings
        batch_count = steps * settings.own.accumulate
        if not isinstance(train, Split):
            return self._torch_child(untrained, train.stream(settings.batch, batch_count, untrained.generator), steps)
        order = batches(len(train), settings.batch, batch_count, untrained.generator)
        if settings.kernel != "torch":
            try:
                return NativeChild(untrained.network, activation.function, train, order, settings)
            except NotNativeError as fault:
                if settings.kernel == "native":
                    raise BadTask(f"key 'task.kernel': {fault}; use auto or torch") from fault
        return self._torch_child(untrained, map(train.take, order.to(train.device)), steps)

    def _torch_child(self, untrained: Untrained, stream: Iterator[Split], steps: int) -> TorchChild:
        network, settings, layers = untrained.network, self.settings, untrained.layers
        course = course_of(network, settings, steps, layers, self.data.train) if self.is_own else None
        return TorchChild(network, self.objective, stream, steps, settings, untrained.generator, layers, course)

    def prepare(self) -> list[str]:
        """Check the settings, load the data, compile the kernel and build one child."""
        settings, data = self.settings, self.data
        if self.takes_kernel:
            is_available()  # compiles the kernel here, so that the workers need not
        if settings.batch < 2:
            raise BadTask(f"key 'task.batch': at least 2 examples are needed, found {settings.batch}")
        inputs = data.train.first(2).inputs
        if settings.augment and not (isinstance(inputs, Tensor) and inputs.ndim == 4):
            raise BadTask(
                f"key 'task.augment': only images can be shifted and mirrored, task '{settings.name}' has none"
            )
        if settings.stop_after and (self.chance is None or self.chance <= 0):
            raise BadTask(
                "key 'task.stop_after': stopping compares with the loss of a network that knows nothing, which is not "
                "known here, or not above 0; say it with task.own.chance"
            )
        notes = []
        if settings.directory and not self.kind.files:
            notes.append(f"task.directory does nothing here: the task '{settings.name}' reads no files of yours")
        if self.is_own:
            if settings.kernel == "native":
                raise BadTask("key 'task.kernel': the kernel knows the default child alone; use auto or torch")
            return [*notes, *check(settings, dataclasses.replace(own.problem(settings), data=data))]
        swish = BUILT_IN.read("swish")
        try:
            with torch.random.fork_rng(devices=[]):
                untrained = self.build(swish, seed=0)
                self.objective.output(untrained.network.eval(), data.train.first(2))
            self.child(untrained, swish, steps=1)
        except (BadData, BadTask):
            raise
        except (RuntimeError, ValueError) as fault:
            raise BadTask(f"task '{settings.name}': {fault}") from fault
        return notes

    @property
    def replaced(self) -> tuple[str, ...]:
        """The layers or calls that the candidate replaces: the user's choice, or those of their network."""
        return own.problem(self.settings).replace if self.is_own else ()

    @property
    def stack(self) -> int:
        """The number of children that are trained as one; above 1 only for a user's network (``stacks``)."""
        return (self.settings.stack or 1) if self.is_own else 1

    @property
    def side_by_side(self) -> int:
        """The number of children that one process trains at a time.

        It is above 1 on a GPU, which one small network does not fill. A user's network takes turns with no other,
        because it may draw random numbers.
        """
        if self.stack > 1:
            return self.stack
        return self.kind.in_turns if self.device == "cuda" and not self.is_own else 1

    def trained(self, drawn: Sequence[Drawn]) -> list[Outcome]:
        """Train the children as a stack if this run stacks children; a layer that is no function is trained alone."""
        if self.stack > 1 and all(activation.function is not None for _, activation in drawn):
            return train_stack(self, drawn)
        return super().trained(drawn)

    def training(self, request: Request, activation: Activation) -> Training:
        """Train one child, stop it early if it is hopeless, and score it."""
        return training(self, request, activation)
