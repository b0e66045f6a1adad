"""A task of a network and data: how its children are made, tried, trained and scored.

A child's numbers depend on its activation and its seed alone. Not here: which networks and data there are
(``registry``), the course of a training (``network_training``) and what trains step by step (``torch_child``,
``native.child``).
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
        network: with its weights drawn, on the task's device.
        layers: the candidate's, in the order in which they were made.
        generator: that drew the weights, for what is drawn further.
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
    """Children are networks, trained on data by this engine; the user's own network and data included.

    Args:
        settings: with every value.
        kind: which network and data.
    """

    settings: CompleteSettings
    kind: Kind

    @property
    def usual(self) -> CompleteSettings:
        """Those of its kind."""
        return self.kind.complete(TaskSettings(name=self.settings.name, own=self.settings.own))

    def with_kernel(self, kernel: Literal["native", "torch"]) -> "NetworkTask":
        """Return the task whose children the kernel or torch trains."""
        return dataclasses.replace(self, settings=dataclasses.replace(self.settings, kernel=kernel))

    def with_stack(self, size: int) -> "NetworkTask":
        """Return the task of which so many children are trained as one."""
        return dataclasses.replace(self, settings=dataclasses.replace(self.settings, stack=size))

    @property
    def data(self) -> DataSet[Any]:
        """Loaded once a process and kept on the task's device.

        Raises:
            BadData, BadOwnTask: it cannot be read.
        """
        return _data_of(self.settings, self.kind)

    @property
    def objective(self) -> Objective:
        """Its loss: cross-entropy, but for the user's own."""
        return own.problem(self.settings).objective if self.is_own else CROSS_ENTROPY

    @property
    def chance(self) -> float | None:
        """Cross-entropy of who takes every class for equally likely; of the user's own, that of the best constant."""
        return self.data.chance

    @property
    def unit(self) -> str:
        """As the loss says."""
        return self.objective.unit

    @property
    def device(self) -> str:
        """A GPU where there is one and the child is large enough to gain."""
        return device_of(self.settings, large=self.kind.large)

    @property
    def takes_kernel(self) -> bool:
        """The default child, unless torch is asked for, or something that the kernel does not do."""
        settings = self.settings
        is_usual = settings.optimiser == "adamw" and settings.precision == "float32" and not settings.augment
        same_decay = settings.beta_decay in {None, settings.weight_decay}
        return settings.name == "mnist1d" and settings.kernel == "auto" and is_usual and same_decay

    @property
    def slow_because(self) -> str:
        """Without a compiler the default child is trained by torch, some six times slower."""
        if self.settings.name != "mnist1d" or self.settings.kernel == "torch" or is_available():
            return ""
        return "no C compiler that works was found: children are trained by torch, many times slower"

    def digest(self) -> str:
        """Return the data's."""
        return self.data.digest

    def warm_up(self) -> None:
        """Load the data, and see that the kernel is here where the driver has it."""
        if self.takes_kernel and not is_available():
            raise BadTask(
                "key 'task.kernel': the driver has the kernel and a worker has not; use torch, or bring cc there"
            )
        _ = self.data

    def build(self, activation: Activation, seed: int) -> Untrained:
        """Return a network that holds the activation, before its first step; the one place where one is made."""
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
        if self.device == "cuda" and not self.is_own:  # convolutions are faster, channels last
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch
        return Untrained(network, layers, generator)

    def child(self, untrained: Untrained, activation: Activation, steps: int) -> Child:
        """Return the child that trains a network for so many steps, natively where the kernel can.

        Raises:
            BadTask: the kernel is asked for and cannot.
        """
        train, settings = self.data.train, self.settings
        needed = steps * settings.own.accumulate
        if not isinstance(train, Split):
            return self._of_torch(untrained, train.stream(settings.batch, needed, untrained.generator), steps)
        order = batches(len(train), settings.batch, needed, untrained.generator)
        if settings.kernel != "torch":
            try:
                return NativeChild(untrained.network, activation.function, train, order, settings)
            except NotNativeError as fault:
                if settings.kernel == "native":
                    raise BadTask(f"key 'task.kernel': {fault}; use auto or torch") from fault
        return self._of_torch(untrained, map(train.take, order.to(train.device)), steps)

    def _of_torch(self, untrained: Untrained, stream: Iterator[Split], steps: int) -> TorchChild:
        network, settings, layers = untrained.network, self.settings, untrained.layers
        course = course_of(network, settings, steps, layers, self.data.train) if self.is_own else None
        return TorchChild(network, self.objective, stream, steps, settings, untrained.generator, layers, course)

    def prepare(self) -> list[str]:
        """Make the data, one child and the kernel."""
        settings, data = self.settings, self.data
        if self.takes_kernel:
            is_available()  # compiled once, not by each worker
        if settings.batch < 2:
            raise BadTask(f"key 'task.batch': at least 2 examples are needed, found {settings.batch}")
        inputs = data.train.first(2).inputs
        if settings.augment and not (isinstance(inputs, Tensor) and inputs.ndim == 4):
            raise BadTask(
                f"key 'task.augment': only images can be shifted and mirrored, task '{settings.name}' has none"
            )
        if settings.stop_after and (self.chance is None or self.chance <= 0):
            raise BadTask(
                "key 'task.stop_after': what is hopeless is told by the loss of a network that knows nothing, which is "
                "not known here, or not above 0; say it with task.own.chance"
            )
        said = []
        if settings.directory and not self.kind.files:
            said.append(f"task.directory does nothing here: the task '{settings.name}' reads no files of yours")
        if self.is_own:
            if settings.kernel == "native":
                raise BadTask("key 'task.kernel': the kernel knows the default child alone; use auto or torch")
            return [*said, *check(settings, dataclasses.replace(own.problem(settings), data=data))]
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
        return said

    @property
    def replaced(self) -> tuple[str, ...]:
        """As the user says, or what their network has."""
        return own.problem(self.settings).replace if self.is_own else ()

    @property
    def stack(self) -> int:
        """How many children are trained as one: of a network of the user's, where that was decided (``stacks``)."""
        return (self.settings.stack or 1) if self.is_own else 1

    @property
    def side_by_side(self) -> int:
        """Several on a GPU, which one small network does not fill; networks of the user's may draw random numbers."""
        if self.stack > 1:
            return self.stack
        return self.kind.in_turns if self.device == "cuda" and not self.is_own else 1

    def trained(self, drawn: Sequence[Drawn]) -> list[Outcome]:
        """Train a stack where this run does so; a layer that is no function stands alone."""
        if self.stack > 1 and all(activation.function is not None for _, activation in drawn):
            return train_stack(self, drawn)
        return super().trained(drawn)

    def training(self, request: Request, activation: Activation) -> Training:
        """Train, stop early what is hopeless, and score."""
        return training(self, request, activation)
