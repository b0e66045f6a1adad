"""Another activation in the places of a network's own, for good: ``actsearch.replace_activations``.

Not here: the candidate in a network while it is searched (``places``).
"""

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from actsearch.evaluators.activation import BUILT_IN, Activation
from actsearch.evaluators.initialisation import initialise
from actsearch.evaluators.layers import ActivationLayer
from actsearch.evaluators.layout import Layouts
from actsearch.evaluators.own.calls import KINDS, Calls, Site
from actsearch.evaluators.own.places import is_wanted
from actsearch.evaluators.own.replacement import Place, Replacement
from actsearch.grammar.fault import UserFault

Kind = str | type[nn.Module]
New = str | Activation | nn.Module | Callable[..., nn.Module]
Width = tuple[int, int]


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
    if not isinstance(model, nn.Module):
        raise UserFault(f"expected a torch.nn.Module whose layers are replaced, found {type(model).__name__}")
    if isinstance(model, torch.jit.ScriptModule):
        raise UserFault("the network is compiled (torch.jit) and cannot be changed: give the network it was made of")
    if init == "matched" and any(parameter.is_meta for parameter in model.parameters()):
        raise UserFault("weights on the device 'meta' have no numbers to draw: make the network on a real one")
    if init not in {"keep", "matched"}:
        raise UserFault(f"init must be 'keep' or 'matched', found '{init}'")
    kinds = (replace,) if isinstance(replace, (str, type)) else tuple(replace)
    if not kinds:
        raise UserFault("replace names no layer; expected a class such as torch.nn.ReLU, or names")
    wanted = tuple(kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)
    found: dict[int, tuple[nn.Module, list[str]]] = {}
    for name, layer in model.named_modules(remove_duplicate=False):
        if is_wanted(name, layer, wanted) or (name and any(isinstance(k, type) and type(layer) is k for k in kinds)):
            found.setdefault(id(layer), (layer, []))[1].append(name)
    if not found:
        every = sorted({f"{type(layer).__module__}.{type(layer).__name__}" for layer in model.modules()})
        raise UserFault(
            f"the network has no layer {' or '.join(wanted)} inside; it is made of {', '.join(every)}; what it calls "
            "as a function is no layer: make it one to replace it"
        )
    make = _maker(module)
    widths, left, before = ({}, (), None) if example is None else _met(model, found, example, dimension)
    state = next((p for p in model.parameters() if p.is_floating_point()), None)
    places, new = [], list[nn.Module]()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for key, (layer, names) in found.items():
            channels, axis, note = _width(widths.get(key), example)
            made = _made(make, channels, axis)
            _check_alone(made, module, example)
            channels, axis = (channels, axis) if _has(made, channels) else (1, None)
            new.append((made if state is None else made.to(state.device, state.dtype)).train(layer.training))
            channels = channels if any(True for _ in made.parameters()) else 0
            notes = [note] if channels == 1 and note else []
            if layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks:
                notes.append("it had hooks, which are gone")
            places.append(Place(tuple(names), type(layer).__name__, channels, axis, "; ".join(notes)))
    _put_all(model, places, new)
    try:
        if init == "matched":
            _draw(model, module, seed)
        changed = None if before is None or init == "matched" else _differ(before, _run(model, example))
    except BaseException:
        _put_all(model, places, [layer for layer, _ in found.values()])
        raise
    return Replacement(tuple(places), left, changed)


def _check_alone(layer: nn.Module, module: New, example: Any) -> None:
    """Refuse what has weights between channels where nothing tells how many there are.

    Raises:
        UserFault: it needs an example.
    """
    if example is None and isinstance(module, (str, Activation)):
        try:
            layer(torch.zeros(1, 3, 2))
        except (RuntimeError, ValueError) as fault:
            name = module if isinstance(module, str) else type(module).__name__
            raise UserFault(
                f"'{name}' has weights between channels, and nothing tells how many there are: give an example"
            ) from fault


def _put_all(model: nn.Module, places: Sequence[Place], layers: Sequence[nn.Module]) -> None:
    for place, layer in zip(places, layers, strict=True):
        for name in place.names:
            _put(model, name, layer)


def _maker(module: New) -> Callable[..., nn.Module]:
    """Return what makes a layer of channels and dimension."""
    if isinstance(module, str):
        return BUILT_IN.read(module).make
    if isinstance(module, Activation):
        return module.make
    if isinstance(module, nn.Module):
        return lambda *_: copy.deepcopy(module)
    if not callable(module):
        raise UserFault(f"expected a name, an expression, or what makes a layer, found {module!r}")
    return module


