"""A stack in training: the weights of many children of one network, side by side, and the loop that trains them.

Optimiser, clipping and schedule are those of single children, row by row. Not here: the recorded step (``graph``) and
who asks for it (``training``).
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
    """Parameters of one kind of all children in one tensor, a row a child, with a view of each.

    Each begins at a place in memory that is like every other child's.

    Args:
        states: of each child, parameters by name.
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
        """Return tensors ``(children, ...)`` like the parameters as rows like theirs, in new memory."""
        both = zip(parts, self.fillings, strict=True)
        flat = [one for part, filling in both for one in (part.reshape(len(part), -1), filling) if one.shape[1]]
        return torch.cat(flat, 1) if flat else torch.zeros(self.count, 0)

    @property
    def state(self) -> dict[str, Tensor]:
        """Views by name, ``(children, ...)``."""
        return dict(zip(self.names, self.views, strict=True))


class Stack:
    """Children in training.

    Args:
        networks: of each child, before its first step; none is changed before ``write_back``.
        layers: the candidate's in each, in the same order.
        segments: the functions, in the order of the children.
        objective: the loss.
        batches: of each child, indices ``(steps, batch)`` into the training examples.
        train: the examples.
        steps: how many there will be.
        settings: of the optimiser.
        generators: of what each child draws while it is trained.

    Raises:
        NotStackable: they cannot be trained as one; the message says why.
    """

    def __init__(
        self, networks: Sequence[nn.Module], layers: Sequence[Sequence[nn.Module]], segments: Sequence[Segment],
        objective: Objective, batches: Sequence[Tensor], train: Split, steps: int, settings: CompleteSettings,
        generators: Sequence[torch.Generator],
    ) -> None:  # fmt: skip
        self.networks, self.layers, self.train, self.settings = networks, layers, train, settings
        self.order, self.adds_up = torch.stack([*batches], 1), objective.adds_up  # (steps, children, batch)
        self.places, self.unused = _places(networks[0], layers[0]), frozenset[str]()
        self.step: Step = self._prepared(segments, objective, generators)
        if self.step.unused:  # an optimiser leaves these as they are, and so does a stack
            self.unused = self.step.unused
            self.step = self._prepared(segments, objective, generators)
        self.optimiser = optimiser_of([self.weights.rows, self.scalars.rows], settings, [self.scalars.rows])
        self.schedule = one_cycle(self.optimiser, settings, steps)
        self.losses: list[Tensor] = []  # of every step done, (children,) each

    def _prepared(
        self, segments: Sequence[Segment], objective: Objective, generators: Sequence[torch.Generator]
    ) -> Step:
        """Stack the weights, and record a step."""
        networks, layers = self.networks, self.layers
        union = parameters_of(segments)
        parted = [self._parted(*both, union) for both in zip(networks, layers, strict=True)]
        weights, scalars, frozen = zip(*parted, strict=True)
        if len({tuple((name, one.shape) for name, one in part.items()) for part in weights}) > 1:
            raise NotStackable("its networks have other parameters from seed to seed")
        self.weights, self.scalars = Flat(weights), Flat(scalars)
        self.frozen = {name: torch.stack([part[name].detach() for part in frozen]) for name in frozen[0]}
        buffers = [dict(network.named_buffers()) for network in networks]
        self.buffers = {name: torch.stack([part[name] for part in buffers]) for name in buffers[0]}
        return self._recorded(segments, objective, generators)

    def _parted(
        self, network: nn.Module, layers: Sequence[nn.Module], union: Sequence[Parameter]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        """Return one child's weights, its functions' parameters, and what is not trained, by name.

        Every place has every parameter that any function of the stack reads.
        """
        named = dict(network.named_parameters())
        scalars = {}
        for place, layer in zip(self.places, layers, strict=True):
            assert isinstance(layer, ActivationLayer)
            own = {one.name: named.pop(f"{place}.{one.name}") for one in layer.written.parameters}
            like = next(iter(named.values()))
            for one in union:
                start = torch.full((_count(layer, one),), one.start, dtype=like.dtype, device=like.device)
                scalars[f"{place}.{one.name}"] = own[one.name].detach() if one.name in own else start
        parted: tuple[dict[str, Tensor], dict[str, Tensor]] = ({}, {})
        for name, weight in named.items():
            parted[not weight.requires_grad or name in self.unused][name] = weight.detach()
        return parted[0], scalars, parted[1]

    def _recorded(
        self, segments: Sequence[Segment], objective: Objective, generators: Sequence[torch.Generator]
    ) -> Step:
        """Record a step on the first child's network, whose layers meanwhile apply the functions of all."""
        base, shared, union = self.networks[0].train(), Segments(segments), parameters_of(segments)
        layers = [layer for layer in self.layers[0] if isinstance(layer, ActivationLayer)]
        before = [layer.written for layer in layers]
        for layer in layers:
            layer.written, layer.function = Function(("x",), union, ()), shared
            for one in union:
                if one not in before[0].parameters:
                    layer.register_parameter(one.name, nn.Parameter(torch.full((_count(layer, one),), one.start)))
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

        def taken(part: Tensor) -> Tensor:
            return part[index]

        return Split(mapped(taken, self.train.inputs), mapped(taken, self.train.labels))

    def advance(self, steps: int) -> None:
        """Train until so many steps are done."""
        views = [*self.weights.views, *self.scalars.views]
        fixed = [*views, *self.frozen.values(), *self.buffers.values()]
        for number in range(len(self.losses), steps):
            batch = self._batch(number)
            with torch.no_grad():
                losses, *found = self.step.run(*fixed, *tensors_of((batch.inputs, batch.labels)))
                self.weights.rows.grad, self.scalars.rows.grad = self._flat(found)
                clip_(self.weights.rows.grad, self.scalars.rows.grad, self.settings.clip)
            self.optimiser.step()
            self.schedule.step()
            self.losses.append(losses / self.order.shape[2] if self.adds_up else losses)

    def _flat(self, found: Sequence[Tensor | None]) -> tuple[Tensor, Tensor]:
        """Return gradients, None of what no loss depends on, as rows."""
        views = [*self.weights.views, *self.scalars.views]
        known = [torch.zeros_like(view) if one is None else one for one, view in zip(found, views, strict=True)]
        parted = len(self.weights.views)
        return self.weights.joined(known[:parted]), self.scalars.joined(known[parted:])

    def write_back(self, count: int) -> None:
        """Give each of the first networks the weights and buffers of now."""
        with torch.no_grad():
            for child, network in enumerate(self.networks[:count]):
                state = dict(network.named_parameters()) | dict(network.named_buffers())
                for name, values in {**self.weights.state, **self.scalars.state, **self.buffers}.items():
                    if name in state:
                        state[name].copy_(values[child])


def _count(layer: ActivationLayer, parameter: Parameter) -> int:
    """Return how many values a parameter has in a layer."""
    return layer.channels if parameter.place == "channel" else 1


def _places(network: nn.Module, layers: Sequence[nn.Module]) -> list[str]:
    """Return the names of the candidate's layers in a network."""
    names = {id(module): name for name, module in network.named_modules()}
    return [names[id(layer)] for layer in layers]
