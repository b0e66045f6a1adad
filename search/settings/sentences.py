"""What differs between two settings, a sentence each.

Not here: where they are read (``reading``), and what is said of wrong ones (``evaluators.sentences``).
"""

from collections.abc import Mapping
from typing import Any

from actsearch.evaluators.sentences import default_of
from actsearch.search.settings.classes import SearchSettings

SHORT = 60  # letters of a setting that changed


def differences(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[str]:
    """List every key that differs, as ``key: old -> new``; what the old ones do not have yet was at its default."""
    found = []
    for key in sorted({*old, *new}):
        before = _numbered(old[key] if key in old else default_of(SearchSettings, tuple(f"{path}{key}".split("."))))
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
