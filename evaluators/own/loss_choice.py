"""Choose the loss and the metrics of the user's network, from ``build``, from the settings, or from the labels.

Not here: the losses (``losses``, ``objectives``).
"""

import difflib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from actsearch.evaluators.data.examples import Split
from actsearch.evaluators.objective import Further, Objective
from actsearch.evaluators.own.losses import LOSSES, METRICS, Options, like, number_of
from actsearch.evaluators.own.objectives import FunctionObjective, LossOfOutput, NamedObjective, Step, loss_in
from actsearch.evaluators.own.user_code import BadOwnTask, find
from actsearch.evaluators.settings import TaskSettings

DIRECTIONS = ("maximise", "minimise")
STEPS = ("training_step", "step")  # methods of a network that computes its own loss


def step_of(model: nn.Module) -> str:
    """Return the name of the method with which a network computes its own loss; empty if it has none."""
    return next((name for name in STEPS if callable(getattr(model, name, None))), "")


def objective_of(settings: TaskSettings, model: nn.Module, first: Split, loss: Any, method: str) -> Objective:
    """Return the objective, from ``build``, from the settings, or else from the network and the labels.

    Args:
        settings: settings of the task.
        model: the user's network.
        first: first training examples.
        loss: loss that ``build`` returned, or None.
        method: name of the network's method that computes its own loss, or empty.

    Raises:
        BadOwnTask: nothing determines the loss, or there is no such loss.
    """
    own = settings.own
    if loss is not None and own.loss is not None:
        raise BadOwnTask(f"'{own.function}' returns a loss, and task.own.loss names one: leave one of them out")
    chosen = own.loss if loss is None else loss
    if isinstance(loss, nn.Module):
        if any(part.requires_grad for part in loss.parameters()):
            raise BadOwnTask(
                f"the loss that '{own.function}' returns has weights of its own, which nothing would train: put them "
                "into the network, and let it compute its loss (a method step(batch))"
            )
        loss.to(dtype=torch.float64 if settings.precision == "float64" else None)
    further = _further(settings)
    options = Options(own.ignore_index, own.label_smoothing, own.classes)
    if method:
        return Step(method, takes_index=method == "training_step")
    if chosen is None:
        chosen = _inferred_loss(model, first, settings)
    if chosen == "step":
        raise BadOwnTask("key 'task.own.loss': the network has no method training_step or step")
    if chosen == "model":
        return LossOfOutput(further, shifted=type(model).__name__.endswith(("LMHeadModel", "ForCausalLM")))
    if "accuracy" in {text.partition(" ")[0] for text in own.metrics} and not (
        isinstance(chosen, str) and chosen in LOSSES and LOSSES[chosen].right
    ):
        raise BadOwnTask(f"key 'task.own.metrics': accuracy is told of classes alone, not with the loss '{chosen}'")
    if isinstance(chosen, str) and chosen in LOSSES:
        return NamedObjective(LOSSES[chosen], options, further)
    if isinstance(chosen, str) and ":" in chosen:
        return FunctionObjective(find(chosen), chosen.rpartition(":")[2], further)
    if callable(chosen):
        return FunctionObjective(chosen, getattr(chosen, "__name__", type(chosen).__name__), further)
    near = difflib.get_close_matches(str(chosen), [*LOSSES, "model", "step"], n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"expected {', '.join(LOSSES)}, model, step or file.py:function"
    raise BadOwnTask(f"key 'task.own.loss': unknown loss '{chosen}'; {hint}")


def _inferred_loss(model: nn.Module, first: Split, settings: TaskSettings) -> str:
    """Return the name of the loss that suits the network and the labels.

    It is the network's own loss if its output has one, and cross-entropy for labels that are classes.

    Raises:
        BadOwnTask: the labels are no whole numbers, so that they determine no loss.
    """
    labels = first.labels
    if isinstance(first.inputs, dict):
        output = model.eval()(**first.inputs)
        # if the network got no labels, a number beside its output is a penalty and no loss
        if loss_in(output) is not None and (not isinstance(output, tuple) or hasattr(output, "loss") or labels is None):
            return "model"
    if isinstance(labels, Tensor) and not labels.is_floating_point() and not labels.is_complex():
        return "cross_entropy"
    what = f"labels of {labels.dtype}" if isinstance(labels, Tensor) else f"{'no' if labels is None else 'such'} labels"
    raise BadOwnTask(
        f"'{settings.own.function}': the loss cannot be told from {what}: classes must be whole numbers; for others "
        f"name it, task.own.loss is one of {', '.join(LOSSES)}, model, or file.py:function"
    )


def _further(settings: TaskSettings) -> Further:
    metrics: dict[str, Callable[[Tensor, Any], float]] = {}
    for text in settings.own.metrics:
        name, _, direction = text.partition(" ")
        if ":" in name and direction not in DIRECTIONS:
            raise BadOwnTask(f"key 'task.own.metrics': say whether '{name}' is better high or low: '{name} maximise'")
        if ":" in name:
            metrics[name.rpartition(":")[2]] = _user_metric(find(name), name)
        elif name not in METRICS:
            near = difflib.get_close_matches(name, METRICS, n=1)
            hint = (
                f"did you mean '{near[0]}'?" if near else f"expected {', '.join(METRICS)} or file.py:function maximise"
            )
            raise BadOwnTask(f"key 'task.own.metrics': unknown metric '{name}'; {hint}")
        elif direction not in {"", METRICS[name][0]}:
            raise BadOwnTask(f"key 'task.own.metrics': '{name}' is to {METRICS[name][0]}, found {direction}")
        elif name != "accuracy":  # which is computed with the loss
            metrics[name] = _known_metric(METRICS[name][1])
    return metrics


def _user_metric(metric: Callable[[Any, Any], Any], name: str) -> Callable[[Tensor, Any], float]:
    return lambda outputs, labels: number_of(metric(outputs, labels), f"metric '{name}'")


def _known_metric(metric: Callable[[Tensor, Tensor], float]) -> Callable[[Tensor, Any], float]:
    return lambda outputs, labels: metric(*like(outputs.double(), labels))
