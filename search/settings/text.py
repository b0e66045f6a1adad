"""All settings as YAML that says what each key means, in the words of the classes that hold them.

What is printed can be read back. Not here: reading (``reading``).
"""

import dataclasses
import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

COLUMN, WIDTH = 46, 90  # where what is said begins, and how much of it a line holds


def settings_text(settings: Any) -> str:
    """Return every key with its value, and what it means behind it.

    Args:
        settings: an instance of a dataclass, sections of it dataclasses too.
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
            said = meanings.get(part.name, "") + _of_each(hints[part.name])
            yield from _commented(f"{indent}{part.name}: {_plain(value)}", said)


def _of_each(hint: Any) -> str:
    """Return the keys of the sections that a list is made of."""
    kind = get_args(hint)[0] if get_origin(hint) is tuple else None
    if not dataclasses.is_dataclass(kind):
        return ""
    return f" Each has {', '.join(part.name for part in dataclasses.fields(kind))}."


def _plain(value: Any) -> str:
    """Return a value as JSON, which is YAML."""
    return json.dumps(value, default=dataclasses.asdict)


def _commented(line: str, said: str) -> Iterator[str]:
    first, *further = textwrap.wrap(said.replace("``", "'"), WIDTH) or [""]
    yield f"{line:<{COLUMN}}  # {first}" if first else line
    yield from (f"{'':<{COLUMN}}  # {more}" for more in further)


def meanings_of(kind: type) -> dict[str, str]:
    """Return what the docstring of a class says of its arguments, by name."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in (inspect.getdoc(kind) or "").partition("Args:\n")[2].splitlines():
        head = re.fullmatch(r" {4}(\w+(?:, \w+)*): (.*)", line)
        if head:
            names = head[1].split(", ")
            found.update(dict.fromkeys(names, head[2]))
        elif line.startswith(" " * 8):
            found.update({name: f"{found[name]} {line.strip()}" for name in names})
        else:
            names = []
    return found
