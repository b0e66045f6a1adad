"""Settings of a task: data, child, budget. ``search.settings.reading`` reads them from YAML.

Not here: the list of tasks (``registry``) and the training of a child (``network_task``).
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from actsearch.evaluators.sentences import spoken

NAMES = (
    "mnist1d", "mnist1d_mlp", "mnist1d_transformer", "digits", "fashion_mnist", "cifar10", "cifar10_fast", "cifar100",
    "text",
)  # fmt: skip
"""Names of the tasks of this engine."""
Steps = Annotated[int, Field(ge=1)]
Batch = Annotated[int, Field(ge=1)]
LearningRate = Annotated[float, Field(gt=0)]
Init = Literal["he", "glorot", "lecun", "matched", "network"]
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@spoken("task.own")
@dataclass(frozen=True, config=_STRICT)
class OwnSettings:
    """The task ``own``: the user's network and data, or the user's whole training. Their code runs on this machine.

    Args:
        build: function, as ``module:function`` or ``file.py:function``, called with the task's settings; returns the
            network and its data, a dictionary of ``train``, ``validation`` and optionally ``test``, which is held out;
            a loss may follow.
        loss: one of ``own.losses.LOSSES``, ``model`` (the network returns the loss), ``step`` (the network has a
            training_step), or ``file.py:function``, called with (output, labels); null infers it from network and
            labels.
        ignore_index: label that cross_entropy leaves out.
        label_smoothing: label smoothing of cross_entropy, in training only; scores are computed without it.
        classes: dimension of the classes in the network's output, needed if both would fit.
        metrics: metrics beside the loss: accuracy, mae, rmse, r2, or ``file.py:function maximise`` (or ``minimise``),
            called with the (outputs, labels) of a whole split.
        optimiser: ``file.py:function``, called with (network, steps); returns an optimizer, or an optimizer and a
            schedule.
        accumulate: number of batches whose gradients make one step.
        replace: places that the candidate takes: types (``torch.nn.ReLU``) or names of layers (``blocks.0.act``), or
            functions (``F.relu``, which includes torch.relu(x) and x.relu()); null means every rectifier, layer or
            call.
        shared: betas of a layer that is used several times: ``layer`` is one set (a single value if the widths differ),
            ``use`` is one set for each use.
        dimension: dimension of these layers' channels: 1 for ``(B, C, ...)``, -1 for ``(B, T, C)``; null finds it for
            each layer from the layer in front.
        score: instead of ``build``, a function called with (make_activation, seed, budget) that runs any training and
            returns a number, or a mapping with ``validation``, optionally ``test``, and metrics; the budget is
            ``task.steps``.
        loop: instead of both, the training is the user's own loop around ``actsearch.Study``.
        direction: whether a lower or a higher ``score`` is better.
        chance: with ``score``, the score of a network that knows nothing, where rewards begin; null measures rewards by
            the scores of the baselines.
    """

    build: str | None = None
    loss: str | None = None
    ignore_index: int = -100
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    classes: Literal[1, -1] | None = None
    metrics: tuple[str, ...] = ()
    optimiser: str | None = None
    accumulate: Annotated[int, Field(ge=1)] = 1
    replace: tuple[str, ...] | None = None
    shared: Literal["layer", "use"] = "layer"
    dimension: int | None = None
    score: str | None = None
    loop: bool = False
    direction: Literal["minimise", "maximise"] = "minimise"
    chance: Annotated[float, Field(gt=0)] | None = None

    @property
    def function(self) -> str:
        """The user's ``build`` or ``score`` as the settings name it; empty if there is none."""
        return self.build or self.score or ""

    @property
    def file(self) -> str:
        """The user's file or module; empty if there is none."""
        return self.function.partition(":")[0]

    @property
    def functions(self) -> tuple[str, ...]:
        """Every user function in the settings, as ``module:function`` or ``file.py:function``."""
        metrics = (text.partition(" ")[0] for text in self.metrics)
        named = (self.build, self.score, self.loss, self.optimiser, *metrics)
        return tuple(text for text in named if text is not None and ":" in text)

    @property
    def sign(self) -> int:
        """The factor that turns the user's number into a score, where lower is better."""
        return -1 if self.direction == "maximise" else 1

    def __post_init__(self) -> None:
        """Check that the settings name at most one of ``build``, ``score`` and ``loop``, in the right form."""
        for name in ("build", "score"):
            text = getattr(self, name)
            if text is not None and text.count(":") != 1:
                raise ValueError(f"key 'task.own.{name}': expected module:function or file.py:function, found '{text}'")
        if self.build and self.score:
            raise ValueError("keys 'task.own.build' and 'task.own.score' exclude each other: name one of them")
        if self.loop and self.function:
            raise ValueError(f"key 'task.own.loop': a loop of your own excludes '{self.function}': name one of them")
        if self.direction == "maximise" and self.chance is not None:
            raise ValueError("key 'task.own.chance': it is a loss; where higher is better rewards go by the baselines")
        if self.direction == "maximise" and self.build:
            raise ValueError("key 'task.own.direction': a loss (task.own.build) is minimised; metrics may be maximised")


