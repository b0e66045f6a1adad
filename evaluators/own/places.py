"""The candidate in the places of some layers of the user's network, with as many betas as each place has channels.

Not here: where the network comes from (``own``), and whether what was replaced has any effect (``check``).
"""

import torch
from torch import Tensor, nn

from actsearch.evaluators.data.dataset import DataSet
from actsearch.evaluators.layers import MakeActivation
from actsearch.evaluators.layout import Layouts
from actsearch.evaluators.own.functions import BadOwnTask, built
from actsearch.evaluators.settings import TaskSettings

EXAMPLES = (2, 256)  # that are run to see the channels of each place: more where a place is not met by few


def network(settings: TaskSettings, data: DataSet, make: MakeActivation) -> nn.Module:
    """Return the user's network with the candidate in the places of ``own.replace``.

    Raises:
        BadOwnTask: no such layer, the network does not run on the data, or the channels of a place cannot be told.
    """
    model, _ = built(settings)
    every = list(model.named_modules(remove_duplicate=False))  # one layer may stand in several places
    places = {name: layer for name, layer in every if _is_wanted(name, layer, settings.own.replace)}
    for name, layer in every:
        if isinstance(layer, torch.jit.ScriptModule) and _is_kind(layer.original_name, settings.own.replace):
            raise BadOwnTask(
                f"layer '{name}' of the network is compiled (torch.jit) and cannot be replaced: leave it plain"
            )
    if not places:
        kinds = sorted({f"{type(layer).__module__}.{type(layer).__name__}" for layer in model.modules()})
        raise BadOwnTask(
            f"the network has no layer {' or '.join(settings.own.replace)} to replace (task.own.replace); "
            f"it is made of {', '.join(kinds)}: what it calls as a function, such as torch.relu(x), is no layer"
        )
    inputs = data.train.inputs[: max(EXAMPLES)].cpu().clone()
    for name, (channels, dimension) in _channels(model, places, inputs, settings.own.dimension).items():
        parent, _, attribute = name.rpartition(".")
        layer = make(channels, dimension)
        layer.register_forward_hook(_apart)
        setattr(model.get_submodule(parent), attribute, layer)
    return model


def _apart(_: nn.Module, __: object, output: Tensor) -> Tensor | None:
    """Return a copy where a gradient is wanted: what follows may change it in place, as Dropout(inplace=True) does.

    A candidate whose slope is computed from its value would fail then, and one of another kind would not.
    """
    return output.clone() if output.requires_grad else None


def _is_wanted(name: str, layer: nn.Module, wanted: tuple[str, ...]) -> bool:
    kind = type(layer)
    return bool(name) and any(
        text in {name, kind.__name__, f"{kind.__module__}.{kind.__name__}"}
        or (
            text.rpartition(".")[2] == kind.__name__
            and text.startswith("torch.nn")
            and kind.__module__.startswith("torch.nn")
        )
        for text in wanted
    )


def _is_kind(name: str, wanted: tuple[str, ...]) -> bool:
    return any(text.rpartition(".")[2] == name for text in wanted)


def _channels(
    model: nn.Module, places: dict[str, nn.Module], inputs: Tensor, named: int | None
) -> dict[str, tuple[int, int]]:
    """Run the network once and return the channels that each place sees, and their dimension.

    Raises:
        BadOwnTask: it does not run, or a layer is used with several widths or not at all.
    """
    seen: dict[nn.Module, dict[tuple[int, int], None]] = {layer: {} for layer in places.values()}
    layouts = Layouts()

    def note(layer: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        dimension = _dimension(arguments[0], layouts.of(arguments[0]), named, names[layer])
        seen[layer][arguments[0].shape[dimension], dimension] = None

    names = {layer: name for name, layer in places.items()}
    hooks = [layer.register_forward_pre_hook(note) for layer in seen]
    training = model.training
    try:
        for count in EXAMPLES:
            with torch.no_grad(), layouts:
                model.eval()(inputs[:count].clone())
            if all(seen.values()):
                break
    except BadOwnTask:
        raise
    except Exception as fault:
        raise BadOwnTask(f"the network does not run on its own data: {type(fault).__name__}: {fault}") from fault
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    for name, layer in places.items():
        if len(seen[layer]) != 1:
            several = len({dimension for _, dimension in seen[layer]}) > 1
            used = " and ".join(f"{n} (dimension {place})" if several else str(n) for n, place in sorted(seen[layer]))
            several_widths = f"is used with {used} channels: give each use a layer of its own"
            never = "is not used when it runs on its data in evaluation"
            raise BadOwnTask(f"layer '{name}' of the network {several_widths if used else never}")
    return {name: next(iter(seen[layer])) for name, layer in places.items()}


def _dimension(tensor: Tensor, found: int | None, named: int | None, name: str) -> int:
    """Return where the channels are, the last dimension as -1: as the layer in front says, else as the user.

    Raises:
        BadOwnTask: the layer in front contradicts the user, nobody tells, or there is no such dimension.
    """
    last = tensor.ndim - 1
    if named is not None and not -tensor.ndim <= named <= last:
        found_shape = f"layer '{name}' gets {tuple(tensor.shape)}, without dimension {named}"
        raise BadOwnTask(f"key 'task.own.dimension': {found_shape}")
    if named is not None and found is not None and named % tensor.ndim != found:
        raise BadOwnTask(
            f"key 'task.own.dimension': says {named}, but layer '{name}' gets {tuple(tensor.shape)} with its "
            f"{tensor.shape[found]} channels in dimension {found}, by the layer in front of it: leave the key out, and "
            "they are found for each place"
        )
    if found is None and named is None and last > 1:
        raise BadOwnTask(
            f"layer '{name}' gets {tuple(tensor.shape)}, and nothing in front of it tells where its channels are: "
            "say it with task.own.dimension, 1 for (B, C, ...), -1 for (B, T, C)"
        )
    place = found if found is not None else named % tensor.ndim if named is not None else min(1, last)
    return -1 if place == last and place != 1 else place
