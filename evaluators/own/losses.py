"""The losses that a user may choose by name, the outputs that they expect, and their units.

Formulas are torch's (``torch.nn.functional``). Not here: the choice of a task's loss (``own.problem``).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from actsearch.grammar.fault import UserFault


class WrongOutput(UserFault):
    """The output of a network does not fit its targets; the message says what was expected."""


@dataclass(frozen=True)
class Options:
    """Options of the cross-entropy.

    Args:
        ignore_index: label that is left out of the loss.
        label_smoothing: share of the target that is spread over all classes, in training only.
        classes: class dimension of the output, 1 or -1; None infers it from the shapes.
        unchecked: whether the check of target values is skipped; needed for a stack of children, in which no value can
            be read.
    """

    ignore_index: int = -100
    label_smoothing: float = 0.0
    classes: int | None = None
    unchecked: bool = False


@dataclass(frozen=True)
class Loss:
    """A loss with its unit and shape rules.

    Args:
        unit: unit of the loss, for people.
        each: function of the output, the targets, the options and a flag for training; returns the loss of every target
            (``reduction="none"``) and a mask of the targets that count, or None if all count.
        right: function of the output, the targets and the options; returns whether each prediction is right and a mask
            as for ``each``. None if the loss has no classes.
        batch_dimension: dimension of the examples in the output.
        of_classes: whether a whole-number target is one of several classes.
    """

    unit: str
    each: Callable[[Tensor, Any, Options, bool], tuple[Tensor, Tensor | None]]
    right: Callable[[Tensor, Any, Options], tuple[Tensor, Tensor | None]] | None = None
    batch_dimension: int = 0
    of_classes: bool = False

    def mean(self, output: Tensor, targets: Any, options: Options, *, training: bool) -> Tensor:
        """Return the mean over the targets that count."""
        each, counts = self.each(output, targets, options, training)
        return each.mean() if counts is None else each.sum() / counts.sum()


def in_order(output: Tensor, labels: Tensor, options: Options) -> Tensor:
    """Return logits as ``(n, classes, ...)``.

    Args:
        output: logits with the classes in dimension 1 or in the last one.
        labels: classes ``(n, ...)``.
        options: options of the cross-entropy; ``classes`` names the class dimension.

    Raises:
        WrongOutput: no dimension fits the classes, or two do.
    """
    expected = tuple(labels.shape)
    fits = [
        axis for axis in (1, -1)
        if output.ndim == labels.ndim + 1 and tuple(output.shape[:axis] + output.shape[axis:][1:]) == expected
    ]  # fmt: skip
    if options.classes is not None:
        fits = [axis for axis in fits if axis % output.ndim == options.classes % output.ndim]
    if len({axis % output.ndim for axis in fits}) == 2:
        raise WrongOutput(
            f"the network returns {tuple(output.shape)} for labels {expected}: the classes may be in dimension 1 or in "
            "the last one; say which with task.own.classes"
        )
    if not fits:
        raise WrongOutput(
            f"the network returns {tuple(output.shape)}; expected logits (examples, classes) for labels {expected}"
        )
    return output if fits[0] == 1 else output.movedim(-1, 1)


def like(output: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return output and targets in one shape and type; a last dimension of 1 is dropped if only one of them has it.

    Raises:
        WrongOutput: the shapes differ in another way; nothing is broadcast.
    """
    if output.shape != targets.shape:
        if tuple(output.shape) == (*targets.shape, 1):
            output = output.squeeze(-1)
        elif tuple(targets.shape) == (*output.shape, 1):
            targets = targets.squeeze(-1)
        else:
            raise WrongOutput(
                f"the network returns {tuple(output.shape)}; expected {tuple(targets.shape)}, the shape of the targets"
            )
    if output.dtype in {torch.bfloat16, torch.float16}:  # targets keep their precision
        output = output.float()
    return output, targets.to(output.dtype)


def _cross_entropy(output: Tensor, labels: Any, options: Options, training: bool) -> tuple[Tensor, Tensor | None]:
    smoothing = options.label_smoothing if training else 0.0
    if labels.is_floating_point():
        if output.shape != labels.shape:
            raise WrongOutput(
                f"the network returns {tuple(output.shape)} for targets {tuple(labels.shape)}, which are numbers: "
                "expected a probability for each class, whole-number labels, or another loss (task.own.loss)"
            )
        return functional.cross_entropy(output, labels, reduction="none", label_smoothing=smoothing), None
    logits, labels = in_order(output, labels, options), labels.long()
    counts = labels != options.ignore_index
    if not options.unchecked:
        _check_classes(logits, labels[counts])
    each = functional.cross_entropy(
        logits, labels, reduction="none", ignore_index=options.ignore_index, label_smoothing=smoothing
    )
    return each, counts


