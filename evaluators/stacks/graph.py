"""Record one training step of a whole stack.

``vmap`` runs the user's network unchanged for every child at once. The operations of the forward and the backward pass
are recorded, so that a later step costs one pass through plain operations. Not here: the training loop (``stack``), and
the recording of operations (``recording``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import pad

from actsearch.evaluators.data.examples import Split, Structure, mapped, tensors_of
from actsearch.evaluators.objective import Objective
from actsearch.evaluators.stacks.inner import differentiating
from actsearch.evaluators.stacks.recording import ATEN, NotStackable, Operation, Recorder

ALIGNED = 16
"""Alignment in numbers: from addresses that are multiples of it, sums of products have the same last bits."""
State = Mapping[str, Tensor]
"""Parameters or buffers by name, each ``(children, ...)``."""


@dataclass(frozen=True)
class Step:
    """A recorded training step.

    Args:
        run: function of the tensors of trained, frozen, buffers and batch, each ``(children, ...)``; returns the losses
            ``(children,)`` and the gradients of the trained parameters, and changes the buffers in place.
        work: mean count of numbers that an operation computes, over all children.
        unused: names of parameters on which no loss depends.
        convolves: whether the step contains a convolution.
    """

    run: Callable[..., list[Any]]
    work: float
    unused: frozenset[str]
    convolves: bool


def record(
    base: nn.Module, objective: Objective, trained: State, frozen: State, buffers: State, batch: Split,
    generators: Sequence[torch.Generator],
) -> Step:  # fmt: skip
    """Record one training step.

    Args:
        base: network of one child in training mode; its candidate's layers apply the functions of the whole stack.
        objective: objective of the task.
        trained: trained parameters of all children.
        frozen: parameters of all children that are not trained.
        buffers: buffers of all children.
        batch: batches of all children, tensors ``(children, batch, ...)``.
        generators: generator of each child for random draws during training.

    Raises:
        NotStackable: the step cannot be recorded for many children at once.
    """
    objective = objective.for_many()
    structure, places = (batch.inputs, batch.labels), _every_place(base)

    def loss_of(state: dict[str, Tensor], tensors: list[Tensor]) -> Tensor:
        child_batch = Split(*_filled(structure, tensors))

        def network(*args: Any, **kwargs: Any) -> Any:
            named = {name: state[first] for name, first in places.items()}
            return functional_call(base, named, args, kwargs, tie_weights=False)

        return objective.loss(objective.output(network, child_batch), child_batch)  # type: ignore[arg-type]  # it is only called

    copies = {name: one.clone() for name, one in buffers.items()}  # the recording would change the originals
    leaves = {name: one.detach().requires_grad_() for name, one in trained.items()}
    inputs = [*leaves.values(), *frozen.values(), *copies.values(), *tensors_of(structure)]
    recorder = Recorder({**_separate_draws(generators), ATEN.bmm.default: _products})
    try:
        # the other attention backends have no rule for vmap
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH), recorder:
            state = {**leaves, **frozen, **copies}
            with differentiating():
                losses = vmap(loss_of, randomness="different")(state, tensors_of(structure))
            gradients = torch.autograd.grad(losses.sum(), [*leaves.values()], allow_unused=True)
    except NotStackable:
        raise
    except Exception as fault:  # torch or the user's network may raise anything under vmap
        raise NotStackable(f"it does not run for several children at once ({type(fault).__name__})") from fault
    unused = frozenset(name for name, one in zip(leaves, gradients, strict=True) if one is None)
    work = sum(recorder.work) / max(1, len(recorder.work))
    return Step(recorder.program(inputs, [losses, *gradients]), work, unused, recorder.convolves)


def _every_place(base: nn.Module) -> dict[str, str]:
    """Return each name of a parameter or buffer, with the first name of the same tensor: layers may share tensors."""
    parts = [*base.named_parameters(), *base.named_buffers()]
    first = {id(one): name for name, one in reversed(parts)}
    return {
        name: first[id(one)]
        for prefix, layer in base.named_modules()
        for name, one in (
            *layer.named_parameters(prefix, recurse=False, remove_duplicate=False),
            *layer.named_buffers(prefix, recurse=False, remove_duplicate=False),
        )
    }


def _filled(structure: Structure, tensors: Sequence[Tensor]) -> Structure:
    """Return a structure of the same form with other tensors, in order."""
    waiting = iter(tensors)
    return mapped(lambda _: next(waiting), structure)


def _separate_draws(generators: Sequence[torch.Generator]) -> dict[Operation, Callable[..., Any]]:
    """Return replacements for random operations, in which each child draws from its own generator."""

    def bernoulli_(tensor: Tensor, probability: float = 0.5, **_: Any) -> Tensor:
        for part, generator in zip(tensor, generators, strict=True):
            part.bernoulli_(probability, generator=generator)
        return tensor

    def bernoulli(tensor: Tensor, probability: float, **_: Any) -> Tensor:
        return bernoulli_(torch.empty_like(tensor, memory_format=torch.contiguous_format), probability)

    def native_dropout(tensor: Tensor, probability: float, train: bool | None = True) -> tuple[Tensor, Tensor]:
        mask = bernoulli_(torch.empty_like(tensor), 1 - probability)
        return tensor * mask / (1 - probability), mask.bool()

    return {ATEN.bernoulli_.float: bernoulli_, ATEN.bernoulli.p: bernoulli, ATEN.native_dropout.default: native_dropout}


def _products(a: Tensor, b: Tensor) -> Tensor:
    """Return the matrix products of ``(children, m, p)`` and ``(children, p, n)``.

    If the size of a child's matrix is no multiple of ``ALIGNED``, the matrices are padded with zeros. Without padding
    the children's matrices would start at differently aligned addresses, and their sums would differ in the last bits.
    """
    rows, inner, columns = a.shape[1], a.shape[2], b.shape[2]
    wider = -columns % ALIGNED if rows * columns % ALIGNED or inner * columns % ALIGNED else 0
    deeper = -inner % ALIGNED if rows * inner % ALIGNED else 0
    if not wider and not deeper:
        return torch.bmm(a, b)
    a = pad(a, (0, deeper)) if deeper else a
    return torch.bmm(a, pad(b, (0, wider, 0, deeper)))[..., :columns].contiguous()


def clip_(gradients: Tensor, betas: Tensor, most: float) -> None:
    """Clip each child's gradients in place, by the norm of weights and betas together.

    Args:
        gradients: gradients of the weights, ``(children, numbers)``.
        betas: gradients of the functions' parameters, ``(children, numbers)``.
        most: largest norm of one child.
    """
    norm = (gradients.square().sum(1) + betas.square().sum(1)).sqrt()
    factor = (most / (norm + 1e-6)).clamp(max=1.0).unsqueeze(1)
    gradients.mul_(factor)
    betas.mul_(factor)
