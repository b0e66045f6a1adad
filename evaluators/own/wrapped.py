"""The user's network with the candidate in it, and the layers that stand in its places.

Not here: which places those are, and how many channels each has (``graft``).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from actsearch.evaluators.own.calls import Calls, Site, site_of
from actsearch.evaluators.own.user_code import BadOwnTask

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)  # run or list whatever is put into them
Width = tuple[int, int]  # channels and their dimension
Uses = dict[Site, dict[Width, torch.dtype]]  # by where it is called


class Owned(nn.Module):
    """The user's network with the candidate in it.

    Args:
        model: the network.
        method: that is called instead of it, if it computes its own loss.
        kinds: functions whose calls are replaced.
        lists: whether ``model.parameters()`` must have all of them, since an optimiser of the user's asks it.
    """

    def __init__(self, model: nn.Module, method: str, kinds: frozenset[str], *, lists: bool = False) -> None:
        super().__init__()
        self.model, self.method, self.kinds, self.lists = model, method, kinds, lists
        self.calls = nn.ModuleDict()  # the candidate's, in the places of calls
        self.sites: dict[Site, str] = {}
        self.names = {id(layer): name for name, layer in model.named_modules()}
        self.mode = Calls(kinds, self.names, self._instead)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the network; calls of functions that are replaced go to the candidate."""
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
        """Put a layer in the place of a call."""
        self.sites[site] = str(len(self.sites))
        self.calls[self.sites[site]] = layer
        if self.lists and not isinstance(self.model, CONTAINERS):
            self.model.add_module("actsearch_calls", self.calls)

    def name_of(self, layer: nn.Module) -> str:
        """Return where a layer of the candidate's is, for people: ``layer 'act'``, or a line."""
        inside = {id(part): site for site, key in self.sites.items() for part in self.calls[key].modules()}
        if id(layer) in inside:
            return f"the call at {inside[id(layer)]}"
        return next(f"layer '{name}'" for name, part in self.model.named_modules() if part is layer)


class Noting(nn.Module):
    """Stands in a place while the network is run once: notes how it is used, and does what was there."""

    def __init__(self, layer: nn.Module, note: Callable[[Tensor, Site], None], names: dict[int, str]) -> None:
        super().__init__()
        self.layer, self.note, self.names = layer, note, names

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Note the input, and call the layer."""
        self.note(args[0] if args else kwargs["input"], site_of(self.names, __file__)[0])
        return self.layer(*args, **kwargs)


class ByUse(nn.Module):
    """A layer that is used in several places, with parameters of their own for each."""

    def __init__(self, layers: dict[tuple[Site, Width], nn.Module], names: dict[int, str]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers.values())
        self.numbers, self.names = {use: number for number, use in enumerate(layers)}, names

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  a network may call it by torch's own name for it
        """Call the layer of the place that it is called from.

        Raises:
            BadOwnTask: the place was not met before.
        """
        site = site_of(self.names, __file__)[0]
        for (where, (channels, dimension)), number in self.numbers.items():
            if where == site and input.shape[dimension] == channels:
                return self.layers[number](input)  # type: ignore[no-any-return]
        found = tuple(input.shape)
        raise BadOwnTask(f"a layer is used at {site} with an input of {found}, as it was not in evaluation")
