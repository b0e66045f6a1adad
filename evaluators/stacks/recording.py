"""Record the torch operations that a function calls, and run them again as plain Python.

The recorded operations are those that act on plain tensors, below ``vmap`` and autograd. Not here: the recorded step
(``graph``).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

ATEN = torch.ops.aten
SAME = {ATEN.detach.default, ATEN.alias.default, ATEN.lift_fresh.default}
"""Operations that return their argument."""
LOOKING = (
    "view",
    "expand",
    "transpose",
    "permute",
    "squeeze",
    "slice",
    "select",
    "split",
    "detach",
    "alias",
    "reshape",
)
"""Words in the names of operations that compute no numbers."""
Operation = Any
"""An operator overload of torch, or a function that replaces it."""


class NotStackable(Exception):
    """The children of a network cannot be trained as a stack; the message says why."""


class Call(NamedTuple):
    """One recorded operation.

    Args:
        func: operation to call when the recording is run.
        args: positional arguments.
        kwargs: keyword arguments.
        found: result of the operation.
    """

    func: Operation
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    found: Any


class Line(NamedTuple):
    """One line of a recording.

    Args:
        sets: names that the line assigns, one for each tensor; none if it changes a tensor in place.
        parted: whether the result is unpacked into several names.
        call: operation and arguments as Python.
        uses: names that the line reads.
        acts: whether the operation may have an effect beyond its result.
    """

    sets: list[str]
    parted: bool
    call: str
    uses: list[str]
    acts: bool

    def __str__(self) -> str:
        """Return the line as Python."""
        target = "".join(f"{name}, " for name in self.sets) if self.parted else "".join(self.sets)
        return f"{target or '_'} = {self.call}"


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's mode has no types
    """Context manager that records every operation.

    Args:
        instead: functions to call instead of operations when the recording is run, by overload.
    """

    def __init__(self, instead: Mapping[Operation, Callable[..., Any]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.instead = instead
        self.calls: list[Call] = []
        self.work: list[int] = []  # count of numbers that each operation computed
        self.convolves = False

    def __torch_dispatch__(
        self, func: Operation, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call the operation and record it.

        Raises:
            NotStackable: the operation reads a number, is an embedding with a padding_idx, or draws random numbers in
                an unknown way.
        """
        keywords = kwargs or {}
        if func is ATEN._local_scalar_dense.default:
            raise NotStackable("what it does depends on numbers that it reads")
        if func is ATEN.embedding.default and len(args) > 2 and args[2] >= 0:
            raise NotStackable("it has an embedding with a padding_idx")
        called: Operation = self.instead.get(func, func)
        result = func(*args, **keywords)
        if called is func and torch.Tag.nondeterministic_seeded in func.tags and not _is_certain(func, args):
            raise NotStackable(f"it draws random numbers by {func}, which is not known for several children")
        self.calls.append(Call(called, args, keywords, result))
        name = str(func)
        self.convolves |= "convolution" in name
        if isinstance(result, Tensor) and not any(word in name for word in LOOKING):
            self.work.append(result.numel())
        return result

    def program(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor | None]) -> Callable[..., list[Any]]:
        """Return a function that runs the recorded operations on new inputs and returns the outputs.

        Args:
            inputs: input tensors of the recording.
            outputs: tensors of the recording whose values are returned; None stays None.
        """
        return _Writer(inputs).written(self.calls, outputs)


def _is_certain(func: Operation, args: tuple[Any, ...]) -> bool:
    """Return whether an operation that may draw draws nothing here: attention without dropout."""
    return "attention" in str(func) and not any(isinstance(one, float) and one > 0 for one in args)


