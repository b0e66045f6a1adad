"""Detect why a score of the user's own training may not belong to the candidate: trained weights, or an unused layer.

A network that is made once, at the top of a file, gives every candidate but the first a head start. This module looks
at the weights that an optimiser steps and at those in front of the candidate's layers. If an earlier child moved such a
weight and it still has the values that the child left, this child does not start afresh. Not here: networks that
``own.build`` returns (``checks``).
"""

import math
from collections.abc import Iterator, MutableMapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.weak import WeakIdKeyDictionary

MOST_NODES = 20_000  # most nodes of an autograd graph that are searched

Mark = tuple[float, float]  # sum and norm of a weight
_LEFT_AT: MutableMapping[Tensor, Mark] = (
    WeakIdKeyDictionary()
)  # weight -> its mark at the end of the child that last moved it


class NotFreshError(RuntimeError):
    """An earlier child has trained the network; the message says what to do."""


class Freshness:
    """Context manager around one training of the user's: it watches the weights and the candidate's layers."""

    def __init__(self) -> None:
        self._began_at: MutableMapping[Tensor, Mark] = WeakIdKeyDictionary()
        self.called = self.with_gradient = self.reached = 0

    def __enter__(self) -> "Freshness":
        """Start to watch every optimiser."""
        self._handle = register_optimizer_step_pre_hook(self._look_at_step)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching, and remember the marks of the weights that the child moved."""
        self._handle.remove()
        for weight, began in self._began_at.items():
            mark = _mark(weight)
            if not _same(mark, began):
                _LEFT_AT[weight] = mark

    def watch(self, layer: nn.Module) -> nn.Module:
        """Watch the weights in front of a candidate's layer and the gradient of its output; return the layer."""

        def look(_: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
            self.called += 1
            value = next(iter((*arguments, *keywords.values())), None)
            if isinstance(value, Tensor) and value.grad_fn is not None:
                handle.remove()
                self._begin(_weights_behind(value))

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
        """Whether the candidate had no part: its layers were never called, or no gradient reached them."""
        return not self.called or bool(self.with_gradient and not self.reached)


def _mark(weight: Tensor) -> Mark:
    numbers = weight.detach().double()
    return float(numbers.sum()), float(numbers.norm())


def _same(one: Mark, other: Mark) -> bool:
    return all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(one, other, strict=True))


def _weights_behind(tensor: Tensor) -> Iterator[Tensor]:
    waiting = [tensor.grad_fn]
    seen = set(waiting)
    while waiting and len(seen) < MOST_NODES:
        node = waiting.pop()
        if node is None:
            continue
        if hasattr(node, "variable"):  # a leaf that accumulates a gradient: a weight
            yield node.variable
        for further, _ in node.next_functions:
            if further is not None and further not in seen:
                seen.add(further)
                waiting.append(further)
