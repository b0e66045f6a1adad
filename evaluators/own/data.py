"""What a user may give for a split, tensors, arrays, lists, a data set, a loader, is made ``Examples`` of.

Not here: what is done with them (``data.examples``).
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
    """Reads splits for one network.

    Args:
        dtype: of the network's weights: numbers that come from NumPy or Python, where 64 bits are usual, take it.
        batch: examples of a batch, where a stream has none of its own.
        forward: the network's: of a dictionary with labels, it is given these only where it takes them. None gives it
            each batch as it comes, as ``training_step`` wants it.
    """

    def __init__(self, dtype: torch.dtype, batch: int, forward: Callable[..., Any] | None) -> None:
        self.dtype, self.batch, self.forward = dtype, batch, forward

    def examples(self, given: Any, name: str) -> Examples:
        """Return the examples of a split.

        Args:
            given: by the user.
            name: of the split, for what is said.

        Raises:
            BadOwnTask: it is something else.
        """
        if isinstance(given, Examples):
            return given
        if isinstance(given, TensorDataset):
            given = given.tensors
        if isinstance(given, IterableDataset):
            given = DataLoader(given, batch_size=self.batch)
        if isinstance(given, DataLoader):
            return Loaded(given, self.batch_of, name=name)
        if isinstance(given, (tuple, Mapping, Tensor)) or _is_array(given) or _is_pair(given):
            return self._kept(self.split(given, name), name)
        if isinstance(given, Sequence) or (_has(given, "__getitem__") and _has(given, "__len__")):
            return Listed(given, lambda rows: self.split(default_collate([_plain(row) for row in rows])))
        if _has(given, "__iter__") and iter(given) is not given:
            return Loaded(given, self.batch_of, name=name)
        once = "can be read only once" if _has(given, "__iter__") else f"is a {type(given).__name__}"
        raise BadOwnTask(
            f"data['{name}'] {once}; expected a pair (inputs, labels) of tensors, arrays or lists, a dictionary of "
            "them, a torch Dataset or a DataLoader"
        )

    def split(self, given: Any, name: str = "") -> Split:
        """Return a split as tensors.

        Raises:
            BadOwnTask: it holds no numbers.
            BadData: it has not as many labels as inputs.
        """
        return Split(*self._parts(given, name))

    def batch_of(self, given: Any) -> Split:
        """Return a batch of a loader; what has no common first dimension, such as a graph, is one whole."""
        inputs, labels = self._parts(given, "")
        lengths = {len(part) if part.ndim else 0 for part in tensors_of((inputs, labels))}
        return Split(inputs, labels, whole=len(lengths) > 1 or 0 in lengths)

    def _parts(self, given: Any, name: str) -> tuple[Structure, Structure]:
        """Return inputs and labels."""
        structure = self._tensors(given)
        if not tensors_of(structure):
            whose = f"data['{name}']" if name else "a batch of the data"
            raise BadOwnTask(f"{whose} holds no numbers: {_without_numbers(given)}")
        if self.forward is None:
            return structure, None
        if isinstance(structure, dict):
            labels = next((structure[key] for key in LABELS if key in structure), None)
            return _taken(self.forward, structure), labels
        if isinstance(structure, tuple):
            if any(part is not None and not tensors_of(found) for part, found in zip(given, structure, strict=True)):
                whose = f"data['{name}']" if name else "a batch of the data"
                lacking = next(
                    p for p, found in zip(given, structure, strict=True) if p is not None and not tensors_of(found)
                )
                raise BadOwnTask(f"a part of {whose} holds no numbers: {_without_numbers(lacking)}")
            *inputs, labels = structure if len(structure) > 1 else (*structure, None)
            return inputs[0] if len(inputs) == 1 else tuple(inputs), labels
        return structure, None

    def _tensors(self, given: Any) -> Structure:
        if isinstance(given, Tensor):
            return given.detach()
        if isinstance(given, Mapping):
            found = {key: self._tensors(part) for key, part in given.items()}
            return {key: part for key, part in found.items() if tensors_of(part)}  # texts beside the numbers
        if isinstance(given, tuple) or _is_pair(given):
            return tuple(self._tensors(part) for part in given)
        if isinstance(given, (np.generic, list, int, float)) or _is_array(given):
            try:
                array = torch.from_numpy(_array(given))
            except (TypeError, ValueError):  # texts, or lists of several lengths
                return None
            little_known = {torch.uint16, torch.uint32, torch.uint64}
            dtype = self.dtype if array.is_floating_point() else torch.int64 if array.dtype in little_known else None
            return array.to(dtype=dtype)
        return None

    def _kept(self, split: Split, name: str) -> Split:
        """Return a copy: what the user's function does to its data later changes nothing.

        Raises:
            BadOwnTask: tensors are not dense.
        """
        if any(part.layout is not torch.strided for part in tensors_of((split.inputs, split.labels))):
            raise BadOwnTask(f"the tensors of data['{name}'] must be dense (to_dense)")
        return split.copy()


def _taken(forward: Callable[..., Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs without labels that a network does not take."""
    takes = inspect.signature(forward).parameters
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in takes.values()):
        return inputs
    return {key: part for key, part in inputs.items() if key in takes or key not in LABELS}


def _is_array(given: Any) -> bool:
    """Whether NumPy can make an array of it: NumPy's own, a data frame, a series, an array of another library."""
    return isinstance(given, np.ndarray) or _has(given, "__array__")


def _array(given: Any) -> "np.ndarray[Any, Any]":
    """Return a copy as an array; columns of several types of numbers become one.

    Raises:
        TypeError, ValueError: it holds something else.
    """
    array = np.array(given)
    if array.dtype != object or not _has(given, "__array__"):
        return array
    if any(isinstance(value, str) for value in array.flat):  # digits, too: nobody said that they are numbers
        raise TypeError("it holds texts")
    return array.astype(np.float64)


def _without_numbers(given: Any) -> str:
    """Return what is there instead of numbers, and what was expected."""
    kinds = getattr(given, "dtypes", None)
    if kinds is not None and _has(kinds, "items"):  # a data frame
        texts = [f"'{name}' ({kind})" for name, kind in kinds.items() if str(kind) in {"object", "str", "string"}]
        if texts:
            return f"column {texts[0]} is text; leave such columns out, or encode them"
    return (
        f"it is a {type(given).__name__}; expected a tensor, an array, a data frame of numbers, or a pair or a "
        "dictionary of such"
    )


def _has(given: Any, method: str) -> bool:
    return callable(getattr(given, method, None))


def _is_pair(given: Any) -> bool:
    """Whether a list is a pair (inputs, labels), as some loaders yield it, and no list of examples."""
    is_pair = isinstance(given, list) and len(given) == 2 and all(isinstance(p, (Tensor, np.ndarray)) for p in given)
    return is_pair and all(part.ndim for part in given) and len(given[0]) == len(given[1])


def _plain(row: Any) -> Any:
    """Return an example without what no tensor can be made of."""
    if isinstance(row, Mapping):
        return {key: _plain(part) for key, part in row.items() if not isinstance(part, (str, bytes))}
    if isinstance(row, list) and row and isinstance(row[0], (int, float)):
        return torch.tensor(row)
    return row


def dtype_of(model: torch.nn.Module) -> torch.dtype:
    """Return the type of a network's first weights that are numbers with a point."""
    found = (part.dtype for part in model.parameters() if part.is_floating_point())
    return next(found, torch.get_default_dtype())