class _Writer:
    """Writer of a recording as Python.

    Args:
        inputs: input tensors of the recording.
    """

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        self.inputs = [f"i{number}" for number in range(len(inputs))]
        self.names = {id(tensor): name for name, tensor in zip(self.inputs, inputs, strict=True)}
        self.namespace: dict[str, Any] = {}
        self.alive: list[Any] = []  # objects kept alive, since the ``id`` of a tensor stands for it in ``names``

    def written(self, calls: Sequence[Call], outputs: Sequence[Tensor | None]) -> Callable[..., list[Any]]:
        """Return the recorded calls as a function of the inputs that returns the outputs."""
        lines = []
        for number, (func, args, kwargs, result) in enumerate(calls):
            self.alive.append((args, kwargs, result))
            if func in SAME and isinstance(args[0], Tensor):
                self.names[id(result)] = self._name(args[0])
                continue
            uses: list[str] = []
            texts = [self._text(one, uses) for one in args]
            texts += [f"{key}={self._text(one, uses)}" for key, one in kwargs.items()]
            self.namespace[f"f{number}"] = func
            schema, parted = getattr(func, "_schema", None), isinstance(result, (list, tuple))
            lines.append(
                Line(
                    self._set(number, result), parted, f"f{number}({', '.join(texts)})", uses,
                    schema is None or schema.is_mutable,
                )
            )  # fmt: skip
        output_names = [None if one is None else self._name(one) for one in outputs]
        return self._compiled(_needed(lines, {name for name in output_names if name}), output_names)

    def _name(self, tensor: Tensor) -> str:
        if id(tensor) not in self.names:
            self.names[id(tensor)] = f"c{len(self.namespace)}"
            self.namespace[self.names[id(tensor)]] = tensor.detach()
            self.alive.append(tensor)
        return self.names[id(tensor)]

    def _text(self, value: Any, uses: list[str]) -> str:
        """Return an argument as Python, and append the names that it reads to ``uses``."""
        if isinstance(value, Tensor):
            uses.append(self._name(value))
            return uses[-1]
        if isinstance(value, (list, tuple)):
            inner = "".join(f"{self._text(one, uses)}, " for one in value)
            return f"[{inner}]" if isinstance(value, list) else f"({inner})"
        if isinstance(value, (bool, int, type(None))):
            return repr(value)
        name = f"v{len(self.namespace)}"
        self.namespace[name] = value
        return name

    def _set(self, number: int, result: Any) -> list[str]:
        """Return the names for an operation's result: one, one per item of several, or none for a known tensor."""
        if isinstance(result, Tensor):
            if id(result) in self.names:  # the operation changed it in place
                return []
            self.names[id(result)] = f"t{number}"
            return [f"t{number}"]
        several = result if isinstance(result, (list, tuple)) else ()
        names = [f"t{number}_{place}" for place in range(len(several))]
        self.names |= {id(one): name for one, name in zip(several, names, strict=True) if isinstance(one, Tensor)}
        return names

    def _compiled(self, lines: Sequence[Line], output_names: Sequence[str | None]) -> Callable[..., Any]:
        """Compile the lines to a function that frees each tensor after its last use."""
        last = {name: place for place, line in enumerate(lines) for name in (*line.uses, *line.sets)}
        freed: dict[int, list[str]] = {}
        for name in last.keys() - {*self.inputs, *output_names} - self.namespace.keys():
            freed.setdefault(last[name], []).append(name)
        text = [f"def step({', '.join(self.inputs)}):"]
        for place, line in enumerate(lines):
            text.append(f"    {line}")
            text += [f"    {name} = None" for name in sorted(freed.get(place, ()))]
        text.append(f"    return [{', '.join(map(str, output_names))}]")
        exec(compile("\n".join(text), "<stack>", "exec"), self.namespace)  # noqa: S102  it holds only our own names
        step: Callable[..., Any] = self.namespace["step"]
        return step


def _needed(lines: Sequence[Line], names: set[str]) -> list[Line]:
    """Return the lines on which a wanted name depends, and those with effects."""
    needed = []
    for line in reversed(lines):
        if line.acts or names.intersection(line.sets):
            names |= {*line.uses}
            needed.append(line)
    return needed[::-1]