@spoken("task")
@dataclass(frozen=True, config=_STRICT)
class TaskSettings:
    """What a child is trained on and how. null stands for the task's own value (``registry.TASKS``).

    Args:
        name: one of ``registry.TASKS``.
        steps: number of optimiser steps of a child.
        batch: number of examples per step.
        learning_rate: peak of the one-cycle schedule (Smith & Topin 2019).
        weight_decay: weight decay, decoupled with adamw (Loshchilov & Hutter 2019), the usual one with sgd.
        beta_decay: weight decay of the candidates' own parameters, towards 0; null takes ``weight_decay``.
        clip: largest gradient norm of one child.
        precision: number format of a child that torch trains: ``float32``, ``float64``, or ``bfloat16`` by autocast.
        optimiser: ``adamw``, or ``sgd`` with momentum.
        init: initialisation of the weights, see ``initialisation.Scheme``.
        width: width of the child: channels of its first stage, units of a layer, or width of the transformer's stream.
        examples: number of training examples to use; null means all.
        directory: directory of the task's files (Fashion-MNIST, CIFAR), or the text file of ``text``.
        augment: shift and mirror training images at random (He et al. 2015, section 4.2).
        device: ``cpu``, ``cuda``, or ``auto``: a GPU if there is one and the child is large enough to gain.
        kernel: ``native`` trains the default child in C, ``torch`` as ordinary modules, ``auto`` in C if possible.
        stack: number of children of the user's network that are trained as one, with shared operations; 1 trains one by
            one; null decides it once per run, by trying.
        diagnostics: whether a child reports on its layers; the README says what this costs.
        stop_after: share of the steps, at least 20 steps, at which a hopeless candidate is stopped; 0 never stops one.
        stop_above: a candidate is hopeless if its training loss, as a share of chance, is above this.
        own: the user's own network and data.
    """

    name: str = "mnist1d"
    steps: Steps | None = None
    batch: Batch | None = None
    learning_rate: LearningRate | None = None
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    beta_decay: Annotated[float, Field(ge=0)] | None = None
    clip: Annotated[float, Field(gt=0)] = 1.0
    precision: Literal["float32", "float64", "bfloat16"] = "float32"
    optimiser: Literal["adamw", "sgd"] = "adamw"
    init: Init | None = None
    width: Annotated[int, Field(ge=1)] | None = None
    examples: Annotated[int, Field(ge=1)] | None = None
    directory: str | None = None
    augment: bool = False
    device: Literal["auto", "cpu", "cuda"] = "auto"
    kernel: Literal["auto", "native", "torch"] = "auto"
    stack: Annotated[int, Field(ge=1, le=64)] | None = None
    diagnostics: bool = True
    stop_after: Annotated[float, Field(ge=0, lt=1)] = 0.0
    stop_above: Annotated[float, Field(gt=0)] = 1.0
    own: OwnSettings = field(default_factory=OwnSettings)

    @property
    def is_own(self) -> bool:
        """Whether the task is not one of this engine: the user's, or one that a package adds."""
        return self.name not in NAMES

    @property
    def sign(self) -> int:
        """The factor that turns the task's number into a score, where lower is better."""
        return self.own.sign if self.is_own else 1


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class CompleteSettings(TaskSettings):
    """Settings of a resolved task, with a value for everything that a child needs. Built by ``registry.resolve``."""

    steps: Steps
    batch: Batch
    learning_rate: LearningRate
    init: Init


def unusual(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a task that differ from the defaults; a later version with more settings changes nothing.

    Args:
        task: settings by name, as from ``dataclasses.asdict``.
    """
    usual = dataclasses.asdict(TaskSettings())
    own = {key: value for key, value in task["own"].items() if value != usual["own"].get(key)}
    changed = {key: value for key, value in task.items() if key != "own" and value != usual.get(key)}
    return changed | ({"own": own} if own else {})
