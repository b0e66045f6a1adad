"""Another activation in the places of a network's own, for good: ``actsearch.replace_activations``.

Not here: the candidate in a network while it is searched (``places``).
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from actsearch.evaluators.activation import Activation
from actsearch.evaluators.initialisation import initialise
from actsearch.evaluators.own.makers import New, check_alone, function_of, has_by_channel, maker_of, new_layer
from actsearch.evaluators.own.meeting import Meeting, Met, differ, meet, run_without
from actsearch.evaluators.own.places import is_wanted
from actsearch.evaluators.own.replacement import Place, Replacement
from actsearch.grammar.fault import UserFault

Kind = str | type[nn.Module]


def replace_activations(
    model: nn.Module, replace: Kind | Sequence[Kind], module: New, *, init: Literal["keep", "matched"] = "keep",
    example: Any = None, dimension: int | None = None, seed: int = 0,
) -> Replacement:  # fmt: skip
    """Put an activation in the places of some of a network's layers, in place, also of a trained one.

    Args:
        model: the network.
        replace: which layers: a class, its name, a layer's own name, or several of these.
        module: what takes their places: a known name or an expression, the class of an exported file, whatever makes a
            layer, or one layer that is copied.
        init: ``keep`` leaves all weights; ``matched`` draws them anew with the gain that suits the activation
            (``evaluators.initialisation``), which forgets what was trained.
        example: an input, or a tuple of several, that the network is run on once, without gradients: then there are as
            many parameters as a place has channels, and calls that stay are found. Without it there is one a layer.
        dimension: where the channels are, if the network does not tell: 1 or -1.
        seed: of the weights that are drawn.

    Returns:
        The report; print it.

    Raises:
        UserFault: there is no such layer, what takes its place is none, or the network does not run on the example.
    """
    _check(model, init)
    kinds = _kinds(replace)
    found = _found(model, kinds)
    old = [layer for layer, _ in found]
    meeting = None if example is None else meet(model, old, example, dimension)
    places, new = _made_for(found, module, meeting, _first(model), seed)
    function = function_of(module) if init == "matched" else None
    changed: bool | None = None
    with _put_all(model, places, new):
        if meeting is not None:
            output = run_without(model, dict(zip((place.names[0] for place in places), old, strict=True)), example)
            changed = None if init == "matched" else differ(meeting.output, output)
    undrawn: tuple[str, ...] = ()
    if init == "matched":
        one = _first(model)
        generator = torch.Generator(device="cpu" if one is None else one.device).manual_seed(seed)
        undrawn = initialise(model, "matched", function, generator)
    missing = tuple(str(kind) for kind in kinds if not any(_is(kind, name, layer) for layer, names in found
                                                           for name in names))  # fmt: skip
    return Replacement(tuple(places), () if meeting is None else meeting.calls, changed, missing, undrawn)


def _check(model: nn.Module, init: str) -> None:
    """Refuse what cannot be changed.

    Raises:
        UserFault: it is no network, or is compiled, or its weights cannot be drawn.
    """
    if not isinstance(model, nn.Module):
        raise UserFault(f"expected a torch.nn.Module whose layers are replaced, found {type(model).__name__}")
    if isinstance(model, torch.jit.ScriptModule):
        raise UserFault("the network is compiled (torch.jit) and cannot be changed: give the network it was made of")
    if init not in {"keep", "matched"}:
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


def _found(model: nn.Module, kinds: Sequence[Kind]) -> list[tuple[nn.Module, list[str]]]:
    """Return the layers to be replaced, each with all the names that it has.

    Raises:
        UserFault: there is none.
    """
    found: dict[int, tuple[nn.Module, list[str]]] = {}
    for name, layer in model.named_modules(remove_duplicate=False):
        if any(_is(kind, name, layer) for kind in kinds):
            found.setdefault(id(layer), (layer, []))[1].append(name)
    if not found:
        every = sorted({f"{type(layer).__module__}.{type(layer).__name__}" for layer in model.modules()})
        raise UserFault(
            f"the network has no layer {' or '.join(map(_spelt, kinds))} inside; it is made of {', '.join(every)}; "
            "what it calls as a function is no layer: make it one to replace it"
        )
    return list(found.values())


def _first(model: nn.Module) -> Tensor | None:
    return next((p for p in model.parameters() if p.is_floating_point()), None)


def _made_for(
    found: list[tuple[nn.Module, list[str]]], module: New, meeting: Meeting | None, first: Tensor | None, seed: int
) -> tuple[list[Place], list[nn.Module]]:
    """Return what is said of each place, and the layer that takes it."""
    make, places, new = maker_of(module), list[Place](), list[nn.Module]()
    if meeting is None and isinstance(module, (str, Activation)):
        check_alone(make(1, None), module)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for layer, names in found:
            met = None if meeting is None else meeting.met.get(id(layer))
            channels, axis, note = (1, None, "") if met is None else met.width()
            note = "the example does not reach it" if meeting is not None and met is None else note
            made = new_layer(make, channels, axis)
            channels, axis = (channels, axis) if has_by_channel(made, channels) else (1, None)
            new.append(_at_home(made, met, first).train(layer.training))
            channels = channels if any(True for _ in made.parameters()) else 0
            notes = [note] if channels == 1 and note else []
            if layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks:
                notes.append("it had hooks, which are gone")
            places.append(Place(tuple(names), type(layer).__name__, channels, axis, "; ".join(notes)))
    return places, new


def _at_home(layer: nn.Module, met: Met | None, first: Tensor | None) -> nn.Module:
    """Return the layer with parameters in the precision and on the device of its place."""
    if met is not None:
        return layer.to(met.device, met.dtype) if met.dtype.is_floating_point else layer.to(met.device)
    return layer if first is None else layer.to(first.device, first.dtype)


@contextlib.contextmanager
def _put_all(model: nn.Module, places: Sequence[Place], layers: Sequence[nn.Module]) -> Iterator[None]:
    """Put layers in their places; what was there comes back if what is done within fails."""
    undo = list[tuple[nn.Module, str, Any]]()
    try:
        for place, layer in zip(places, layers, strict=True):
            for name in place.names:
                _put(model, name, layer, undo)
        yield
    except BaseException:
        for owner, attribute, was in reversed(undo):
            setattr(owner, attribute, was)
        raise


def _put(model: nn.Module, name: str, layer: nn.Module, undo: list[tuple[nn.Module, str, Any]]) -> None:
    """Put a layer in a place; ``undo`` gets what was there, and what was set besides."""
    parent_name, _, attribute = name.rpartition(".")
    parent = model.get_submodule(parent_name)
    changes: list[tuple[nn.Module, str, Any]] = [(parent, attribute, layer)]
    if isinstance(parent, nn.TransformerEncoderLayer):
        # else its fast path for evaluation would go on computing what was there
        changes.append((parent, "activation_relu_or_gelu", 0))
        encoders = (module for module in model.modules() if isinstance(module, nn.TransformerEncoder))
        changes += [(encoder, "use_nested_tensor", False) for encoder in encoders]  # only that path can compute these
    for owner, changed, value in changes:
        undo.append((owner, changed, getattr(owner, changed)))
        setattr(owner, changed, value)
