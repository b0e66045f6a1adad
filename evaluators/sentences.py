"""One clear sentence for any fault in settings, from a file or from Python.

Not here: the settings, each beside the code that uses it, and the differences of two (``search.settings.sentences``).
"""

import dataclasses
import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from actsearch.grammar.fault import UserFault

C = TypeVar("C")


class BadSettings(UserFault):
    """The settings cannot be used; the message has the key, the expected and the actual value, and the nearest key."""


def sentence_of(fault: ValidationError, section: type, prefix: str = "") -> str:
    """Describe a fault: the key, the expected and the actual value, and the nearest right one.

    Args:
        fault: validation error of the check.
        section: class of settings that was checked.
        prefix: prefix of the section's keys, such as ``task``.
    """
    # an unknown key comes first: it is the likeliest reason why another key is missing
    error = min(fault.errors(), key=lambda error: error["type"] != "unexpected_keyword_argument")
    where = ".".join((*filter(None, [prefix]), *(str(step) for step in error["loc"] if not _is_type(step))))
    if error["type"] == "unexpected_keyword_argument":
        known = [part.name for part in _fields_beside(section, error["loc"])]
        near = difflib.get_close_matches(str(error["loc"][-1]), known, n=1, cutoff=0.6)
        hint = f"did you mean '{near[0]}'?" if near else f"known keys here: {', '.join(known)}"
        return f"unknown key '{where}'; {hint}"
    message = error["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    if error["type"] == "value_error":
        return message if message.startswith("key '") or not where else f"key '{where}': {message}"
    if error["type"].startswith("dataclass"):
        return f"key '{where}': expected a section of keys, found {_shown(error['input'])}"
    hint = _near_choice(error) or _written_out(error["input"]) or _left_open(section, error)
    return f"key '{where}': {message}, found {_shown(error['input'])}{hint}"


def _shown(value: object) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return repr(value)


def _is_type(step: int | str) -> bool:
    """Whether a step of an error's path names the type that pydantic tried, not a key."""
    return step == "str" or str(step).startswith("tuple[")


def _near_choice(error: ErrorDetails) -> str:
    choices = re.findall("'([^']+)'", str(error.get("ctx", {}).get("expected", "")))
    near = difflib.get_close_matches(str(error["input"]), choices, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _written_out(value: object) -> str:
    """Return a hint how to write a number that YAML reads as text."""
    if not isinstance(value, str) or not re.fullmatch(r"[-+]?\d+e[-+]?\d+", value, re.IGNORECASE):
        return ""
    number = float(value)
    return f"; YAML reads {value} as text, write {int(number) if number.is_integer() else value.replace('e', '.0e')}"


def _left_open(section: type, error: ErrorDetails) -> str:
    """Return a hint to write null, if the user probably meant that by a 0 or an empty text."""
    path = tuple(step for step in error["loc"] if not _is_type(step))
    return "; null leaves it open" if not error["input"] and default_of(section, path, missing="none") is None else ""


def default_of(section: type, path: Sequence[int | str], missing: object = None) -> Any:
    """Return the default of a key, in the types of JSON.

    Args:
        section: class of settings.
        path: path of the key below the section.
        missing: result for a key without a default, such as an item of a list.
    """
    part = next((part for part in _fields_beside(section, path) if part.name == path[-1]), None)
    if part is None or (part.default, part.default_factory) == (dataclasses.MISSING, dataclasses.MISSING):
        return missing
    default = part.default if part.default_factory is dataclasses.MISSING else part.default_factory()
    return json.loads(json.dumps(default, default=dataclasses.asdict))


def _fields_beside(section: Any, path: Sequence[int | str]) -> tuple[dataclasses.Field[Any], ...]:
    """Return the fields of the section that contains a path's last key; none if that is a list of values."""
    for step in path[:-1]:
        is_place = str(step).isdecimal()
        section = get_args(section)[0] if is_place else get_type_hints(section).get(str(step))
    return dataclasses.fields(section) if dataclasses.is_dataclass(section) else ()


def spoken(prefix: str) -> Callable[[type[C]], type[C]]:
    """Return a decorator for a class of settings, whose constructor then takes dictionaries for its sections.

    Args:
        prefix: prefix of the section's keys, such as ``task``.

    Raises:
        BadSettings: the constructor gets a wrong value; the constructor raises it.
    """

    def decorated(section: type[C]) -> type[C]:
        target: Any = section
        check, kinds = target.__init__, get_type_hints(section)

        def __init__(self: Any, *args: Any, **values: Any) -> None:  # noqa: N807  it replaces the class's constructor
            converted: dict[str, Any] = {}
            for name, value in values.items():
                converted[name] = value
                if isinstance(value, Mapping) and dataclasses.is_dataclass(kinds.get(name)):
                    try:
                        converted[name] = TypeAdapter(kinds[name]).validate_json(json.dumps(value))
                    except ValidationError as fault:
                        under = ".".join(filter(None, [prefix, name]))
                        raise BadSettings(sentence_of(fault, kinds[name], under)) from fault
                    except (TypeError, ValueError) as fault:
                        raise BadSettings(f"settings are numbers, texts, lists and sections: {fault}") from fault
                elif isinstance(value, list):
                    converted[name] = tuple(value)
            try:
                check(self, *args, **converted)
            except ValidationError as fault:
                raise BadSettings(sentence_of(fault, section, prefix)) from fault

        target.__init__ = __init__
        return section

    return decorated
