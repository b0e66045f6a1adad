"""Find and call the functions of the user's own task, and check what they return.

A function is named by a dotted path or by a file's path, and runs on this machine. Not here: the settings
(``settings``), the candidate in the network's layers (``graft``), and the checks before training (``checks``).
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
    """The user's function is missing or returns something unexpected; the message says what was expected."""


SENT: dict[str, Callable[..., Any]] = {}  # functions of a program or notebook, as a driver sent them to this worker


def find(path: str) -> Callable[..., Any]:
    """Return the function at ``module:function`` or ``file.py:function``.

    Raises:
        BadOwnTask: there is no such module, file or function.
    """
    if path in SENT:
        return SENT[path]
    where, name = path.split(":")
    module = _from_file(Path(where)) if where.endswith(".py") else _from_path(where)
    function = getattr(module, name, None)
    if not callable(function):
        near = difflib.get_close_matches(name, [key for key, value in vars(module).items() if callable(value)], n=1)
        hint = f"; did you mean '{where}:{near[0]}'?" if near else ""
        raise BadOwnTask(f"'{where}' has no function '{name}'{hint}")
    return function  # type: ignore[no-any-return]  # the user's function may be any callable


@functools.cache
def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise BadOwnTask(f"there is no file '{path}', looked for from '{Path.cwd()}', where the command was started")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise BadOwnTask(f"'{path}' is no Python file")
    module, loader = importlib.util.module_from_spec(spec), spec.loader
    sys.modules.setdefault(path.stem, module)  # dataclasses look up their module there
    if str(path.parent.absolute()) not in sys.path:
        sys.path.append(str(path.parent.absolute()))  # modules beside the file can be imported
    _import(str(path), lambda: loader.exec_module(module))
    return module


@functools.cache
def _from_path(where: str) -> Any:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # modules in the working directory are found, as with python -m
    return _import(where, lambda: importlib.import_module(where))


def _import(where: str, run: Callable[[], Any]) -> Any:
    try:
        with importing(where):
            return run()
    except Exception as fault:  # the user's module may raise anything
        raise BadOwnTask(f"'{where}' cannot be imported: {fault_text(fault)}") from fault


def score(settings: TaskSettings, make: MakeActivation, seed: int, steps: int) -> dict[str, float]:
    """Run the user's training for a candidate and return its numbers by name: ``validation`` and any others.

    A single number is taken as ``validation``, never as a test score.

    Args:
        settings: settings of the task.
        make: class that makes layers of the candidate.
        seed: seed of the training.
        steps: budget of the training.

    Raises:
        BadOwnTask: the training returns something else.
    """
    result, function = find(settings.own.function)(make, seed, steps), f"'{settings.own.function}'"
    if not isinstance(result, Mapping):
        return {"validation": number(result, f"{function} must return")}
    if "validation" not in result:
        keys = ", ".join(map(str, result)) or "nothing"
        raise BadOwnTask(
            f"{function} must return a number, or a mapping with 'validation', found a mapping with {keys}"
        )
    return {str(name): number(value, f"{function}: '{name}' must be") for name, value in result.items()}


def number(reported: Any, what: str) -> float:
    """Convert a number of Python, NumPy or torch to a float.

    Args:
        reported: value from the user's code.
        what: beginning of the error message, such as "'f' must return".

    Raises:
        BadOwnTask: the value is no number, or too large for a float.
    """
    is_one_number = (isinstance(reported, Tensor) and reported.numel() == 1) or (
        isinstance(reported, (np.generic, np.ndarray)) and reported.size == 1
    )
    value = reported.item() if is_one_number else reported
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadOwnTask(f"{what} a number, found {type(reported).__name__}")
    try:
        return float(value)
    except OverflowError as fault:
        raise BadOwnTask(f"{what} a number, found a whole one that is too large for a float") from fault


def rehearse(settings: TaskSettings, activation: Activation) -> None:
    """Call the user's training once with a budget of 1, so that its caches, such as data, are equal in every process.

    Errors are ignored, since the budget may be too small; a child would report a real one. Weights that the training
    keeps count as trained from here on, for the first child too.

    Args:
        settings: settings of the task.
        activation: activation that takes the candidate's place.
    """
    with contextlib.suppress(Exception), contained(0, settings.own.file), Freshness() as freshness:
        find(settings.own.function)(made_of(activation, freshness), 0, 1)


def _takes_settings(build: Callable[..., Any]) -> bool:
    """Return whether a user's function accepts one positional argument; true if its signature is unknown."""
    with contextlib.suppress(ValueError):
        kinds = [one.kind for one in inspect.signature(build).parameters.values()]
        return any(kind not in {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD} for kind in kinds)
    return True


def built(settings: TaskSettings) -> tuple[nn.Module, Any, Any]:
    """Call the user's ``build`` and return a network, its data, and its loss or None.

    Raises:
        BadOwnTask: ``build`` raises, or returns something else.
    """
    build = find(settings.own.function)
    try:
        result = build(settings) if _takes_settings(build) else build()
    except (
        Exception
    ) as fault:  # the user's function may raise anything; an exit of the program becomes ``Exited`` in the caller
        raise BadOwnTask(f"'{settings.own.function}' raised {fault_text(fault)}") from fault
    if not (isinstance(result, tuple) and len(result) in {2, 3} and isinstance(result[0], nn.Module)):
        raise BadOwnTask(
            f"'{settings.own.function}' must return (model, data) or (model, data, loss), found {type(result).__name__}"
        )
    return result[0], result[1], result[2] if len(result) == 3 else None
