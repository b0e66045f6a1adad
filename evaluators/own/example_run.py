"""Run a network once on an example: record the inputs of the layers to be replaced, and the function calls that stay.

Not here: replacing (``swap``), and the same inspection in a search, where the network runs on its data (``graft``).
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

Width = tuple[int, int]  # number of channels, and their dimension


@dataclass
class Met:
    """Inputs that a layer received while the network ran.

    Args:
        dtype: type of the first input.
        device: device of the first input.
        widths: widths of all inputs; None for an input whose channel dimension is unknown.
    """

    dtype: torch.dtype
    device: torch.device
    widths: set[Width | None] = field(default_factory=set)

    def width(self) -> tuple[int, int | None, str]:
        """Return the number of channels, their dimension, and a reason if one parameter must serve all channels."""
        if len(self.widths) > 1:
            return 1, None, "it is used with several widths"
        (one,) = self.widths
        return (*one, "") if one is not None else (1, None, "nothing tells where its channels are: say dimension")


@dataclass
class Meeting:
    """Record of one run of the network.

    Args:
        met: inputs of each inspected layer, by ``id`` of the layer.
        calls: places that call an activation as a function, one line each.
        output: output of the network.
        last: linear layer that was called last; None if the network has none.
    """

    met: dict[int, Met]
    calls: tuple[str, ...]
    output: Any
    last: nn.Module | None


def meet(model: nn.Module, layers: Sequence[nn.Module], example: Any, named: int | None) -> Meeting:
    """Run the network in evaluation mode and record the inputs of some of its layers.

    Args:
        model: the network; its state is restored afterwards.
        layers: layers whose inputs are recorded.
        example: input of the network, as in ``replace_activations``.
        named: channel dimension that the user named, or None.

    Raises:
        UserFault: the network does not run, or the input of a layer has no such dimension.
    """
    layouts, inputs, calls = Layouts(), dict[int, Met](), dict[str, None]()

    def note(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        x = next((value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)), None)
        if x is None:
            raise UserFault(f"a layer {type(layer).__name__} is called without a tensor, which no activation can be")
        if named is not None and not -x.ndim <= named < x.ndim:
            raise UserFault(f"dimension {named} was named, and an activation gets an input of {x.ndim} dimensions")
        dimension = layouts.of(x)
        place = named % x.ndim if dimension is None and named is not None else dimension
        width = None
        if place is not None and x.ndim:  # a negative index stays right if dimensions are added in front
            last = layouts.is_last(x) or (place == x.ndim - 1 != 1)
            width = (x.shape[place], -1 if last else -x.ndim if place == 0 else place)
        inputs.setdefault(id(layer), Met(x.dtype, x.device)).widths.add(width)

    names = {id(layer): name for name, layer in model.named_modules()}
    inside = {names[id(part)] for layer in layers for part in layer.modules()}  # calls in these vanish with the layer

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
    return Meeting(inputs, tuple(calls), output, linear[-1] if linear else None)


def _watched(layers: Iterable[nn.Module]) -> frozenset[str]:
    """Return the functions whose calls are recorded: the usual ones, and those of the layers' classes."""
    kinds = {type(layer).__name__.lower() for layer in layers}
    return frozenset((*KINDS, *(name for name in REPLACEABLE if name.replace("_", "") in kinds)))


def run_without(model: nn.Module, old: Mapping[str, nn.Module], example: Any) -> Any:
    """Run the network with its new layers, check that no old layer is called, and return the output.

    Args:
        model: the network with the new layers.
        old: replaced layers, by name.
        example: input of the network, as in ``replace_activations``.

    Raises:
        UserFault: the network does not run, or still calls one of the old layers.
    """
    called = dict[str, None]()
    there = {id(layer) for layer in model.modules()}  # layers that also stand under a name that was not to be replaced
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
    """Return whether the output depends on layers that change their input in place.

    Args:
        model: the network with the old layers.
        layers: layers to be replaced.
        example: input of the network, as in ``replace_activations``.
        output: output of the network for the example, with the layers as they are.
    """
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
    """Run a network on a copy of the example in evaluation mode, and restore its state.

    Random draws are equal in each run. The mode is set layer by layer: the network's own ``train`` and ``eval`` may do
    more. The fast path of attention is switched off, so that every layer is called.

    Args:
        model: the network.
        example: input of the network, as in ``replace_activations``.
        who: subject of the error message.

    Raises:
        UserFault: the network does not run.
    """
    modes = [(layer, layer.training) for layer in model.modules()]  # some layers may be in evaluation mode on purpose
    devices = {p.device.index for p in model.parameters() if p.device.type == "cuda"}
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        for layer, _ in modes:
            layer.training = False
        arguments = _copy_of(example)  # an operation in place must not change the user's example
        with torch.no_grad(), torch.random.fork_rng(sorted(devices)):
            torch.manual_seed(0)
            if isinstance(arguments, Mapping):
                return model(**arguments)
            return model(*(arguments if type(arguments) is tuple else (arguments,)))
    except UserFault:
        raise
    except Exception as fault:
        raise UserFault(f"{who} does not run on the example: {fault_text(fault)}") from fault
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for layer, mode in modes:
            layer.training = mode


def _copy_of(structure: Any) -> Any:
    """Return a copy whose tensors have no autograd history."""
    if isinstance(structure, Tensor):
        return structure.detach().clone()
    if type(structure) in {tuple, list}:
        return type(structure)(map(_copy_of, structure))
    if isinstance(structure, Mapping):
        return {key: _copy_of(value) for key, value in structure.items()}
    try:
        return copy.deepcopy(structure)
    except RuntimeError:  # it holds tensors with autograd history
        return structure


def differ(one: Any, other: Any) -> bool | None:
    """Return whether two outputs differ; None if they hold no numbers that can be compared."""
    try:
        first, second = _tensors(one), _tensors(other)
        if not any(tensor.numel() for tensor in first) or any(tensor.is_meta for tensor in (*first, *second)):
            return None
        return len(first) != len(second) or not all(map(_equal, first, second))
    except (RuntimeError, RecursionError):  # tensors are sparse or nested, or a list contains itself
        return None


def _equal(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)


def _tensors(structure: Any) -> list[Tensor]:
    if isinstance(structure, Tensor):
        return [structure]
    if isinstance(structure, Mapping):
        return [part for value in structure.values() for part in _tensors(value)]
    return [part for value in structure for part in _tensors(value)] if isinstance(structure, (tuple, list)) else []
