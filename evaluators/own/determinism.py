"""Build the user's network twice and train it twice, shortly: both must come to the same, and share nothing.

Not here: whether the candidate matters in it (``checks``).
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

STEPS = 2  # of a training that must come out the same twice


def check_builds(settings: CompleteSettings) -> None:
    """Two calls must return two networks that start alike under one seed, and the same data."""
    found = []
    for _ in range(2):
        with contained(1, settings.own.file):
            model, data, loss = built(settings)
            before = {name: part.clone() for name, part in model.state_dict().items() if isinstance(part, Tensor)
                      and not is_lazy(part)}  # fmt: skip
            found.append(
                (model, before, read(settings, model, data, loss).data.digest)
            )  # before a next call changes it
    (first, started, first_data), (second, theirs, second_data) = found
    shared = _shared(first, second)
    if shared:
        raise BadOwnTask(
            f"'{settings.own.function}' returns {shared} again when it is called a second time: the next child would "
            "go on from this one. Make the whole network anew inside the function, or return a copy.deepcopy of it"
        )
    for name, value in started.items():
        if not (name in theirs and _equal(value, theirs[name])):
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


def check_repeats(settings: CompleteSettings, given: Problem, make: MakeActivation) -> None:
    """Two short trainings from one seed must come to the same losses, whatever the network keeps or draws."""
    found, data, objective = [], given.data, given.objective
    for _ in range(2):
        with contained(3, settings.own.file):
            made = list[nn.Module]()
            model = network(settings, data, _noted(make, made)).to(data.train.device)
            batches = data.train.stream(min(settings.batch, EXAMPLES), STEPS * settings.own.accumulate, _generator())
            try:
                course = course_of(model, settings, STEPS, made, data.train)
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
            found.append(torch.tensor([*child.losses, float(loss.detach())]))
    exact = data.train.device.type == "cpu"
    if not torch.allclose(found[0], found[1], rtol=0 if exact else 1e-3, atol=0, equal_nan=True):
        raise BadOwnTask(
            f"'{settings.own.function}': two trainings with the same seed come to other losses, so no score would come "
            "twice: the network draws from a generator that nobody seeds (numpy.random.default_rng, torch.Generator), "
            "or keeps something from one network to the next"
        )


def _noted(make: MakeActivation, made: list[nn.Module]) -> MakeActivation:
    def noting(channels: int, dimension: int | None = None) -> nn.Module:
        made.append(make(channels, dimension))
        return made[-1]

    return noting


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _shared(first: nn.Module, second: nn.Module) -> str:
    """Name the first part with weights or parts of its own that both networks hold."""
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
