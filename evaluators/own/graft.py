"""Put the candidate in place of some layers and calls of the user's network, with parameters for each channel.

Not here: where the network comes from (``user_code``), and whether the replaced places have any effect (``checks``).
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from actsearch.evaluators.data.dataset import DataSet
from actsearch.evaluators.data.examples import Split, tensors_of
from actsearch.evaluators.layers import MakeActivation
from actsearch.evaluators.layout import Layouts
from actsearch.evaluators.objective import call
from actsearch.evaluators.own.calls import REPLACEABLE, Calls, Site, functions_of, spelt, unknown_functions
from actsearch.evaluators.own.loss_choice import step_of
from actsearch.evaluators.own.problem import problem
from actsearch.evaluators.own.user_code import BadOwnTask, built
from actsearch.evaluators.own.wrapped import ByUse, Noting, Owned, Uses
from actsearch.evaluators.settings import TaskSettings
from actsearch.grammar.fault import fault_text

EXAMPLES = (2, 256, 4096)  # numbers of examples run to find the channels: the next if some place was not reached
PART = 256  # examples per forward pass: thousands of pictures at once would not fit into memory


def network(settings: TaskSettings, data: DataSet[Any], make: MakeActivation) -> Owned:
    """Return the user's network with the candidate in the places of ``own.replace``.

    Args:
        settings: settings of the task.
        data: the user's data, on which the network is run to find the channels.
        make: function that makes a layer of the candidate for a number of channels and their dimension.

    Raises:
        BadOwnTask: there is no such layer, the network does not run on the data, or the channels of a place are
            unknown.
    """
    model, *_ = built(settings)
    own_problem = problem(settings)
    replace = settings.own.replace or own_problem.replace
    every = list(model.named_modules(remove_duplicate=False))  # one layer may stand in several places
    places = {name: layer for name, layer in every if is_wanted(name, layer, replace)}
    for name, layer in every:
        if isinstance(layer, torch.jit.ScriptModule) and is_kind(layer.original_name, replace):
            raise BadOwnTask(
                f"layer '{name}' of the network is compiled (torch.jit) and cannot be replaced: leave it plain"
            )
    if settings.precision == "float64":
        model.double()
    method = step_of(model) if settings.own.loss in {None, "step"} else ""
    lists = method == "training_step" or settings.own.optimiser is not None
    owned = Owned(model, method, functions_of(replace), lists=lists)
    uses, calls = _uses(owned, places, data, settings.own.dimension, own_problem.objective.looking)
    if calls and _is_compiled(model):
        raise BadOwnTask("the network is compiled (torch.compile) and calls activations as functions: leave it plain")
    if unknown := unknown_functions(replace):
        raise BadOwnTask(
            f"key 'task.own.replace': '{unknown[0]}' is no function that can be replaced; expected one of "
            f"{', '.join(map(spelt, REPLACEABLE))}, or a layer"
        )
    if not uses and not calls:
        kinds = sorted({f"{type(layer).__module__}.{type(layer).__name__}" for layer in model.modules()})
        raise BadOwnTask(
            f"the network has no layer {' or '.join(replace)} to replace (task.own.replace), nor calls it; it is made "
            f"of {', '.join(kinds)}: what it calls as a function is named so, F.gelu or torch.sin"
        )
    by_use = settings.own.shared == "use"
    for name, layer_uses in uses.items():
        parent, _, attribute = name.rpartition(".")
        layer = _layer(layer_uses, make, owned.names, by_use=by_use)
        layer.register_forward_pre_hook(owned.mode.enter)
        layer.register_forward_hook(owned.mode.leave, always_call=True)
        setattr(model.get_submodule(parent), attribute, layer)
    for site, widths in calls.items():
        owned.add(site, _layer({site: widths}, make, owned.names, by_use=by_use))
    return owned


def _hint(data: DataSet[Any], fault: Exception) -> str:
    """Return advice for whole-number inputs that reach floating-point weights; empty in other cases."""
    whole = [one.dtype for one in tensors_of(data.train.first(1).inputs) if not one.is_floating_point()]
    return (
        f"; its inputs are {whole[0]}: give numbers with a point (.float())" if whole and "dtype" in str(fault) else ""
    )


def _is_compiled(model: nn.Module) -> bool:
    """Return whether any part of the network is compiled by ``torch.compile``."""
    return any(type(layer).__name__ == "OptimizedModule" for layer in model.modules())


def _layer(uses: Uses, make: MakeActivation, names: dict[int, str], *, by_use: bool) -> nn.Module:
    """Return the layer for a place.

    A place with one width gets a layer with a value per channel. A place with several uses gets a layer for each use
    if ``by_use`` is set; otherwise a place with several widths gets one value per parameter.

    Args:
        uses: widths and types of the inputs, by call site.
        make: function that makes a layer of the candidate.
        names: names of the network's layers, by ``id`` of the layer.
        by_use: whether each use has parameters of its own.
    """
    widths = {width: dtype for types in uses.values() for width, dtype in types.items()}
    if len(widths) == 1 and (not by_use or len(uses) == 1):
        (((channels, dimension), dtype),) = widths.items()
        return _new_layer(make, channels, dimension, dtype)
    if by_use:
        layers = {(site, w): _new_layer(make, *w, dtype) for site, types in uses.items() for w, dtype in types.items()}
        return ByUse(layers, names)
    return _new_layer(make, 1, next(iter(widths))[1], next(iter(widths.values())))


def _new_layer(make: MakeActivation, channels: int, dimension: int, dtype: torch.dtype) -> nn.Module:
    layer = make(channels, dimension)
    layer.register_forward_hook(_copy_of_output)
    return layer.to(dtype) if dtype.is_floating_point else layer


def _copy_of_output(_: nn.Module, __: object, output: Tensor) -> Tensor | None:
    """Return a copy of the output if it needs a gradient: a later layer such as Dropout(inplace=True) may change it.

    Without the copy, a candidate whose slope is computed from its value would fail, and others would not.
    """
    return output.clone() if output.requires_grad else None


def is_wanted(name: str, layer: nn.Module, wanted: tuple[str, ...]) -> bool:
    """Return whether a layer is listed, by its place, its class name or the full name of its class.

    Torch's own classes match under ``torch.nn`` as well as under the module that defines them.

    Args:
        name: dotted name of the layer in the network; the network itself has none, and is never wanted.
        layer: the layer.
        wanted: names as in ``task.own.replace``.
    """
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


def is_kind(name: str, wanted: tuple[str, ...]) -> bool:
    """Return whether a class of this name is among the wanted names, whose module parts are ignored."""
    return any(text.rpartition(".")[2] == name for text in wanted)


def _uses(
    owned: Owned,
    places: dict[str, nn.Module],
    data: DataSet[Any],
    named: int | None,
    looking: Callable[[], contextlib.AbstractContextManager[object]],
) -> tuple[dict[str, Uses], Uses]:
    """Run the network and return the uses of each place, and the uses of function calls.

    Args:
        owned: the network, with the layers to be replaced still in it.
        places: layers to be replaced, by name.
        data: the user's data.
        named: channel dimension that the user named, or None.
        looking: makes the context in which the network runs.

    Raises:
        BadOwnTask: the network does not run, or does not use one of the layers.
    """
    layouts, seen, calls = Layouts(), {name: Uses() for name in places}, Uses()

    def recorder(uses: Uses, name: str) -> Callable[[Tensor, Site], None]:
        def record(x: Tensor, site: Site) -> None:
            dimension = _dimension(x, layouts.of(x), named, name or f"at {site}", mixed=layouts.is_mixed(x))
            uses.setdefault(site, {})[x.shape[dimension], dimension] = x.dtype

        return record

    def instead(x: Tensor, site: Site, meant: Callable[[], Any]) -> Any:
        recorder(calls, "")(x, site)
        return meant()

    model = owned.model
    for name, layer in places.items():
        parent, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(parent), attribute, Noting(layer, recorder(seen[name], name), owned.names))
    training = model.training
    try:
        for count in EXAMPLES:
            # compiled code would hide its calls; the switch costs seconds, so plain networks skip it
            eagerly = torch.compiler.set_stance("force_eager") if _is_compiled(model) else contextlib.nullcontext()
            run = getattr(model.eval(), owned.method) if owned.method else model.eval()
            batch = data.train.first(count).to("cpu")
            for start in range(0, 1 if batch.whole else len(batch), PART):
                part = batch.take(slice(start, start + PART))
                with eagerly, layouts, Calls(owned.kinds, owned.names, instead), looking():
                    _run(run, part, owned.method)
                layouts.forget()
            if all(seen.values()):
                break
    except BadOwnTask:
        raise
    except Exception as fault:
        raise BadOwnTask(
            f"the network does not run on its own data: {fault_text(fault)}{_hint(data, fault)}"
        ) from fault
    finally:
        model.train(training)
    for name in places:
        if not seen[name]:
            raise BadOwnTask(
                f"layer '{name}' of the network is not used when it runs on its data in evaluation; "
                f"{choose_others([other for other in places if seen[other]])}"
            )
    return seen, calls


def choose_others(names: Sequence[str]) -> str:
    """Return advice on how to leave a place out, with the names of the other layers."""
    return f"choose others, task.own.replace: [{', '.join(names)}]" if names else "choose others (task.own.replace)"


def _run(run: Any, batch: Split, method: str) -> None:
    if method:
        run(*((batch.inputs, 0) if method == "training_step" else (batch.inputs,)))
    else:
        call(run, batch.inputs)


def _dimension(tensor: Tensor, implied: int | None, named: int | None, name: str, *, mixed: bool) -> int:
    """Return the channel dimension of an input, from the preceding layer or else from the user; -1 is the last one.

    Args:
        tensor: input of the place.
        implied: channel dimension that follows from the preceding layer, or None.
        named: channel dimension that the user named, or None.
        name: name of the place, for messages.
        mixed: whether the input is a product or a sum over channels, so that a guess would be wrong.

    Raises:
        BadOwnTask: the preceding layer contradicts the user, neither gives the dimension, or it does not exist.
    """
    last = tensor.ndim - 1
    if named is not None and not -tensor.ndim <= named <= last:
        found_shape = f"layer '{name}' gets {tuple(tensor.shape)}, without dimension {named}"
        raise BadOwnTask(f"key 'task.own.dimension': {found_shape}")
    if named is not None and implied is not None and named % tensor.ndim != implied:
        raise BadOwnTask(
            f"key 'task.own.dimension': says {named}, but layer '{name}' gets {tuple(tensor.shape)} with its "
            f"{tensor.shape[implied]} channels in dimension {implied}, by the layer in front of it: leave the key out, "
            "and they are found for each place"
        )
    if implied is None and named is None and (last > 1 or (mixed and last == 1)):
        raise BadOwnTask(
            f"layer '{name}' gets {tuple(tensor.shape)}, and nothing in front of it tells where its channels are: "
            "say it with task.own.dimension, 1 for (B, C, ...), -1 for (B, T, C)"
        )
    place = implied if implied is not None else named % tensor.ndim if named is not None else min(1, last)
    return -1 if place == last and place != 1 else place
