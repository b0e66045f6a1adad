"""The operations of torch that a function calls, recorded once and run again as plain Python.

What is recorded is what reaches the tensors: beneath ``vmap`` and beneath the gradients. Not here: what is recorded
(``graph``).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

ATEN = torch.ops.aten
SAME = {ATEN.detach.default, ATEN.alias.default, ATEN.lift_fresh.default}
"""Operations that return what they are given."""
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
"""Words of operations that compute nothing."""
Operation = Any
"""An overload of torch's, or a function that takes its place."""


class NotStackable(Exception):
    """A network whose children cannot be trained as one; the message says why."""


class Call(NamedTuple):
    """One operation that was called, and what it returned."""

    func: Operation
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    found: Any


class Line(NamedTuple):
    """One line of a recording.

    Args:
        sets: names that it sets, one for each tensor; none where it changes a tensor in place.
        parted: whether what is returned is parted among them.
        call: the operation and its arguments.
        uses: names that it uses.
        acts: whether it does more than return its value.
    """

    sets: list[str]
    parted: bool
    call: str
    uses: list[str]
    acts: bool

    def __str__(self) -> str:
        """Return it as Python."""
        target = "".join(f"{name}, " for name in self.sets) if self.parted else "".join(self.sets)
        return f"{target or '_'} = {self.call}"


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's mode has no types
    """Notes every operation while it is entered.

    Args:
        instead: operations in whose place others are called when the recording is run, by overload.
    """

    def __init__(self, instead: Mapping[Operation, Callable[..., Any]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.instead = instead
        self.calls: list[Call] = []
        self.work: list[int] = []  # numbers that each operation computed
        self.convolves = False

    def __torch_dispatch__(
        self, func: Operation, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call the operation, and note it.

        Raises:
            NotStackable: it reads a number, or draws in a way that is not known.
        """
        given = kwargs or {}
        if func is ATEN._local_scalar_dense.default:
            raise NotStackable("what it does depends on numbers that it reads")
        if func is ATEN.embedding.default and len(args) > 2 and args[2] >= 0:
            raise NotStackable("it has an embedding with a padding_idx")
        called: Operation = self.instead.get(func, func)
        found = func(*args, **given)
        if called is func and torch.Tag.nondeterministic_seeded in func.tags and not _is_certain(func, args):
            raise NotStackable(f"it draws random numbers by {func}, which is not known for several children")
        self.calls.append(Call(called, args, given, found))
        name = str(func)
        self.convolves |= "convolution" in name
        if isinstance(found, Tensor) and not any(word in name for word in LOOKING):
            self.work.append(found.numel())
        return found

    def program(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor | None]) -> Callable[..., list[Any]]:
        """Return a function of tensors like the inputs that does what was recorded, and returns the outputs.

        Args:
            inputs: tensors of the recording.
            outputs: those whose values are wanted; None stays.
        """
        return _Writer(inputs).written(self.calls, outputs)


def _is_certain(func: Operation, args: tuple[Any, ...]) -> bool:
    """Whether an operation that may draw draws nothing here: attention without dropout."""
    return "attention" in str(func) and not any(isinstance(one, float) and one > 0 for one in args)


class _Writer:
    """Writes a recording as Python.

    Args:
        inputs: its tensors.
    """

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        self.inputs = [f"i{number}" for number in range(len(inputs))]
        self.names = {id(tensor): name for name, tensor in zip(self.inputs, inputs, strict=True)}
        self.known: dict[str, Any] = {}
        self.kept: list[Any] = []  # tensors whose identity is their name

    def written(self, calls: Sequence[Call], outputs: Sequence[Tensor | None]) -> Callable[..., list[Any]]:
        """Return the function."""
        lines = []
        for number, (func, args, kwargs, found) in enumerate(calls):
            self.kept.append((args, kwargs, found))
            if func in SAME and isinstance(args[0], Tensor):
                self.names[id(found)] = self._name(args[0])
                continue
            uses: list[str] = []
            texts = [self._text(one, uses) for one in args]
            texts += [f"{key}={self._text(one, uses)}" for key, one in kwargs.items()]
            self.known[f"f{number}"] = func
            schema, parted = getattr(func, "_schema", None), isinstance(found, (list, tuple))
            lines.append(
                Line(
                    self._set(number, found), parted, f"f{number}({', '.join(texts)})", uses,
                    schema is None or schema.is_mutable,
                )
            )  # fmt: skip
        wanted = [None if one is None else self._name(one) for one in outputs]
        return self._compiled(_needed(lines, {name for name in wanted if name}), wanted)

    def _name(self, tensor: Tensor) -> str:
        if id(tensor) not in self.names:
            self.names[id(tensor)] = f"c{len(self.known)}"
            self.known[self.names[id(tensor)]] = tensor.detach()
            self.kept.append(tensor)
        return self.names[id(tensor)]

    def _text(self, value: Any, uses: list[str]) -> str:
        """Return an argument as Python."""
        if isinstance(value, Tensor):
            uses.append(self._name(value))
            return uses[-1]
        if isinstance(value, (list, tuple)):
            inner = "".join(f"{self._text(one, uses)}, " for one in value)
            return f"[{inner}]" if isinstance(value, list) else f"({inner})"
        if isinstance(value, (bool, int, type(None))):
            return repr(value)
        name = f"v{len(self.known)}"
        self.known[name] = value
        return name

    def _set(self, number: int, found: Any) -> list[str]:
        """Return the names that an operation sets: one, or one for each tensor of several."""
        if isinstance(found, Tensor):
            if id(found) in self.names:  # changed in place
                return []
            self.names[id(found)] = f"t{number}"
            return [f"t{number}"]
        several = found if isinstance(found, (list, tuple)) else ()
        names = [f"t{number}_{place}" for place in range(len(several))]
        self.names |= {id(one): name for one, name in zip(several, names, strict=True) if isinstance(one, Tensor)}
        return names

    def _compiled(self, lines: Sequence[Line], wanted: Sequence[str | None]) -> Callable[..., Any]:
        """Write the lines, each name let go of behind its last use."""
        last = {name: place for place, line in enumerate(lines) for name in (*line.uses, *line.sets)}
        gone: dict[int, list[str]] = {}
        for name in last.keys() - {*self.inputs, *wanted} - self.known.keys():
            gone.setdefault(last[name], []).append(name)
        text = [f"def step({', '.join(self.inputs)}):"]
        for place, line in enumerate(lines):
            text.append(f"    {line}")
            text += [f"    {name} = None" for name in sorted(gone.get(place, ()))]
        text.append(f"    return [{', '.join(map(str, wanted))}]")
        exec(compile("\n".join(text), "<stack>", "exec"), self.known)  # noqa: S102  names and numbers of ours alone
        found: Callable[..., Any] = self.known["step"]
        return found


def _needed(lines: Sequence[Line], wanted: set[str]) -> list[Line]:
    """Return the lines on which something depends."""
    found = []
    for line in reversed(lines):
        if line.acts or wanted.intersection(line.sets):
            wanted |= {*line.uses}
            found.append(line)
    return found[::-1]