def _made(make: Callable[..., nn.Module], channels: int, dimension: int | None) -> nn.Module:
    try:
        takes = inspect.signature(make).parameters
    except (TypeError, ValueError):
        takes = {}  # type: ignore[assignment]
    given = {"channels": channels, "dimension": dimension}
    layer = make(**{name: value for name, value in given.items() if name in takes})
    if not isinstance(layer, nn.Module):
        raise UserFault(
            f"what takes the place of an activation must be a torch.nn.Module, found {type(layer).__name__}"
        )
    return layer


def _has(layer: nn.Module, channels: int) -> bool:
    """Whether a layer has parameters by channel: one each, or weights between them."""
    return channels > 1 and any(channels in parameter.shape for parameter in layer.parameters())


def _width(met: set[Width | None] | None, example: Any) -> tuple[int, int | None, str]:
    if example is None:
        return 1, None, ""
    if not met:
        return 1, None, "the example does not reach it"
    if len(met) > 1:
        return 1, None, "it is used with several widths"
    (one,) = met
    return (*one, "") if one is not None else (1, None, "nothing tells where its channels are: say dimension")


def _met(
    model: nn.Module, found: dict[int, tuple[nn.Module, list[str]]], example: Any, named: int | None
) -> tuple[dict[int, set[Width | None]], tuple[str, ...], Any]:
    """Run the network on the example; return how each layer is used, calls that stay, and the output."""
    layouts, seen, calls = Layouts(), dict[int, set[Width | None]](), dict[str, None]()

    def note(layer: nn.Module, args: tuple[Any, ...]) -> None:
        x: Tensor = args[0]
        if named is not None and not -x.ndim <= named < x.ndim:
            raise UserFault(f"dimension {named} was named, and an activation gets an input of {x.ndim} dimensions")
        place = layouts.of(x) if named is None else named % x.ndim
        place = 1 if place is None and x.ndim == 2 else place
        width = None if place is None or not x.ndim else (x.shape[place], -1 if place == x.ndim - 1 != 1 else place)
        seen.setdefault(id(layer), set()).add(width)

    def call(x: Tensor, site: Site, meant: Callable[[], Any]) -> Any:
        calls[str(site)] = None
        return meant()

    hooks = [layer.register_forward_pre_hook(note) for layer, _ in found.values()]
    names = {id(layer): name for name, layer in model.named_modules()}
    try:
        with layouts, Calls(frozenset(KINDS), names, call):
            output = _run(model, example)
    finally:
        for hook in hooks:
            hook.remove()
    return seen, tuple(calls), output


def _run(model: nn.Module, example: Any) -> Any:
    """Run the network as in evaluation, layer by layer, and leave it as it was."""
    modes = [(layer, layer.training) for layer in model.modules()]  # some may be in evaluation on purpose
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad():
            given = example if isinstance(example, tuple) else (example,)
            return model.eval()(**example) if isinstance(example, dict) else model.eval()(*given)
    except UserFault:
        raise
    except Exception as fault:
        raise UserFault(f"the network does not run on the example: {type(fault).__name__}: {fault}") from fault
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for layer, mode in modes:
            layer.training = mode


def _differ(one: Any, other: Any) -> bool | None:
    """Return whether two outputs differ; None where they have no numbers."""
    first, second = _tensors(one), _tensors(other)
    if not any(tensor.numel() for tensor in first) or any(tensor.is_meta for tensor in (*first, *second)):
        return None
    return len(first) != len(second) or not all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def _tensors(found: Any) -> list[Tensor]:
    if isinstance(found, Tensor):
        return [found]
    if isinstance(found, dict):
        return [part for value in found.values() for part in _tensors(value)]
    return [part for value in found for part in _tensors(value)] if isinstance(found, (tuple, list)) else []


def _put(model: nn.Module, name: str, layer: nn.Module) -> None:
    parent_name, _, attribute = name.rpartition(".")
    parent = model.get_submodule(parent_name)
    setattr(parent, attribute, layer)
    if isinstance(parent, nn.TransformerEncoderLayer):
        # else its fast path for evaluation would go on computing what was there
        parent.activation_relu_or_gelu = 0
        for module in model.modules():
            if isinstance(module, nn.TransformerEncoder):
                module.use_nested_tensor = False  # which only that path can compute


def _draw(model: nn.Module, module: New, seed: int) -> None:
    """Draw the weights anew for a new activation."""
    if isinstance(module, (str, Activation)):
        function = (BUILT_IN.read(module) if isinstance(module, str) else module).function
    else:
        layer = _made(_maker(module), 1, None)
        function = layer.function if isinstance(layer, ActivationLayer) else lambda x, _: layer.to(x.dtype)(x)
    first = next(model.parameters(), None)
    generator = torch.Generator(device="cpu" if first is None else first.device).manual_seed(seed)
    initialise(model, "matched", function, generator)
