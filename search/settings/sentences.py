"""One clear sentence for whatever is wrong with settings, and for what differs between two.

Not here: where they are read (``reading``).
"""

import dataclasses
import difflib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_type_hints

from pydantic_core import ErrorDetails

from actsearch.grammar.fault import UserFault
from actsearch.search.settings.classes import SearchSettings

SHORT = 60  # letters of a setting that changed


class BadSettings(UserFault):
    """The settings cannot be used; the message names the key, what was expected, what was found, the nearest key."""


def differences(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[str]:
    """List every key that differs, as ``key: old -> new``; what the old ones do not have yet was at its default."""
    found = []
    for key in sorted({*old, *new}):
        before = _numbered(old[key] if key in old else _default(tuple(f"{path}{key}".split("."))))
        after = _numbered(new.get(key))
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += differences(before, after, f"{path}{key}.")
        elif before != after:
            found.append(f"{path}{key}: {_short(before)} -> {_short(after)}")
    return found


def _numbered(value: Any) -> Any:
    """Return a list of sections as a section, so that the keys in it can be told apart."""
    is_list = isinstance(value, list) and any(isinstance(part, Mapping) for part in value)
    return {str(index): part for index, part in enumerate(value)} if is_list else value


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= SHORT else text[:SHORT] + " ..."


def sentence_of(error: ErrorDetails) -> str:
    """Return what is wrong: the key, what was expected and found, and the nearest right thing."""
    where = ".".join(str(step) for step in error["loc"] if not _is_type(step))
    if error["type"] == "unexpected_keyword_argument":
        known = _keys_beside(error["loc"])
        near = difflib.get_close_matches(str(error["loc"][-1]), known, n=1, cutoff=0.6)
        hint = f"did you mean '{near[0]}'?" if near else f"known keys here: {', '.join(known)}"
        return f"unknown key '{where}'; {hint}"
    message = error["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    if error["type"] == "value_error":
        return message if message.startswith("key '") or not where else f"key '{where}': {message}"
    if error["type"].startswith("dataclass"):
        return f"key '{where}': expected a section of keys, found {json.dumps(error['input'])}"
    hint = _near_choice(error) or _written_out(error["input"]) or _left_open(error)
    return f"key '{where}': {message}, found {json.dumps(error['input'])}{hint}"


def _is_type(step: int | str) -> bool:
    """Return whether a step names the type that was tried, not a key."""
    return step == "str" or str(step).startswith("tuple[")


def _near_choice(error: ErrorDetails) -> str:
    choices = re.findall("'([^']+)'", str(error.get("ctx", {}).get("expected", "")))
    near = difflib.get_close_matches(str(error["input"]), choices, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _written_out(found: object) -> str:
    """Return how to write a number that YAML reads as text."""
    if not isinstance(found, str) or not re.fullmatch(r"[-+]?\d+e[-+]?\d+", found, re.IGNORECASE):
        return ""
    number = float(found)
    return f"; YAML reads {found} as text, write {int(number) if number.is_integer() else found.replace('e', '.0e')}"


def _left_open(error: ErrorDetails) -> str:
    """Return how to leave a value open, where that is what a 0 or an empty text was meant for."""
    path = tuple(step for step in error["loc"] if not _is_type(step))
    return "; null leaves it open" if not error["input"] and _default(path, missing="none") is None else ""


def _default(path: Sequence[int | str], missing: object = None) -> Any:
    """Return the default of a key as JSON has it, or what stands for a key that has none, as a part of a list."""
    part = next((part for part in _fields_beside(path) if part.name == path[-1]), None)
    if part is None or (part.default, part.default_factory) == (dataclasses.MISSING, dataclasses.MISSING):
        return missing
    made = part.default if part.default_factory is dataclasses.MISSING else part.default_factory()
    return json.loads(json.dumps(made, default=dataclasses.asdict))


def _keys_beside(path: Sequence[int | str]) -> list[str]:
    return [part.name for part in _fields_beside(path)]


def _fields_beside(path: Sequence[int | str]) -> tuple[dataclasses.Field[Any], ...]:
    """Return the keys of the section that a path leads into; none where it leads into a list of values."""
    section: Any = SearchSettings
    for step in path[:-1]:
        is_place = str(step).isdecimal()
        section = get_args(section)[0] if is_place else get_type_hints(section).get(str(step))
    return dataclasses.fields(section) if dataclasses.is_dataclass(section) else ()
