"""Notice what makes the number of a user's own training no number of this candidate: warm weights, or an unused layer.

A network that was made once, at the top of a file, gives every candidate but the first a head start: if the weights
that an optimiser steps, or that feed the candidate's layers, are where an earlier child left them after it had moved
them, this child does not start afresh. Not here: networks that ``own.build`` returns (``checks``).
"""

import math
from collections.abc import Iterator, MutableMapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.weak import WeakIdKeyDictionary

MOST_NODES = 20_000  # of a graph that are looked through

Mark = tuple[float, float]
_LEFT_AT: MutableMapping[Tensor, Mark] = WeakIdKeyDictionary()  # weight -> its mark when the child that moved it ended


class NotFreshError(RuntimeError):
    """The network was trained before; the message says what to do."""


class Freshness:
    """Watches one child, as a context manager around the user's training."""

    def __init__(self) -> None:
        self._began_at: MutableMapping[Tensor, Mark] = WeakIdKeyDictionary()
        self.called = self.with_gradient = self.reached = 0

    def __enter__(self) -> "Freshness":
        """Watch every optimiser."""
        self._handle = register_optimizer_step_pre_hook(self._look_at_step)
        return self

    def __exit__(self, *_: object) -> None:
        """Remember where the child left the weights that it moved."""
        self._handle.remove()
        for weight, began in self._began_at.items():
            mark = _mark(weight)
            if not _same(mark, began):
                _LEFT_AT[weight] = mark

    def watch(self, layer: nn.Module) -> nn.Module:
        """Look at the weights in front of a layer of the candidate's, and at what is made of its values."""

        def look(_: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
            self.called += 1
            given = next(iter((*arguments, *keywords.values())), None)
            if isinstance(given, Tensor) and given.grad_fn is not None:
                handle.remove()
                self._begin(_weights_behind(given))

        def follow(_: nn.Module, __: object, output: Tensor) -> None:
            if output.requires_grad and not self.reached:
                self.with_gradient += 1
                output.register_hook(self._reach)  # type: ignore[no-untyped-call]

        handle = layer.register_forward_pre_hook(look, with_kwargs=True)
        layer.register_forward_hook(follow)
        return layer

    def _reach(self, gradient: Tensor) -> None:
        self.reached += 1

    def _look_at_step(self, optimiser: torch.optim.Optimizer, *_: object) -> None:
        self._begin(weight for group in optimiser.param_groups for weight in group["params"])

    def _begin(self, weights: Iterator[Tensor]) -> None:
        for weight in weights:
            if weight not in self._began_at:
                self._began_at[weight] = mark = _mark(weight)
                left = _LEFT_AT.get(weight)
                if left is not None and _same(left, mark):
                    raise NotFreshError(
                        "its network goes on from an earlier child, with the weights that were trained there: make the "
                        "network anew in each call"
                    )

    @property
    def had_no_part(self) -> bool:
        """Whether the candidate was not asked for, not called, or nothing was made of its values."""
        return not self.called or bool(self.with_gradient and not self.reached)


def _mark(weight: Tensor) -> Mark:
    numbers = weight.detach().double()
    return float(numbers.sum()), float(numbers.norm())


def _same(one: Mark, other: Mark) -> bool:
    return all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(one, other, strict=True))


def _weights_behind(tensor: Tensor) -> Iterator[Tensor]:
    waiting = [tensor.grad_fn]
    met = set(waiting)
    while waiting and len(met) < MOST_NODES:
        node = waiting.pop()
        if node is None:
            continue
        if hasattr(node, "variable"):  # where a gradient is collected: a weight
            yield node.variable
        for further, _ in node.next_functions:
            if further is not None and further not in met:
                met.add(further)
                waiting.append(further)
