"""A stack in training: the stacked weights of many children of one network, and the loop that trains them.

Optimiser, clipping and schedule act on each row as on a single child. Not here: the recorded step (``graph``) and the
training of a task's children (``training``).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from actsearch.evaluators.data.examples import Split, mapped, tensors_of
from actsearch.evaluators.layers import ActivationLayer
from actsearch.evaluators.objective import Objective
from actsearch.evaluators.schedule import one_cycle, optimiser_of
from actsearch.evaluators.settings import CompleteSettings
from actsearch.evaluators.stacks.graph import ALIGNED, Step, clip_, record
from actsearch.evaluators.stacks.recording import NotStackable
from actsearch.evaluators.stacks.segments import Segment, Segments, parameters_of
from actsearch.grammar.function import Function
from actsearch.grammar.parameter import Parameter


class Flat:
    """Parameters of all children in one tensor, one row per child, with a view of each parameter.

    Zeros pad each parameter to a multiple of ``ALIGNED`` numbers, so that it is aligned alike in every row.

    Args:
        states: parameters by name, for each child.
    """

    def __init__(self, states: Sequence[dict[str, Tensor]]) -> None:
        first, count = states[0], len(states)
        self.count = count
        self.names = tuple(first)
        self.fillings = [first[name].new_zeros(count, -first[name].numel() % ALIGNED) for name in self.names]
        self.rows = nn.Parameter(
            self.joined([torch.stack([state[name].detach() for state in states]) for name in self.names])
        )
        self.views, start = [], 0
        for name, filling in zip(self.names, self.fillings, strict=True):
            end = start + first[name].numel()
            self.views.append(self.rows.detach()[:, start:end].view(count, *first[name].shape))
            start = end + filling.shape[1]

    def joined(self, parts: Sequence[Tensor]) -> Tensor:
        """Join tensors ``(children, ...)``, shaped like the parameters, into rows like ``rows``, in new memory."""
        both = zip(parts, self.fillings, strict=True)
        flat = [one for part, filling in both for one in (part.reshape(len(part), -1), filling) if one.shape[1]]
        return torch.cat(flat, 1) if flat else torch.zeros(self.count, 0)

    @property
    def state(self) -> dict[str, Tensor]:
        """Views of the parameters by name, each ``(children, ...)``."""
        return dict(zip(self.names, self.views, strict=True))


class Stack:
    """Children in training as one.

    Args:
        networks: network of each child before its first step; ``write_back`` is the first to change one.
        layers: candidate's layers of each network, in one order for all.
        segments: functions with their numbers of children, in the order of the children.
        objective: objective of the task.
        batches: indices ``(steps, batch)`` into the training examples, for each child.
        train: training examples.
        steps: number of optimiser steps of the whole training.
        settings: complete settings of the task.
        generators: generator of each child for random draws during training.

    Raises:
        NotStackable: the children cannot be trained as one; the message says why.
    """

    def __init__(
        self, networks: Sequence[nn.Module], layers: Sequence[Sequence[nn.Module]], segments: Sequence[Segment],
        objective: Objective, batches: Sequence[Tensor], train: Split, steps: int, settings: CompleteSettings,
        generators: Sequence[torch.Generator],
    ) -> None:  # fmt: skip
        self.networks, self.layers, self.train, self.settings = networks, layers, train, settings
        self.order, self.adds_up = torch.stack([*batches], 1), objective.adds_up  # (steps, children, batch)
        self.places, self.unused = _places(networks[0], layers[0]), frozenset[str]()
        self.step: Step = self._stacked_step(segments, objective, generators)
        if self.step.unused:  # an optimiser leaves parameters without gradient unchanged, and so does a stack
            self.unused = self.step.unused
            self.step = self._stacked_step(segments, objective, generators)
        self.optimiser = optimiser_of([self.weights.rows, self.scalars.rows], settings, [self.scalars.rows])
        self.schedule = one_cycle(self.optimiser, settings, steps)
        self.losses: list[Tensor] = []  # losses (children,) of each completed step

    def _stacked_step(
        self, segments: Sequence[Segment], objective: Objective, generators: Sequence[torch.Generator]
    ) -> Step:
        """Stack the parameters and buffers of the children, and record a step."""
        networks, layers = self.networks, self.layers
        union = parameters_of(segments)
        states = [self._split_parameters(*both, union) for both in zip(networks, layers, strict=True)]
        weights, scalars, frozen = zip(*states, strict=True)
        if len({tuple((name, one.shape) for name, one in part.items()) for part in weights}) > 1:
            raise NotStackable("its networks have other parameters from seed to seed")
        self.weights, self.scalars = Flat(weights), Flat(scalars)
        self.frozen = {name: torch.stack([part[name].detach() for part in frozen]) for name in frozen[0]}
        buffers = [dict(network.named_buffers()) for network in networks]
        self.buffers = {name: torch.stack([part[name] for part in buffers]) for name in buffers[0]}
        return self._recorded_step(segments, objective, generators)

    def _split_parameters(
        self, network: nn.Module, layers: Sequence[nn.Module], union: Sequence[Parameter]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        """Return one child's trained weights, its functions' parameters, and its untrained weights, by name.

        Every layer of the candidate gets every parameter in ``union``, at its initial value if its function lacks it.
        """
        named = dict(network.named_parameters())
        scalars = {}
        for place, layer in zip(self.places, layers, strict=True):
            assert isinstance(layer, ActivationLayer)
            own = {one.name: named.pop(f"{place}.{one.name}") for one in layer.written.parameters}
            like = next(iter(named.values()))
            for one in union:
                start = layer.initial_values(one).to(like)
                scalars[f"{place}.{one.name}"] = own[one.name].detach() if one.name in own else start
        groups: tuple[dict[str, Tensor], dict[str, Tensor]] = ({}, {})
        for name, weight in named.items():
            groups[not weight.requires_grad or name in self.unused][name] = weight.detach()
        return groups[0], scalars, groups[1]

    def _recorded_step(
        self, segments: Sequence[Segment], objective: Objective, generators: Sequence[torch.Generator]
    ) -> Step:
        """Record a step on the first child's network, whose layers apply the functions of all children meanwhile."""
        base, shared, union = self.networks[0].train(), Segments(segments), parameters_of(segments)
        layers = [layer for layer in self.layers[0] if isinstance(layer, ActivationLayer)]
        before = [layer.written for layer in layers]
        for layer in layers:
            layer.written, layer.function = Function(("x",), union, ()), shared
            for one in union:
                if one not in before[0].parameters:
                    layer.register_parameter(one.name, nn.Parameter(layer.initial_values(one)))
        try:
            trained = {**self.weights.state, **self.scalars.state}
            return record(base, objective, trained, self.frozen, self.buffers, self._batch(0), generators)
        finally:
            for layer, written in zip(layers, before, strict=True):
                layer.written = layer.function = written
                for one in union:
                    if one not in written.parameters:
                        delattr(layer, one.name)

    def _batch(self, step: int) -> Split:
        index = self.order[step]

        def selected(part: Tensor) -> Tensor:
            return part[index]

        return Split(mapped(selected, self.train.inputs), mapped(selected, self.train.labels))

    def advance(self, steps: int) -> None:
        """Train until ``steps`` steps are complete, counted from the start."""
        views = [*self.weights.views, *self.scalars.views]
        fixed = [*views, *self.frozen.values(), *self.buffers.values()]
        for number in range(len(self.losses), steps):
            batch = self._batch(number)
            with torch.no_grad():
                losses, *gradients = self.step.run(*fixed, *tensors_of((batch.inputs, batch.labels)))
                self.weights.rows.grad, self.scalars.rows.grad = self._flat(gradients)
                clip_(self.weights.rows.grad, self.scalars.rows.grad, self.settings.clip)
            self.optimiser.step()
            self.schedule.step()
            self.losses.append(losses / self.order.shape[2] if self.adds_up else losses)

    def _flat(self, gradients: Sequence[Tensor | None]) -> tuple[Tensor, Tensor]:
        """Return gradients as rows of weights and rows of function parameters, with zeros in place of None."""
        views = [*self.weights.views, *self.scalars.views]
        filled = [torch.zeros_like(view) if one is None else one for one, view in zip(gradients, views, strict=True)]
        count = len(self.weights.views)
        return self.weights.joined(filled[:count]), self.scalars.joined(filled[count:])

    def write_back(self, count: int) -> None:
        """Copy the current weights and buffers into the first ``count`` networks."""
        with torch.no_grad():
            for child, network in enumerate(self.networks[:count]):
                state = dict(network.named_parameters()) | dict(network.named_buffers())
                for name, values in {**self.weights.state, **self.scalars.state, **self.buffers}.items():
                    if name in state:
                        state[name].copy_(values[child])


def _places(network: nn.Module, layers: Sequence[nn.Module]) -> list[str]:
    """Return the names of the candidate's layers in a network."""
    names = {id(module): name for name, module in network.named_modules()}
    return [names[id(layer)] for layer in layers]
