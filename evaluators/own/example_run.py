"""A network run once on an example: what each layer to be replaced gets, and which calls of functions stay.

Not here: replacing (``swap``), and the looking of a search, whose network runs on its data (``graft``).
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from actsearch.evaluators.layout import Layouts
from actsearch.evaluators.own.calls import KINDS, REPLACEABLE, Calls, Site
from actsearch.grammar.fault import UserFault, fault_text

Width = tuple[int, int]  # channels and their dimension


@dataclass
class Met:
    """What a layer gets while the network runs.

    Args:
        widths: of its inputs; None where nothing tells where their channels are.
        dtype: of the first input.
        device: of that.
    """

    dtype: torch.dtype
    device: torch.device
    widths: set[Width | None] = field(default_factory=set)

    def width(self) -> tuple[int, int | None, str]:
        """Return channels, their dimension, and why there is one parameter if more were possible."""
        if len(self.widths) > 1:
            return 1, None, "it is used with several widths"
        (one,) = self.widths
        return (*one, "") if one is not None else (1, None, "nothing tells where its channels are: say dimension")


@dataclass
class Meeting:
    """What a run of the network showed.

    Args:
        met: by the layer's identity.
        calls: of activations as functions, a line each.
        output: of the network.
        last: the linear layer that was called last.
    """

    met: dict[int, Met]
    calls: tuple[str, ...]
    output: Any
    last: nn.Module | None


def meet(model: nn.Module, layers: Sequence[nn.Module], example: Any, named: int | None) -> Meeting:
    """Run the network as in evaluation and look at some of its layers.

    Args:
        model: the network; it is left as it was.
        layers: to look at.
        example: see ``replace_activations``.
        named: the dimension of channels that the user named.

    Raises:
        UserFault: it does not run, or a layer's input has no such dimension.
    """
    layouts, met, calls = Layouts(), dict[int, Met](), dict[str, None]()

    def note(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        x = next((value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)), None)
        if x is None:
            raise UserFault(f"a layer {type(layer).__name__} is called without a tensor, which no activation can be")
        if named is not None and not -x.ndim <= named < x.ndim:
            raise UserFault(f"dimension {named} was named, and an activation gets an input of {x.ndim} dimensions")
        told = layouts.of(x)
        place = named % x.ndim if told is None and named is not None else told
        width = None
        if place is not None and x.ndim:  # counted from behind where that holds with more dimensions in front too
            last = layouts.is_last(x) or (place == x.ndim - 1 != 1)
            width = (x.shape[place], -1 if last else -x.ndim if place == 0 else place)
        met.setdefault(id(layer), Met(x.dtype, x.device)).widths.add(width)

    names = {id(layer): name for name, layer in model.named_modules()}
    inside = {names[id(part)] for layer in layers for part in layer.modules()}  # whose calls are replaced with it

    def call(x: Tensor, site: Site, meant: Callable[[], Any]) -> Any:
        if site.layer not in inside:
            calls[str(site)] = None
        return meant()

    def note_last(layer: nn.Module, _: object) -> None:
        linear.append(layer)

    linear = list[nn.Module]()
    hooks = [layer.register_forward_pre_hook(note, with_kwargs=True) for layer in layers]
    hooks += [part.register_forward_pre_hook(note_last) for part in model.modules() if isinstance(part, nn.Linear)]
    try:
        with layouts, Calls(_watched(layers), names, call):
            output = run(model, example)
    finally:
        for hook in hooks:
            hook.remove()
    return Meeting(met, tuple(calls), output, linear[-1] if linear else None)


def _watched(layers: Iterable[nn.Module]) -> frozenset[str]:
    """Return the functions whose calls are told: the usual ones, and those of the layers' classes."""
    kinds = {type(layer).__name__.lower() for layer in layers}
    return frozenset((*KINDS, *(name for name in REPLACEABLE if name.replace("_", "") in kinds)))


def run_without(model: nn.Module, old: Mapping[str, nn.Module], example: Any) -> Any:
    """Run the network with new layers in it, and return its output.

    Args:
        model: the network.
        old: the layers that stood in it, by their names.
        example: see ``replace_activations``.

    Raises:
        UserFault: it does not run, or calls one of the old ones all the same.
    """
    called = dict[str, None]()
    there = {id(layer) for layer in model.modules()}  # under another name, which was not to be replaced
    hooks = [
        layer.register_forward_pre_hook(lambda *_, name=name: called.setdefault(name))
        for name, layer in old.items() if id(layer) not in there
    ]  # fmt: skip
    try:
        output = run(model, example, "with the new activation in it, the network")
    finally:
        for hook in hooks:
            hook.remove()
    if called:
        raise UserFault(
            f"layer '{next(iter(called))}' is held elsewhere too, as in a plain list, and the network goes on calling "
            "it from there: nothing was replaced. Let the network call it by its name"
        )
    return output


def uses_side_effect(model: nn.Module, layers: Sequence[nn.Module], example: Any, output: Any) -> bool:
    """Whether the network's output is another if layers that change their input in place do not."""
    inplace = [layer for layer in layers if getattr(layer, "inplace", False) is True]
    if not inplace:
        return False
    try:
        for layer in inplace:
            setattr(layer, "inplace", False)  # noqa: B010  no attribute of every layer
        return differ(output, run(model, example)) is True
    finally:
        for layer in inplace:
            setattr(layer, "inplace", True)  # noqa: B010


def run(model: nn.Module, example: Any, who: str = "the network") -> Any:
    """Run a network on a copy of the example, as in evaluation, layer by layer, and leave it as it was.

    What it draws is the same in each run. No ``train`` or ``eval`` of its own is called: these may do more.

    Raises:
        UserFault: it does not run.
    """
    modes = [(layer, layer.training) for layer in model.modules()]  # some may be in evaluation on purpose
    devices = {p.device.index for p in model.parameters() if p.device.type == "cuda"}
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        for layer, _ in modes:
            layer.training = False
        given = _copied(example)  # what is computed in place must not change the user's
        with torch.no_grad(), torch.random.fork_rng(sorted(devices)):
            torch.manual_seed(0)
            if isinstance(given, Mapping):
                return model(**given)
            return model(*(given if type(given) is tuple else (given,)))
    except UserFault:
        raise
    except Exception as fault:
        raise UserFault(f"{who} does not run on the example: {fault_text(fault)}") from fault
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for layer, mode in modes:
            layer.training = mode


def _copied(found: Any) -> Any:
    """Return a copy, tensors without history."""
    if isinstance(found, Tensor):
        return found.detach().clone()
    if type(found) in {tuple, list}:
        return type(found)(map(_copied, found))
    if isinstance(found, Mapping):
        return {key: _copied(value) for key, value in found.items()}
    try:
        return copy.deepcopy(found)
    except RuntimeError:  # tensors with history inside
        return found


def differ(one: Any, other: Any) -> bool | None:
    """Return whether two outputs differ; None where they have no numbers, or none that can be compared."""
    try:
        first, second = _tensors(one), _tensors(other)
        if not any(tensor.numel() for tensor in first) or any(tensor.is_meta for tensor in (*first, *second)):
            return None
        return len(first) != len(second) or not all(map(_equal, first, second))
    except (RuntimeError, RecursionError):  # sparse or nested, or a list in itself
        return None


def _equal(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)


def _tensors(found: Any) -> list[Tensor]:
    if isinstance(found, Tensor):
        return [found]
    if isinstance(found, Mapping):
        return [part for value in found.values() for part in _tensors(value)]
    return [part for value in found for part in _tensors(value)] if isinstance(found, (tuple, list)) else []
