"""Restore functions and hooks of torch and Python that the user's code replaced.

Not here: the moment of the restoring (``contained``).
"""

import builtins
import inspect
import math
import operator
import random
import sys
import sysconfig
import time
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np
import torch

_LIBRARY = sysconfig.get_path("stdlib")
_HOLDERS: tuple[Any, ...] = (
    torch, torch.nn, torch.nn.functional, torch.nn.init, torch.optim, torch.special, torch.linalg, torch.Tensor,
    torch.nn.Module, torch.autograd, torch.optim.Optimizer, np, time, math, random, builtins,
    *(kind for kind in vars(torch.nn).values() if isinstance(kind, type)),
    *(kind for kind in vars(torch.optim).values() if isinstance(kind, type)),
)  # fmt: skip
"""Modules and classes whose functions every child calls."""


class Functions:
    """A snapshot of the attributes of all holders; two snapshots are equal if each attribute is the same object."""

    def __init__(self) -> None:
        self.held = [dict(vars(holder)) for holder in _HOLDERS]

    def __eq__(self, other: object) -> bool:
        """Compare attributes by identity, because some have no other comparison."""
        return isinstance(other, Functions) and all(
            len(one) == len(two) and all(map(operator.is_, one.values(), two.values()))
            for one, two in zip(self.held, other.held, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]  # compared, never looked up


def set_functions(value: Functions) -> None:
    """Restore functions that the user's code replaced; keep those that a library replaced during its import.

    Args:
        value: snapshot to restore.
    """
    for holder, held in zip(_HOLDERS, value.held, strict=True):
        for name, function in held.items():
            now = vars(holder).get(name)
            is_function = callable(function) or isinstance(function, (classmethod, staticmethod))
            if now is not function and is_function and not (_is_librarys(now) and _is_librarys(function)):
                setattr(holder, name, function)
        for name, function in dict(vars(holder)).items():
            if name not in held and is_users(function):
                delattr(holder, name)


def _is_librarys(thing: Any) -> bool:
    """Whether a function or class was written in Python and belongs to a package or to Python's own library.

    A library may replace another library's functions with its own during its import. Any other replacement (a function
    of a program, a built-in function, a partial, an object) comes from the user's code.
    """
    if isinstance(thing, type):
        file = getattr(sys.modules.get(thing.__module__), "__file__", None) or ""
        return _in_library(file)
    codes = _codes(thing)
    return bool(codes) and all(_in_library(code.co_filename) for code in codes)


def is_users(thing: Any) -> bool:
    """Whether a function was written in Python and belongs to no package or library."""
    return any(not _in_library(code.co_filename) for code in _codes(thing))


def _codes(thing: Any) -> list[CodeType]:
    """Return the code objects of a function and of the function that it wraps."""
    outer = getattr(thing, "__code__", None)
    return [] if outer is None else [outer, getattr(inspect.unwrap(thing), "__code__", outer)]


def _in_library(file: str) -> bool:
    return file.startswith(_LIBRARY) or bool({"site-packages", "dist-packages"} & set(Path(file).parts))


_HOOKS = [value for module in ("torch.nn.modules.module", "torch.optim.optimizer")
          for name, value in vars(sys.modules[module]).items()
          if name.startswith("_global") and isinstance(value, dict)]  # fmt: skip


def hooks() -> list[dict[Any, Any]]:
    """Return copies of torch's global hooks, which apply to every layer and every optimiser."""
    return [dict(hooks) for hooks in _HOOKS]


def set_hooks(value: list[dict[Any, Any]]) -> None:
    """Restore torch's global hooks.

    Args:
        value: copies from ``hooks``.
    """
    for hooks, saved in zip(_HOOKS, value, strict=True):
        hooks.clear()
        hooks.update(saved)
