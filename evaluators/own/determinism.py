"""Build the user's network twice and train it twice briefly: results must be equal, and the networks share nothing.

Not here: whether the candidate affects the network (``checks``).
"""

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from actsearch.evaluators.contained import contained
from actsearch.evaluators.data.examples import BadData
from actsearch.evaluators.layers import MakeActivation
from actsearch.evaluators.own.batch_check import EXAMPLES, loss_of
from actsearch.evaluators.own.graft import network
from actsearch.evaluators.own.losses import WrongOutput
from actsearch.evaluators.own.optimisers import course_of
from actsearch.evaluators.own.problem import Problem, read
from actsearch.evaluators.own.user_code import BadOwnTask, built
from actsearch.evaluators.settings import CompleteSettings
from actsearch.evaluators.torch_child import TorchChild
from actsearch.grammar.fault import fault_text

STEPS = 2  # optimiser steps of the training that must repeat exactly


def check_builds(settings: CompleteSettings) -> None:
    """Check that two calls of ``build`` with one seed return separate networks with equal weights, and equal data.

    Raises:
        BadOwnTask: the networks share a part, or the weights or the data differ.
    """
    builds = []
    for _ in range(2):
        with contained(1, settings.own.file):
            model, data, loss = built(settings)
            weights = {name: part.clone() for name, part in model.state_dict().items() if isinstance(part, Tensor)
                      and not is_lazy(part)}  # fmt: skip
            builds.append(
                (model, weights, read(settings, model, data, loss).data.digest)
            )  # the digest is taken now, before the next call may change the data
    (first, first_weights, first_data), (second, second_weights, second_data) = builds
    shared = _shared(first, second)
    if shared:
        raise BadOwnTask(
            f"'{settings.own.function}' returns {shared} again when it is called a second time: the next child would "
            "go on from this one. Make the whole network anew inside the function, or return a copy.deepcopy of it"
        )
    for name, value in first_weights.items():
        if not (name in second_weights and _equal(value, second_weights[name])):
            raise BadOwnTask(
                f"'{settings.own.function}': '{name}' starts differently in a second call with the same seed, so no "
                "score would come twice: draw from the generators of torch, numpy.random or random, which are "
                "seeded, or seed your own"
            )
    if first_data != second_data:
        raise BadOwnTask(
            f"'{settings.own.function}': the data differ in a second call with the same seed: build them once "
            "(functools.cache), without a generator that nobody seeded and without changing them in place"
        )


def check_repeats(settings: CompleteSettings, problem: Problem, make: MakeActivation) -> None:
    """Check that two short trainings from one seed give equal losses, so that no hidden state or generator matters.

    Args:
        settings: complete settings of the task.
        problem: the user's problem.
        make: function that makes the layer in the candidate's place.

    Raises:
        BadOwnTask: the losses differ, or a step fails.
    """
    runs, data, objective = [], problem.data, problem.objective
    for _ in range(2):
        with contained(3, settings.own.file):
            layers = list[nn.Module]()
            model = network(settings, data, _recording(make, layers)).to(data.train.device)
            batches = data.train.stream(min(settings.batch, EXAMPLES), STEPS * settings.own.accumulate, _generator())
            try:
                course = course_of(model, settings, STEPS, layers, data.train)
                child = TorchChild(model, objective, batches, STEPS, settings, _generator(), (), course)
                child.advance(STEPS)
            except (BadOwnTask, BadData):
                raise
            except WrongOutput as fault:
                raise BadOwnTask(str(fault)) from fault
            except Exception as fault:
                raise BadOwnTask(f"a first step cannot be taken: {fault_text(fault)}") from fault
            with objective.looking():
                _, loss = loss_of(objective, model.eval(), data.validation.first(EXAMPLES), "in evaluation")
            runs.append(torch.tensor([*child.losses, float(loss.detach())]))
    exact = data.train.device.type == "cpu"
    if not torch.allclose(runs[0], runs[1], rtol=0 if exact else 1e-3, atol=0, equal_nan=True):
        raise BadOwnTask(
            f"'{settings.own.function}': two trainings with the same seed come to other losses, so no score would come "
            "twice: the network draws from a generator that nobody seeds (numpy.random.default_rng, torch.Generator), "
            "or keeps something from one network to the next"
        )


def _recording(make: MakeActivation, layers: list[nn.Module]) -> MakeActivation:
    def noting(channels: int, dimension: int | None = None) -> nn.Module:
        layers.append(make(channels, dimension))
        return layers[-1]

    return noting


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _shared(first: nn.Module, second: nn.Module) -> str:
    """Return a phrase for the first weight or module that both networks hold; empty if they share nothing."""
    tensors = {id(part) for part in _tensors(first)} | {part.data_ptr() for part in _tensors(first) if part.numel()}
    for name, part in [*second.named_parameters(), *second.named_buffers()]:
        if is_lazy(part):
            continue
        if id(part) in tensors or (part.numel() and part.data_ptr() in tensors):
            return f"the same weights ('{name}')"
    modules = set(first.modules())
    for name, module in second.named_modules():
        if module in modules and list(module.children()):
            return f"the same network ('{name}')" if name else "the same network"
    return ""


def _tensors(model: nn.Module) -> list[Tensor]:
    return [part for part in (*model.parameters(), *model.buffers()) if not is_lazy(part)]


def _equal(one: Tensor, other: Tensor) -> bool:
    same_kind = one.shape == other.shape and one.dtype == other.dtype
    return same_kind and bool(torch.equal(one.nan_to_num(), other.nan_to_num()))
