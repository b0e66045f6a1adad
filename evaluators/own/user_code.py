"""The user's own task: their functions, what they return, and the data among it.

Their code is found by a dotted path or a file's path and runs on this machine. Not here: the settings (``settings``),
the candidate in the places of the network's layers (``graft``), and what is checked before training (``checks``).
"""

import contextlib
import difflib
import functools
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from actsearch.evaluators.activation import Activation
from actsearch.evaluators.contained import contained, importing
from actsearch.evaluators.layers import MakeActivation
from actsearch.evaluators.own.activation_class import made_of
from actsearch.evaluators.own.freshness import Freshness
from actsearch.evaluators.settings import TaskSettings
from actsearch.grammar.fault import UserFault, fault_text


class BadOwnTask(UserFault):
    """The user's function cannot be found or does not return what it should; the message says what was expected."""


SENT: dict[str, Callable[..., Any]] = {}  # functions of a program or notebook, as a driver sent them to this worker


def find(path: str) -> Callable[..., Any]:
    """Return the function of ``module:function`` or ``file.py:function``.

    Raises:
        BadOwnTask: there is none.
    """
    if path in SENT:
        return SENT[path]
    where, name = path.split(":")
    module = _from_file(Path(where)) if where.endswith(".py") else _from_path(where)
    found = getattr(module, name, None)
    if not callable(found):
        near = difflib.get_close_matches(name, [key for key, value in vars(module).items() if callable(value)], n=1)
        hint = f"; did you mean '{where}:{near[0]}'?" if near else ""
        raise BadOwnTask(f"'{where}' has no function '{name}'{hint}")
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


@functools.cache
def _from_path(where: str) -> Any:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # a module beside the config is found, as with python -m
    return _import(where, lambda: importlib.import_module(where))


def _import(where: str, run: Callable[[], Any]) -> Any:
    try:
        with importing(where):
            return run()
    except Exception as fault:  # whatever the user's module raises
        raise BadOwnTask(f"'{where}' cannot be imported: {fault_text(fault)}") from fault


def score(settings: TaskSettings, make: MakeActivation, seed: int, steps: int) -> dict[str, float]:
    """Return what the user's training returns for a candidate: ``validation`` and whatever else it tells.

    One number is that of the validation split: it makes no claim of a test.

    Raises:
        BadOwnTask: it returns something else.
    """
    found, function = find(settings.own.function)(make, seed, steps), f"'{settings.own.function}'"
    if not isinstance(found, Mapping):
        return {"validation": number(found, f"{function} must return")}
    if "validation" not in found:
        keys = ", ".join(map(str, found)) or "nothing"
        raise BadOwnTask(
            f"{function} must return a number, or a mapping with 'validation', found a mapping with {keys}"
        )
    return {str(name): number(value, f"{function}: '{name}' must be") for name, value in found.items()}


def number(found: Any, what: str) -> float:
    """Return a number that was told, of Python, NumPy or torch.

    Args:
        found: what was told.
        what: who must tell it, the beginning of a sentence.

    Raises:
        BadOwnTask: it is none.
    """
    is_one_number = (isinstance(found, Tensor) and found.numel() == 1) or (
        isinstance(found, (np.generic, np.ndarray)) and found.size == 1
    )
    value = found.item() if is_one_number else found
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadOwnTask(f"{what} a number, found {type(found).__name__}")
    try:
        return float(value)
    except OverflowError as fault:
        raise BadOwnTask(f"{what} a number, found a whole one that is too large for a float") from fault


def rehearse(settings: TaskSettings, activation: Activation) -> None:
    """Call the user's training once with a budget of 1, so that what it keeps, such as data, is alike in every process.

    Whatever it raises with so small a budget is no matter: the children will tell. Weights that it keeps are warm
    from here on, for the first child too.
    """
    with contextlib.suppress(Exception), contained(0, settings.own.file), Freshness() as freshness:
        find(settings.own.function)(made_of(activation, freshness), 0, 1)


def _takes_settings(build: Callable[..., Any]) -> bool:
    """Whether a function of the user's can be called with one argument; true where its signature is not known."""
    with contextlib.suppress(ValueError):
        kinds = [one.kind for one in inspect.signature(build).parameters.values()]
        return any(kind not in {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD} for kind in kinds)
    return True


def built(settings: TaskSettings) -> tuple[nn.Module, Any, Any]:
    """Return what the user's function builds: a network, its data, and its loss or None.

    Raises:
        BadOwnTask: it raises, or returns something else.
    """
    build = find(settings.own.function)
    try:
        found = build(settings) if _takes_settings(build) else build()
    except Exception as fault:  # whatever the user's function raises; an end of the program is ``Exited`` further out
        raise BadOwnTask(f"'{settings.own.function}' raised {fault_text(fault)}") from fault
    if not (isinstance(found, tuple) and len(found) in {2, 3} and isinstance(found[0], nn.Module)):
        raise BadOwnTask(
            f"'{settings.own.function}' must return (model, data) or (model, data, loss), found {type(found).__name__}"
        )
    return found[0], found[1], found[2] if len(found) == 3 else None
