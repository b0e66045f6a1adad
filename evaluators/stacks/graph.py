"""One training step of a whole stack, recorded once.

``vmap`` runs the user's network, as it is, for every child at once; what it does is recorded, forwards and backwards,
so that a step costs one pass through plain operations. Not here: the loop around it (``stack``), and how operations are
recorded (``recording``).
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
"""Numbers in a row that start at a place in memory where sums of products have the same last bits."""
State = Mapping[str, Tensor]
"""Parameters or buffers by name, ``(children, ...)`` each."""


@dataclass(frozen=True)
class Step:
    """A recorded step.

    Args:
        run: called with the tensors of trained, frozen, buffers and batch, ``(children, ...)`` each; returns the losses
            ``(children,)`` and the gradients of what is trained. Buffers are changed in place.
        work: numbers that the average operation computes, for all children.
        unused: parameters on which no loss depends.
        convolves: whether there is a convolution in it.
    """

    run: Callable[..., list[Any]]
    work: float
    unused: frozenset[str]
    convolves: bool


def record(
    base: nn.Module, objective: Objective, trained: State, frozen: State, buffers: State, batch: Split,
    generators: Sequence[torch.Generator],
) -> Step:  # fmt: skip
    """Record one step.

    Args:
        base: one child's network in training, whose candidate's layers apply the functions of the whole stack.
        objective: its loss.
        trained: parameters of all children.
        frozen: those that are not trained.
        buffers: of all children.
        batch: of all children: tensors ``(children, batch, ...)``.
        generators: of what each child draws while it is trained.

    Raises:
        NotStackable: what the network does cannot be recorded for many children at once.
    """
    objective = objective.for_many()
    structure, places = (batch.inputs, batch.labels), _every_place(base)

    def loss_of(state: dict[str, Tensor], tensors: list[Tensor]) -> Tensor:
        mine = Split(*_filled(structure, tensors))

        def network(*args: Any, **kwargs: Any) -> Any:
            named = {name: state[first] for name, first in places.items()}
            return functional_call(base, named, args, kwargs, tie_weights=False)

        return objective.loss(objective.output(network, mine), mine)  # type: ignore[arg-type]  # it is called alone

    kept = {name: one.clone() for name, one in buffers.items()}  # a recording changes them
    leaves = {name: one.detach().requires_grad_() for name, one in trained.items()}
    inputs = [*leaves.values(), *frozen.values(), *kept.values(), *tensors_of(structure)]
    recorder = Recorder({**_drawn_apart(generators), ATEN.bmm.default: _products})
    try:
        # of the ways of attention the others have no rule for many at once
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH), recorder:
            state = {**leaves, **frozen, **kept}
            with differentiating():
                losses = vmap(loss_of, randomness="different")(state, tensors_of(structure))
            gradients = torch.autograd.grad(losses.sum(), [*leaves.values()], allow_unused=True)
    except NotStackable:
        raise
    except Exception as fault:  # whatever torch or the user's network raises when it is run for many at once
        raise NotStackable(f"it does not run for several children at once ({type(fault).__name__})") from fault
    unused = frozenset(name for name, one in zip(leaves, gradients, strict=True) if one is None)
    work = sum(recorder.work) / max(1, len(recorder.work))
    return Step(recorder.program(inputs, [losses, *gradients]), work, unused, recorder.convolves)


def _every_place(base: nn.Module) -> dict[str, str]:
    """Return every place of a parameter or buffer, once for a layer that stands in several, and its first name."""
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
    """Return a structure with these tensors in the places of its own."""
    waiting = iter(tensors)
    return mapped(lambda _: next(waiting), structure)


def _drawn_apart(generators: Sequence[torch.Generator]) -> dict[Operation, Callable[..., Any]]:
    """Return what takes the place of operations that draw: each child draws from its own generator."""

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
    """Return the products of matrices ``(children, m, p)`` and ``(children, p, n)``.

    Where one child's numbers are no whole number of ``ALIGNED``, matrices are filled up with zeros: else those of the
    children would lie otherwise in memory, and their sums have other last bits.
    """
    rows, inner, columns = a.shape[1], a.shape[2], b.shape[2]
    wider = -columns % ALIGNED if rows * columns % ALIGNED or inner * columns % ALIGNED else 0
    deeper = -inner % ALIGNED if rows * inner % ALIGNED else 0
    if not wider and not deeper:
        return torch.bmm(a, b)
    a = pad(a, (0, deeper)) if deeper else a
    return torch.bmm(a, pad(b, (0, wider, 0, deeper)))[..., :columns].contiguous()


def clip_(gradients: Tensor, betas: Tensor, most: float) -> None:
    """Scale each child's gradients ``(children, numbers)`` in place to a norm of at most ``most``."""
    norm = (gradients.square().sum(1) + betas.square().sum(1)).sqrt()
    factor = (most / (norm + 1e-6)).clamp(max=1.0).unsqueeze(1)
    gradients.mul_(factor)
    betas.mul_(factor)
