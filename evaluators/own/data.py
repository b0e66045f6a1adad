"""Convert what a user gives for a split into ``Examples``: tensors, arrays, lists, a data set or a loader.

Not here: what the engine does with them (``data.examples``).
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset, default_collate

from actsearch.evaluators.data.examples import Examples, Split, Structure, tensors_of
from actsearch.evaluators.data.streams import Listed, Loaded
from actsearch.evaluators.own.user_code import BadOwnTask

LABELS = ("labels", "label", "targets", "target")  # keys of a batch that is a dictionary


class Reader:
    """Reader of the splits for one network.

    Args:
        dtype: type of the network's weights; floating-point numbers from NumPy or Python, which are usually 64 bits
            wide, are converted to it.
        batch: number of examples in a batch, for a stream that has no batches of its own.
        forward: the network's ``forward``, whose signature decides whether the labels of a dictionary are passed to
            it. None leaves each batch as it is, as ``training_step`` expects it.
    """

    def __init__(self, dtype: torch.dtype, batch: int, forward: Callable[..., Any] | None) -> None:
        self.dtype, self.batch, self.forward = dtype, batch, forward

    def examples(self, data: Any, name: str) -> Examples:
        """Return the examples of a split.

        Args:
            data: the user's data for this split.
            name: name of the split, for messages.

        Raises:
            BadOwnTask: the data are of no known kind.
        """
        if isinstance(data, Examples):
            return data
        if isinstance(data, TensorDataset):
            data = data.tensors
        if isinstance(data, IterableDataset):
            data = DataLoader(data, batch_size=self.batch)
        if isinstance(data, DataLoader):
            return Loaded(data, self.batch_of, name=name)
        if isinstance(data, (tuple, Mapping, Tensor)) or _is_array(data) or _is_pair(data):
            return self._copy(self.split(data, name), name)
        if isinstance(data, Sequence) or (_has(data, "__getitem__") and _has(data, "__len__")):
            return Listed(data, lambda rows: self.split(default_collate([_plain(row) for row in rows])))
        if _has(data, "__iter__") and iter(data) is not data:
            return Loaded(data, self.batch_of, name=name)
        once = "can be read only once" if _has(data, "__iter__") else f"is a {type(data).__name__}"
        raise BadOwnTask(
            f"data['{name}'] {once}; expected a pair (inputs, labels) of tensors, arrays or lists, a dictionary of "
            "them, a torch Dataset or a DataLoader"
        )

    def split(self, data: Any, name: str = "") -> Split:
        """Return a split as tensors.

        Args:
            data: the user's data for this split.
            name: name of the split, for messages.

        Raises:
            BadOwnTask: the data hold no numbers.
            BadData: the numbers of labels and of inputs differ.
        """
        return Split(*self._parts(data, name))

    def batch_of(self, data: Any) -> Split:
        """Return a loader's batch as a split; a batch without a common first dimension, such as a graph, is whole."""
        inputs, labels = self._parts(data, "")
        lengths = {len(part) if part.ndim else 0 for part in tensors_of((inputs, labels))}
        return Split(inputs, labels, whole=len(lengths) > 1 or 0 in lengths)

    def _parts(self, data: Any, name: str) -> tuple[Structure, Structure]:
        """Return the inputs and the labels; the labels are None if there are none."""
        structure = self._tensors(data)
        if not tensors_of(structure):
            whose = f"data['{name}']" if name else "a batch of the data"
            raise BadOwnTask(f"{whose} holds no numbers: {_without_numbers(data)}")
        if self.forward is None:
            return structure, None
        if isinstance(structure, dict):
            labels = next((structure[key] for key in LABELS if key in structure), None)
            return _accepted(self.forward, structure), labels
        if isinstance(structure, tuple):
            if any(part is not None and not tensors_of(result) for part, result in zip(data, structure, strict=True)):
                whose = f"data['{name}']" if name else "a batch of the data"
                lacking = next(
                    p for p, result in zip(data, structure, strict=True) if p is not None and not tensors_of(result)
                )
                raise BadOwnTask(f"a part of {whose} holds no numbers: {_without_numbers(lacking)}")
            *inputs, labels = structure if len(structure) > 1 else (*structure, None)
            return inputs[0] if len(inputs) == 1 else tuple(inputs), labels
        return structure, None

    def _tensors(self, data: Any) -> Structure:
        if isinstance(data, Tensor):
            return data.detach()
        if isinstance(data, Mapping):
            parts = {key: self._tensors(part) for key, part in data.items()}
            return {key: part for key, part in parts.items() if tensors_of(part)}  # drop texts beside the numbers
        if isinstance(data, tuple) or _is_pair(data):
            return tuple(self._tensors(part) for part in data)
        if isinstance(data, (np.generic, list, int, float)) or _is_array(data):
            try:
                array = torch.from_numpy(_array(data))
            except (TypeError, ValueError):  # texts, or lists of several lengths
                return None
            little_known = {torch.uint16, torch.uint32, torch.uint64}
            dtype = self.dtype if array.is_floating_point() else torch.int64 if array.dtype in little_known else None
            return array.to(dtype=dtype)
        return None

    def _copy(self, split: Split, name: str) -> Split:
        """Return a copy of a split, so that the user's function cannot change it later.

        Raises:
            BadOwnTask: a tensor is not dense.
        """
        if any(part.layout is not torch.strided for part in tensors_of((split.inputs, split.labels))):
            raise BadOwnTask(f"the tensors of data['{name}'] must be dense (to_dense)")
        return split.copy()


