"""Replace a network's activations permanently: ``actsearch.replace_activations``.

Not here: the candidate in a network during a search (``graft``).
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from actsearch.evaluators.activation import Activation
from actsearch.evaluators.initialisation import initialise, last_linear
from actsearch.evaluators.layers import HALF
from actsearch.evaluators.own.example_run import Meeting, Met, differ, meet, run_without, uses_side_effect
from actsearch.evaluators.own.graft import is_kind, is_wanted
from actsearch.evaluators.own.layer_makers import New, check_alone, function_of, has_by_channel, maker_of, new_layer
from actsearch.evaluators.own.swap_report import Place, Replacement
from actsearch.grammar.fault import UserFault
from actsearch.grammar.function import Compute

Kind = str | type[nn.Module]


def replace_activations(
    model: nn.Module, replace: Kind | Sequence[Kind], module: New, *, init: Literal["keep", "matched"] = "keep",
    example: Any = None, dimension: int | None = None, seed: int = 0,
) -> Replacement:  # fmt: skip
    """Replace some layers of a network, trained or not, by another activation; the network itself is changed.

    Args:
        model: the network.
        replace: layers to replace: a class, the name of a class, the name of a layer, or several of these.
        module: the new activation: a known name or an expression, the class of an exported file, any function that
            makes a layer, or one layer to copy.
        init: ``keep`` leaves all weights; ``matched`` draws them anew with the gain that suits the activation
            (``evaluators.initialisation``), so that earlier training is lost.
        example: input of the network: one value, a tuple of arguments, or a mapping of keyword arguments (an input that
            is itself a dict goes into a tuple: ``({...},)``). The network is run on it a few times without gradients.
            Then each new layer gets one parameter per channel, and the report lists function calls that stay. Without
            an example each layer gets one parameter for all channels, and nothing is run.
        dimension: channel dimension, 1 or -1, of places for which the network does not determine it.
        seed: seed of all weights that are drawn.

    Returns:
        The report; print it.

    Raises:
        UserFault: there is no such layer, ``module`` makes no layer, or the network does not run on the example.
    """
    _check(model, init, example, dimension, seed)
    kinds = _kinds(replace)
    matches = _matches(model, kinds)
    old = [layer for layer, _ in matches]
    meeting = None if example is None else meet(model, old, example, dimension)
    places, new = _new_layers(matches, module, meeting, _first_weight(model), seed)
    notes = list(_notes(model, kinds, matches))
    if meeting is not None and uses_side_effect(model, old, example, meeting.output):
        notes.append("the network reads again what a layer changed in place (inplace=True), and the new one does not")
    function = function_of(module) if init == "matched" else None
    last = last_linear(model) if meeting is None else meeting.last
    changed: bool | None = None
    with _put_all(model, places, new):
        if meeting is not None:
            output = run_without(model, dict(zip((place.names[0] for place in places), old, strict=True)), example)
            changed = None if init == "matched" else differ(meeting.output, output)
    if init == "matched":
        notes += _draw_weights(model, function, seed, last)
    return Replacement(tuple(places), () if meeting is None else meeting.calls, changed, tuple(notes))


def _draw_weights(model: nn.Module, function: Compute | None, seed: int, last: nn.Module | None) -> Iterator[str]:
    """Draw the weights of a network anew and yield notes for the user.

    Args:
        model: the network with its new layers.
        function: the new activation as a function, for its gain; None means the gain of a rectifier.
        seed: seed of the weights.
        last: last linear layer, which no activation follows, or None.
    """
    one = _first_weight(model)
    generator = torch.Generator(device="cpu" if one is None else one.device).manual_seed(seed)
    if undrawn := initialise(model, "matched", function, generator, last):
        names = ", ".join(name.lstrip(".") or "the network's own" for name in undrawn)
        yield f"weights that matched draws do not reach stay: {names}"
    if last is not None:
        name = next((name for name, layer in model.named_modules() if layer is last), "")
        yield f"'{name}' is taken for the last layer, which no activation follows: gain 1"


def _notes(model: nn.Module, kinds: Sequence[Kind], matches: list[tuple[nn.Module, list[str]]]) -> Iterator[str]:
    for kind in kinds:
        if not any(_is(kind, name, layer) for layer, names in matches for name in names):
            yield f"no layer is '{kind}'"
    within = {name.rpartition(".")[0] for _, names in matches for name in names}
    modules = dict(model.named_modules())
    if any(isinstance(modules.get(name), nn.TransformerEncoderLayer) for name in within) and not any(
        isinstance(layer, nn.TransformerEncoder) for layer in modules.values()
    ):
        yield "a TransformerEncoder around this layer needs use_nested_tensor = False: give it whole, and that is done"


def _check(model: nn.Module, init: str, example: Any, dimension: int | None, seed: int) -> None:
    """Check the arguments of ``replace_activations``.

    Raises:
        UserFault: ``model`` is no network, is compiled, or has no weights to draw, or another argument is wrong.
    """
    if type(seed) is not int or not 0 <= seed < 2**63:
        raise UserFault(f"seed must be a whole number from 0 to 2^63 - 1, found {seed!r}")
    if dimension is not None and type(dimension) is not int:
        raise UserFault(f"dimension must be a whole number, 1 or -1, found {dimension!r}")
    if dimension is not None and example is None:
        raise UserFault("dimension tells where an example's channels are: give an example too")
    if not isinstance(model, nn.Module):
        raise UserFault(f"expected a torch.nn.Module whose layers are replaced, found {type(model).__name__}")
    if isinstance(model, torch.jit.ScriptModule):
        raise UserFault("the network is compiled (torch.jit) and cannot be changed: give the network it was made of")
    if init not in ("keep", "matched"):
        raise UserFault(f"init must be 'keep' or 'matched', found {init!r}")
    if init == "matched" and any(parameter.is_meta for parameter in model.parameters()):
        raise UserFault("weights on the device 'meta' have no numbers to draw: make the network on a real one")


def _kinds(replace: Kind | Sequence[Kind]) -> tuple[Kind, ...]:
    kinds = (replace,) if isinstance(replace, (str, type)) else tuple(replace) if isinstance(replace, Iterable) else ()
    if not kinds or not all(isinstance(kind, (str, type)) for kind in kinds):
        raise UserFault(f"expected which layers to replace, a class such as torch.nn.ReLU or names, found {replace!r}")
    return kinds


def _spelt(kind: Kind) -> str:
    return kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"


def _is(kind: Kind, name: str, layer: nn.Module) -> bool:
    return bool(name) and (type(layer) is kind or is_wanted(name, layer, (_spelt(kind),)))


def _matches(model: nn.Module, kinds: Sequence[Kind]) -> list[tuple[nn.Module, list[str]]]:
    """Return the layers to be replaced, each with all its names in the network.

    Raises:
        UserFault: there is no such layer, or one is compiled.
    """
    matches: dict[int, tuple[nn.Module, list[str]]] = {}
    outer = "\n"  # prefix of the last replaced layer, whose inner layers go with it
    for name, layer in model.named_modules(remove_duplicate=False):
        if name.startswith(outer):
            continue
        if isinstance(layer, torch.jit.ScriptModule) and is_kind(layer.original_name, tuple(map(_spelt, kinds))):
            raise UserFault(f"layer '{name}' is compiled (torch.jit) and cannot be replaced: leave it plain")
        if any(_is(kind, name, layer) for kind in kinds):
            matches.setdefault(id(layer), (layer, []))[1].append(name)
            outer = f"{name}."
    if not matches:
        every = sorted({f"{type(layer).__module__}.{type(layer).__name__}" for layer in model.modules()})
        raise UserFault(
            f"the network has no layer {' or '.join(map(_spelt, kinds))} inside; it is made of {', '.join(every)}; "
            "what it calls as a function is no layer: make it one to replace it"
        )
    return list(matches.values())


def _first_weight(model: nn.Module) -> Tensor | None:
    return next((p for p in model.parameters() if p.is_floating_point()), None)


def _new_layers(
    matches: list[tuple[nn.Module, list[str]]], module: New, meeting: Meeting | None, first: Tensor | None, seed: int
) -> tuple[list[Place], list[nn.Module]]:
    """Return a report on each place, and its new layer.

    Args:
        matches: layers to be replaced, each with its names.
        module: the new activation.
        meeting: record of the network's run on the example, or None.
        first: first floating-point weight of the network, or None.
        seed: seed of weights that are drawn while a layer is made.
    """
    make, places, new = maker_of(module), list[Place](), list[nn.Module]()
    if meeting is None and isinstance(module, (str, Activation)):
        check_alone(make(1, None), module)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for layer, names in matches:
            met = None if meeting is None else meeting.met.get(id(layer))
            channels, axis, note = (1, None, "") if met is None else met.width()
            note = "the example does not reach it" if meeting is not None and met is None else note
            replacement = new_layer(make, channels, axis)
            channels, axis = (channels, axis) if has_by_channel(replacement, channels) else (1, None)
            new.append(_moved(replacement, met, first).train(layer.training))
            channels = channels if any(True for _ in replacement.parameters()) else 0
            notes = [note] if channels == 1 and note else []
            if layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks:
                notes.append("it had hooks, which are gone")
            places.append(Place(tuple(names), type(layer).__name__, channels, axis, "; ".join(notes)))
    return places, new


def _moved(layer: nn.Module, met: Met | None, first: Tensor | None) -> nn.Module:
    """Move a new layer to the precision and device of its place.

    If the input has half precision because of autocast, the parameters get the precision of the network's weights.

    Args:
        layer: the new layer.
        met: inputs of the place, or None if they are unknown.
        first: first floating-point weight of the network, or None.
    """
    if met is None:
        return layer if first is None else layer.to(first.device, first.dtype)
    by_autocast = met.dtype in HALF and first is not None and first.dtype not in HALF
    dtype = first.dtype if first is not None and by_autocast else met.dtype
    return layer.to(met.device, dtype) if dtype.is_floating_point else layer.to(met.device)


@contextlib.contextmanager
def _put_all(model: nn.Module, places: Sequence[Place], layers: Sequence[nn.Module]) -> Iterator[None]:
    """Put layers in their places, and restore the old ones if the body of the ``with`` statement raises."""
    undo = list[tuple[nn.Module, str, Any]]()
    try:
        for place, layer in zip(places, layers, strict=True):
            for name in place.names:
                _put_one(model, name, layer, undo)
        yield
    except BaseException:
        for owner, attribute, was in reversed(undo):
            setattr(owner, attribute, was)
        raise


def _put_one(model: nn.Module, name: str, layer: nn.Module, undo: list[tuple[nn.Module, str, Any]]) -> None:
    """Put a layer in a place, and append each attribute's old value to ``undo``."""
    parent_name, _, attribute = name.rpartition(".")
    parent = model.get_submodule(parent_name)
    changes: list[tuple[nn.Module, str, Any]] = [(parent, attribute, layer)]
    if isinstance(parent, nn.TransformerEncoderLayer):
        # else its fast path for evaluation would still compute the old activation
        changes.append((parent, "activation_relu_or_gelu", 0))
        encoders = (module for module in model.modules() if isinstance(module, nn.TransformerEncoder))
        changes += [
            (encoder, "use_nested_tensor", False) for encoder in encoders
        ]  # only that path can compute nested tensors
    for owner, changed, value in changes:
        undo.append((owner, changed, getattr(owner, changed)))
        setattr(owner, changed, value)