def _check_classes(logits: Tensor, labels: Tensor) -> None:
    if not labels.numel() or labels.device.type != "cpu":  # reading labels on a GPU would wait for it
        return
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= logits.shape[1]:
        raise WrongOutput(
            f"the network tells {logits.shape[1]} classes apart, but there are labels {low} to {high}; what is to be "
            "left out is said with task.own.ignore_index"
        )


def _right_class(output: Tensor, labels: Any, options: Options) -> tuple[Tensor, Tensor | None]:
    if labels.is_floating_point():
        return output.argmax(1) == labels.argmax(1), None
    return in_order(output, labels, options).argmax(1) == labels, labels != options.ignore_index


def _bce(output: Tensor, labels: Any, options: Options, training: bool) -> tuple[Tensor, Tensor | None]:
    output, labels = like(output, labels)
    if not options.unchecked and labels.device.type == "cpu" and not bool(((labels >= 0) & (labels <= 1)).all()):
        raise WrongOutput(
            f"bce_with_logits wants targets between 0 and 1, found {float(labels.min()):g} to {float(labels.max()):g}"
        )
    return functional.binary_cross_entropy_with_logits(output, labels, reduction="none"), None


def _right_bit(output: Tensor, labels: Any, options: Options) -> tuple[Tensor, Tensor | None]:
    output, labels = like(output, labels)
    return (output > 0) == (labels > 0.5), None


def _elementwise(function: Callable[..., Tensor]) -> Callable[[Tensor, Any, Options, bool], tuple[Tensor, None]]:
    def each(output: Tensor, targets: Any, options: Options, training: bool) -> tuple[Tensor, None]:
        return function(*like(output, targets), reduction="none"), None

    return each


def _ctc(output: Tensor, targets: Any, options: Options, training: bool) -> tuple[Tensor, None]:
    if not isinstance(targets, tuple) or len(targets) != 3:
        raise WrongOutput("ctc wants targets (labels (n, S), lengths of the outputs (n,), lengths of the labels (n,))")
    labels, lengths, label_lengths = targets
    each = functional.ctc_loss(
        output.log_softmax(-1), labels, lengths, label_lengths, reduction="none", zero_infinity=True
    )
    return each / label_lengths.clamp(min=1), None  # as reduction="mean"


LOSSES = {
    "cross_entropy": Loss("nats", _cross_entropy, _right_class, of_classes=True),
    "bce_with_logits": Loss("nats", _bce, _right_bit),
    "mse": Loss("squared error", _elementwise(functional.mse_loss)),
    "l1": Loss("absolute error", _elementwise(functional.l1_loss)),
    "huber": Loss("Huber loss", _elementwise(functional.huber_loss)),
    "poisson_nll": Loss("nats", _elementwise(functional.poisson_nll_loss)),
    "ctc": Loss("nats a label", _ctc, batch_dimension=1),
}
"""Losses by the name in ``task.own.loss``; logits of ``ctc`` are ``(T, n, classes)``, class 0 is blank, as in torch."""


def _r2(output: Tensor, targets: Tensor) -> float:
    residual, total = (output - targets).square().sum(), (targets - targets.mean(0)).square().sum()
    return 1 - float(residual / total) if float(total) else math.nan


METRICS: dict[str, tuple[str, Callable[[Tensor, Tensor], float]]] = {
    "accuracy": ("maximise", lambda output, targets: math.nan),  # computed with the loss
    "mae": ("minimise", lambda output, targets: float((output - targets).abs().mean())),
    "rmse": ("minimise", lambda output, targets: math.sqrt(float((output - targets).square().mean()))),
    "r2": ("maximise", _r2),
}
"""Metrics by name: a direction, and a function of a whole split's outputs and targets in double precision."""


def number_of(result: Any, what: str) -> float:
    """Return a user function's result as a float.

    Args:
        result: result of the function.
        what: name of the function, for the message.

    Raises:
        WrongOutput: the result is no number.
    """
    value = result.item() if isinstance(result, Tensor) and result.numel() == 1 else result
    try:
        return float(value)
    except (TypeError, ValueError) as fault:
        raise WrongOutput(f"{what} must return a number, found {type(result).__name__}") from fault


def best_constant(loss: Callable[[Tensor], Tensor], output: Tensor, dimension: int) -> Tensor:
    """Return the constant output with the lowest loss, the best guess of a network that ignores its input.

    Args:
        loss: function that maps a constant output to its mean loss over many examples.
        output: output of one batch; the constant has its shape with a single example.
        dimension: dimension of the examples in the output.
    """
    constant = torch.zeros_like(output.narrow(dimension, 0, 1)).detach().requires_grad_()
    optimiser = torch.optim.LBFGS([constant], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss(constant)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call, arg-type, unused-ignore]
    return constant.detach()