def _accepted(forward: Callable[..., Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs without the label keys that ``forward`` does not accept."""
    takes = inspect.signature(forward).parameters
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in takes.values()):
        return inputs
    return {key: part for key, part in inputs.items() if key in takes or key not in LABELS}


def _is_array(value: Any) -> bool:
    """Return whether NumPy can convert a value: an array, a data frame, a series, an array of another library."""
    return isinstance(value, np.ndarray) or _has(value, "__array__")


def _array(data: Any) -> "np.ndarray[Any, Any]":
    """Return a copy as an array; columns of several numeric types are converted to one.

    Raises:
        TypeError, ValueError: a value is no number.
    """
    array = np.array(data)
    if array.dtype != object or not _has(data, "__array__"):
        return array
    if any(isinstance(value, str) for value in array.flat):  # texts of digits too: they may not be meant as numbers
        raise TypeError("it holds texts")
    return array.astype(np.float64)


def _without_numbers(data: Any) -> str:
    """Return a phrase that says what the data hold instead of numbers, and what was expected."""
    kinds = getattr(data, "dtypes", None)
    if kinds is not None and _has(kinds, "items"):  # a data frame
        texts = [f"'{name}' ({kind})" for name, kind in kinds.items() if str(kind) in {"object", "str", "string"}]
        if texts:
            return f"column {texts[0]} is text; leave such columns out, or encode them"
    return (
        f"it is a {type(data).__name__}; expected a tensor, an array, a data frame of numbers, or a pair or a "
        "dictionary of such"
    )


def _has(value: Any, method: str) -> bool:
    return callable(getattr(value, method, None))


def _is_pair(value: Any) -> bool:
    """Return whether a list is a pair (inputs, labels), as some loaders yield it, rather than a list of examples."""
    is_pair = isinstance(value, list) and len(value) == 2 and all(isinstance(p, (Tensor, np.ndarray)) for p in value)
    return is_pair and all(part.ndim for part in value) and len(value[0]) == len(value[1])


def _plain(row: Any) -> Any:
    """Return an example in a form that can be collated: texts are dropped, and lists of numbers become tensors."""
    if isinstance(row, Mapping):
        return {key: _plain(part) for key, part in row.items() if not isinstance(part, (str, bytes))}
    if isinstance(row, list) and row and isinstance(row[0], (int, float)):
        return torch.tensor(row)
    return row


def dtype_of(model: torch.nn.Module) -> torch.dtype:
    """Return the type of a network's first floating-point weights, or torch's default type."""
    types = (part.dtype for part in model.parameters() if part.is_floating_point())
    return next(types, torch.get_default_dtype())
