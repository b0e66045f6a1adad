"""Functions and hooks of torch and Python that code of the user's replaced, put back.

Not here: when (``contained``).
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
    """What the holders held at one moment; equal to what they hold later where each thing is the same one."""

    def __init__(self) -> None:
        self.held = [dict(vars(holder)) for holder in _HOLDERS]

    def __eq__(self, other: object) -> bool:
        """Compare things by who they are: some have no other comparison."""
        return isinstance(other, Functions) and all(
            len(mine) == len(theirs) and all(map(operator.is_, mine.values(), theirs.values()))
            for mine, theirs in zip(self.held, other.held, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]  # compared, never looked up


def set_functions(value: Functions) -> None:
    """Put functions back that code of the user's replaced; what a library replaces while it is imported stays."""
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
    """Whether a function or class was written in Python, in a package or in Python's own library.

    A library may replace functions of another while it is imported, with functions of its own. Whatever else stands in
    their places (a function of a program, a built-in one, a partial, an object) was put there by code of the user's.
    """
    if isinstance(thing, type):
        file = getattr(sys.modules.get(thing.__module__), "__file__", None) or ""
        return _in_library(file)
    codes = _codes(thing)
    return bool(codes) and all(_in_library(code.co_filename) for code in codes)


def is_users(thing: Any) -> bool:
    """Whether a function was written in Python, and anywhere else."""
    return any(not _in_library(code.co_filename) for code in _codes(thing))


def _codes(thing: Any) -> list[CodeType]:
    """Return the code of a function, and of the one that it was wrapped around."""
    outer = getattr(thing, "__code__", None)
    return [] if outer is None else [outer, getattr(inspect.unwrap(thing), "__code__", outer)]


def _in_library(file: str) -> bool:
    return file.startswith(_LIBRARY) or bool({"site-packages", "dist-packages"} & set(Path(file).parts))


_HOOKS = [value for module in ("torch.nn.modules.module", "torch.optim.optimizer")
          for name, value in vars(sys.modules[module]).items()
          if name.startswith("_global") and isinstance(value, dict)]  # fmt: skip


def hooks() -> list[dict[Any, Any]]:
    """Return copies of the hooks of every layer and every optimiser."""
    return [dict(hooks) for hooks in _HOOKS]


def set_hooks(value: list[dict[Any, Any]]) -> None:
    """Put hooks of every layer and every optimiser back."""
    for hooks, kept in zip(_HOOKS, value, strict=True):
        hooks.clear()
        hooks.update(kept)
