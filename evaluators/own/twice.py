"""Build the user's network twice and train it twice, shortly: both must come to the same, and share nothing.

Not here: whether the candidate matters in it (``check``).
"""

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from actsearch.evaluators.contained import contained
from actsearch.evaluators.data.dataset import DataSet, Split
from actsearch.evaluators.layers import MakeActivation
from actsearch.evaluators.own.functions import BadOwnTask, built, data_set
from actsearch.evaluators.own.places import network
from actsearch.evaluators.own.trial import EXAMPLES, first_of, loss_of
from actsearch.evaluators.settings import CompleteSettings

STEPS = 2  # of a training that must come out the same twice


def check_builds(settings: CompleteSettings) -> None:
    """Two calls must return two networks that start alike under one seed, and the same data."""
    found = []
    for _ in range(2):
        with contained(1, settings.own.file):
            model, data = built(settings)
            found.append((model, data_set(data, settings).digest))  # before the next call can change it
    (first, first_data), (second, second_data) = found
    shared = _shared(first, second)
    if shared:
        raise BadOwnTask(
            f"'{settings.own.function}' returns {shared} again when it is called a second time: the next child would "
            "go on from this one. Make the whole network anew inside the function, or return a copy.deepcopy of it"
        )
    theirs = second.state_dict()
    for name, value in first.state_dict().items():
        if isinstance(value, Tensor) and not is_lazy(value) and not (name in theirs and _equal(value, theirs[name])):
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


def check_repeats(settings: CompleteSettings, data: DataSet, make: MakeActivation) -> None:
    """Two short trainings from one seed must come to the same losses, whatever the network keeps or draws."""
    found = []
    for _ in range(2):
        with contained(3, settings.own.file):
            model = network(settings, data, make).to(data.train.inputs.device)
            weights = [part for part in model.parameters() if part.requires_grad]
            optimiser, losses = torch.optim.SGD(weights, 1e-3), list[float]()
            for step in range(STEPS):
                rows = slice(step * EXAMPLES, (step + 1) * EXAMPLES)
                part = Split(data.train.inputs[rows], data.train.labels[rows]) if step else data.train
                _, loss = loss_of(model.train(), first_of(part, min(settings.batch, EXAMPLES)), "in training")
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                losses.append(float(loss.detach()))
            with torch.no_grad():
                _, loss = loss_of(model.eval(), first_of(data.validation, EXAMPLES), "in evaluation")
            found.append(torch.tensor([*losses, float(loss)]))
    exact = data.train.inputs.device.type == "cpu"
    if not torch.allclose(found[0], found[1], rtol=0 if exact else 1e-3, atol=0, equal_nan=True):
        raise BadOwnTask(
            f"'{settings.own.function}': two trainings with the same seed come to other losses, so no score would come "
            "twice: the network draws from a generator that nobody seeds (numpy.random.default_rng, torch.Generator), "
            "or keeps something from one network to the next"
        )


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
