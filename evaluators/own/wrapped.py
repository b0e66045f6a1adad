"""The user's network with the candidate in it, and the helper layers that stand in its places.

Not here: the choice of the places and their numbers of channels (``graft``).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from actsearch.evaluators.own.calls import Calls, Site, site_of
from actsearch.evaluators.own.user_code import BadOwnTask

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)  # a module added to one would be run or listed
Width = tuple[int, int]  # number of channels, and their dimension
Uses = dict[Site, dict[Width, torch.dtype]]  # types of the inputs, by call site and width


class Owned(nn.Module):
    """The user's network with the candidate in it.

    Args:
        model: the user's network.
        method: name of the method to call instead of the network, if it computes its own loss; else empty.
        kinds: names of functions whose calls are replaced.
        lists: whether ``model.parameters()`` must include the candidate's, because the user's own optimiser reads it.
    """

    def __init__(self, model: nn.Module, method: str, kinds: frozenset[str], *, lists: bool = False) -> None:
        super().__init__()
        self.model, self.method, self.kinds, self.lists = model, method, kinds, lists
        self.calls = nn.ModuleDict()  # layers of the candidate that replace calls
        self.sites: dict[Site, str] = {}
        self.names = {id(layer): name for name, layer in model.named_modules()}
        self.mode = Calls(kinds, self.names, self._instead)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the network; replaced function calls go to the candidate."""
        run: Callable[..., Any] = getattr(self.model, self.method) if self.method else self.model
        if not self.sites:
            return run(*args, **kwargs)
        with self.mode:
            return run(*args, **kwargs)

    def _instead(self, x: Tensor, site: Site, _: Callable[[], Any]) -> Any:
        if site not in self.sites:
            raise BadOwnTask(
                f"the network calls an activation at {site}, but not when it is scored: the candidate would not be "
                "what is scored. Choose others (task.own.replace)"
            )
        return self.calls[self.sites[site]](x)

    def add(self, site: Site, layer: nn.Module) -> None:
        """Let a layer replace the call at a site."""
        self.sites[site] = str(len(self.sites))
        self.calls[self.sites[site]] = layer
        if self.lists and not isinstance(self.model, CONTAINERS):
            self.model.add_module("actsearch_calls", self.calls)

    def name_of(self, layer: nn.Module) -> str:
        """Return the place of a candidate's layer for messages: ``layer 'act'``, or the line of a call."""
        inside = {id(part): site for site, key in self.sites.items() for part in self.calls[key].modules()}
        if id(layer) in inside:
            return f"the call at {inside[id(layer)]}"
        return next(f"layer '{name}'" for name, part in self.model.named_modules() if part is layer)


class Noting(nn.Module):
    """Wrapper that reports every input of a layer and then calls the layer.

    Args:
        layer: layer of the network.
        note: function that gets each input and its call site.
        names: names of the network's layers, by ``id`` of the layer.
    """

    def __init__(self, layer: nn.Module, note: Callable[[Tensor, Site], None], names: dict[int, str]) -> None:
        super().__init__()
        self.layer, self.note, self.names = layer, note, names

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Report the input and its call site, and call the layer."""
        self.note(args[0] if args else kwargs["input"], site_of(self.names, __file__)[0])
        return self.layer(*args, **kwargs)


class ByUse(nn.Module):
    """Layer for a place with several uses, each with its own parameters.

    Args:
        layers: layer of the candidate for each call site and width.
        names: names of the network's layers, by ``id`` of the layer.
    """

    def __init__(self, layers: dict[tuple[Site, Width], nn.Module], names: dict[int, str]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers.values())
        self.numbers, self.names = {use: number for number, use in enumerate(layers)}, names

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  a network may call it by torch's own name for it
        """Call the layer that belongs to the call site and the width of the input.

        Raises:
            BadOwnTask: this use did not occur when the places were inspected.
        """
        site = site_of(self.names, __file__)[0]
        for (where, (channels, dimension)), number in self.numbers.items():
            if where == site and input.shape[dimension] == channels:
                return self.layers[number](input)  # type: ignore[no-any-return]
        shape = tuple(input.shape)
        raise BadOwnTask(f"a layer is used at {site} with an input of {shape}, as it was not in evaluation")
