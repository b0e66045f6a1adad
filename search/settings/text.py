"""All settings as YAML, with the meaning of each key from the docstrings of the settings classes.

The printed text can be read back. Not here: reading (``reading``).
"""

import dataclasses
import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

COLUMN, WIDTH = 46, 90  # column at which the comments begin, and their width


def settings_text(settings: Any) -> str:
    """Return every key with its value, and its meaning as a comment.

    Args:
        settings: an instance of a settings dataclass, whose sections are dataclasses too.
    """
    return "\n".join(_lines(settings, type(settings), "")) + "\n"


def _lines(section: Any, kind: type, indent: str) -> Iterator[str]:
    meanings, hints = meanings_of(kind), get_type_hints(kind)
    for part in dataclasses.fields(kind):
        value = getattr(section, part.name)
        if dataclasses.is_dataclass(value):
            yield from _commented(f"{indent}{part.name}:", (inspect.getdoc(hints[part.name]) or "").partition("\n")[0])
            yield from _lines(value, hints[part.name], indent + "  ")
        else:
            meaning = meanings.get(part.name, "") + _keys_of_each(hints[part.name])
            yield from _commented(f"{indent}{part.name}: {_plain(value)}", meaning)


def _keys_of_each(hint: Any) -> str:
    """Return a sentence with the keys of each section in a list; an empty text for other settings."""
    kind = get_args(hint)[0] if get_origin(hint) is tuple else None
    if not dataclasses.is_dataclass(kind):
        return ""
    return f" Each has {', '.join(part.name for part in dataclasses.fields(kind))}."


def _plain(value: Any) -> str:
    """Return a value as JSON, which is valid YAML."""
    return json.dumps(value, default=dataclasses.asdict)


def _commented(line: str, comment: str) -> Iterator[str]:
    """Yield a line with a comment, wrapped onto further lines."""
    first, *further = textwrap.wrap(comment.replace("``", "'"), WIDTH) or [""]
    yield f"{line:<{COLUMN}}  # {first}" if first else line
    yield from (f"{'':<{COLUMN}}  # {more}" for more in further)


def meanings_of(kind: type) -> dict[str, str]:
    """Return the descriptions of the arguments in a class's docstring, by name."""
    meanings: dict[str, str] = {}
    names: list[str] = []
    for line in (inspect.getdoc(kind) or "").partition("Args:\n")[2].splitlines():
        head = re.fullmatch(r" {4}(\w+(?:, \w+)*): (.*)", line)
        if head:
            names = head[1].split(", ")
            meanings.update(dict.fromkeys(names, head[2]))
        elif line.startswith(" " * 8):
            meanings.update({name: f"{meanings[name]} {line.strip()}" for name in names})
        else:
            names = []
    return meanings
