"""The user's own task: their network and data with some layers replaced, or their whole training.

Their code is found by a dotted path or a file's path and runs on this machine. Not here: the settings (``settings``).
"""

import functools
import importlib
import importlib.util
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from evaluators.activation import MakeActivation
from evaluators.data.dataset import SPLITS, BadData, DataSet, Split
from evaluators.settings import TaskSettings


class BadOwnTask(ValueError):
    """The user's function cannot be found or does not return what it should; the message says what was expected."""


def find(path: str) -> Callable[..., Any]:
    """Return the function of ``module:function`` or ``file.py:function``.

    Raises:
        BadOwnTask: there is none.
    """
    where, name = path.split(":")
    module = _from_file(Path(where)) if where.endswith(".py") else _from_path(where)
    found = getattr(module, name, None)
    if not callable(found):
        raise BadOwnTask(f"'{where}' has no function '{name}'")
    return found  # type: ignore[no-any-return]  # any callable of the user's


@functools.cache
def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise BadOwnTask(f"there is no file '{path}', looked for from '{Path.cwd()}', where the command was started")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise BadOwnTask(f"'{path}' is no Python file")
    module, loader = importlib.util.module_from_spec(spec), spec.loader
    sys.modules.setdefault(path.stem, module)  # dataclasses look their module up
    if str(path.parent.absolute()) not in sys.path:
        sys.path.append(str(path.parent.absolute()))  # what lies beside the file can be imported
    _import(str(path), lambda: loader.exec_module(module))
    return module


def _from_path(where: str) -> Any:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # a module beside the config is found, as with python -m
    return _import(where, lambda: importlib.import_module(where))


def _import(where: str, run: Callable[[], Any]) -> Any:
    try:
        return run()
    except Exception as fault:  # whatever the user's module raises
        raise BadOwnTask(f"'{where}' cannot be imported: {type(fault).__name__}: {fault}") from fault


@functools.lru_cache(maxsize=1)
def load(settings: TaskSettings) -> DataSet:
    """Return the data that the user's function builds; a label's class is its number.

    What the function draws from torch's global generator is the same on every worker.

    Raises:
        BadOwnTask: it returns something else.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _, data = _build(settings)
    if isinstance(data, DataSet):
        return data
    if not isinstance(data, Mapping) or set(data) != set(SPLITS):
        raise BadOwnTask(f"'{settings.own.build}' must return (model, data), data a dictionary of {', '.join(SPLITS)}")
    for name, pair in data.items():
        if not (isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(part, Tensor) for part in pair)):
            raise BadOwnTask(f"'{settings.own.build}': data['{name}'] must be a pair of tensors (inputs, labels)")
        if pair[1].is_floating_point() or pair[1].is_complex():
            raise BadOwnTask(
                f"'{settings.own.build}': labels must be whole numbers, those of '{name}' are {pair[1].dtype}"
            )
    try:
        splits = {name: Split(pair[0], pair[1].long()) for name, pair in data.items()}
        return DataSet(**splits, classes=1 + max(int(split.labels.max()) for split in splits.values()))
    except BadData as fault:
        raise BadOwnTask(f"'{settings.own.build}': {fault}") from fault


def network(settings: TaskSettings, data: DataSet, make: MakeActivation) -> nn.Module:
    """Return the user's network with the candidate in the places of ``own.replace``.

    Raises:
        BadOwnTask: no such layer, or the network does not run on the data.
    """
    model, _ = _build(settings)
    every = model.named_modules(remove_duplicate=False)  # one layer may stand in several places
    places = [name for name, layer in every if _is_wanted(name, layer, settings.own.replace)]
    if not places:
        kinds = sorted({f"{type(layer).__module__}.{type(layer).__name__}" for layer in model.modules()})
        raise BadOwnTask(
            f"the network has no layer {' or '.join(settings.own.replace)} to replace (task.own.replace); "
            f"it is made of {', '.join(kinds)}"
        )
    for name, channels in _channels(model, places, data.train.inputs[:2], settings.own.dimension).items():
        parent, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(parent), attribute, make(channels, settings.own.dimension))
    return model


def score(settings: TaskSettings, make: MakeActivation, seed: int, steps: int) -> float:
    """Return what the user's training returns for a candidate, lower is better."""
    found = find(settings.own.score)(make, seed, steps)
    if not isinstance(found, (int, float)):
        raise BadOwnTask(f"'{settings.own.score}' must return a number, lower is better, found {type(found).__name__}")
    return float(found) if found is not True and found is not False else math.nan


def _build(settings: TaskSettings) -> tuple[nn.Module, Any]:
    build = find(settings.own.build)
    try:
        found = build(settings)
    except Exception as fault:  # whatever the user's function raises
        raise BadOwnTask(f"'{settings.own.build}' raised {type(fault).__name__}: {fault}") from fault
    if not (isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], nn.Module)):
        raise BadOwnTask(f"'{settings.own.build}' must return (model, data), found {type(found).__name__}")
    return found


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


def _channels(model: nn.Module, places: list[str], inputs: Tensor, dimension: int) -> dict[str, int]:
    """Run the network once and note the channels that each place sees.

    Raises:
        BadOwnTask: it does not run, or a layer is used with several widths or not at all.
    """
    widths: dict[nn.Module, set[int]] = {}

    def note(layer: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        widths.setdefault(layer, set()).add(arguments[0].shape[dimension])

    layers = {name: model.get_submodule(name) for name in places}
    hooks = [layer.register_forward_pre_hook(note) for layer in dict.fromkeys(layers.values())]
    training = model.training
    try:
        with torch.no_grad():
            model.eval()(inputs.cpu())
    except Exception as fault:
        raise BadOwnTask(f"the network does not run on its own data: {type(fault).__name__}: {fault}") from fault
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    for name, layer in layers.items():
        found = sorted(widths.get(layer, set()))
        if len(found) != 1:
            said = f"is used with {' and '.join(map(str, found))} channels: give each use a layer of its own"
            raise BadOwnTask(
                f"layer '{name}' of the network {said if found else 'is not used when it runs on its data'}"
            )
    return {name: min(widths[layer]) for name, layer in layers.items()}
