"""Characters of any text: windows of adjacent characters, each labelled with its successor.

Without a file the text is the source of the Python standard library, which every machine here has. Not here: the child.
"""

import sysconfig
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from actsearch.evaluators.data.dataset import DataSet
from actsearch.evaluators.data.examples import BadData, Split

WINDOW = 64  # characters in an example
KEPT = 95  # most frequent characters that keep a class of their own; all others share one
MOST = 500_000  # most characters read: more would make scoring longer than training
SHARES = (0.8, 0.9)  # ends of train and validation in the text; test follows, so splits do not overlap


def load(path: str | None) -> DataSet[Split]:
    """Return windows ``(N, 64) int64`` and the successors of their characters, in the same shape.

    Args:
        path: path of a text file; None means the source of the standard library.

    Raises:
        BadData: the file cannot be read or is too short.
    """
    text = _read(Path(path)) if path else _library()
    frequent = sorted(sorted(set(text)), key=text.count, reverse=True)[:KEPT]
    numbers = {character: number for number, character in enumerate(sorted(frequent))}
    codes = torch.tensor([numbers.get(character, len(frequent)) for character in text])  # (length,) int64
    bounds = [0, *(int(share * len(codes)) for share in SHARES), len(codes)]
    parts = [_windows(codes[start:end]) for start, end in pairwise(bounds)]
    train, validation, test = parts
    return DataSet(train, validation, test, classes=len(frequent) + 1)


def _windows(codes: Tensor) -> Split:
    count = (len(codes) - 1) // WINDOW
    return Split(codes[: count * WINDOW].view(-1, WINDOW), codes[1 : count * WINDOW + 1].view(-1, WINDOW))


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")[:MOST]
    except (OSError, UnicodeDecodeError) as fault:
        raise BadData(f"the text '{path}' cannot be read: {getattr(fault, 'strerror', None) or fault}") from fault
    least = 100 * WINDOW
    if len(text) < least:
        raise BadData(f"the text '{path}' is too short: at least {least} characters are needed, found {len(text)}")
    return text


def _library() -> str:
    """Return the text of the standard library's top-level modules, joined in the order of their names."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    text, length = list[str](), 0
    for file in files:
        text.append(file.read_text(encoding="utf-8", errors="replace"))
        length += len(text[-1])
        if length >= MOST:
            break
    return "".join(text)[:MOST]
