"""Characters of any text: windows of neighbours, each character labelled with its successor.

Without a file it is the source of the Python standard library, which is on every machine that runs this. Not here: the
child.
"""

import sysconfig
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from actsearch.evaluators.data.dataset import DataSet
from actsearch.evaluators.data.examples import BadData, Split

WINDOW = 64  # characters of an example
KEPT = 95  # the most frequent characters; the others become one
MOST = 500_000  # characters that are read: more would make scoring longer than training
SHARES = (0.8, 0.9)  # the text's beginning trains, then validation, then test: windows do not overlap between splits


def load(path: str | None) -> DataSet[Split]:
    """Return windows ``(N, 64) int64`` and their successors, of the same shape.

    Args:
        path: of a text file; None for the standard library.

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
    """Return the top-level modules of the standard library, one behind the other, in the order of their names."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    text, length = list[str](), 0
    for file in files:
        text.append(file.read_text(encoding="utf-8", errors="replace"))
        length += len(text[-1])
        if length >= MOST:
            break
    return "".join(text)[:MOST]
