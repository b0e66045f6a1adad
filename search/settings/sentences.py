"""The differences between two settings, one text for each.

Not here: reading settings (``reading``), and the messages about wrong ones (``evaluators.sentences``).
"""

from collections.abc import Mapping
from typing import Any

from actsearch.evaluators.sentences import default_of
from actsearch.search.settings.classes import SearchSettings

SHORT = 60  # most letters shown of a changed setting


def differences(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[str]:
    """Return every key that differs, as ``key: old -> new``; a key missing from the old settings had its default."""
    lines = []
    for key in sorted({*old, *new}):
        before = _as_section(old[key] if key in old else default_of(SearchSettings, tuple(f"{path}{key}".split("."))))
        after = _as_section(new.get(key))
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            lines += differences(before, after, f"{path}{key}.")
        elif before != after:
            lines.append(f"{path}{key}: {_short(before)} -> {_short(after)}")
    return lines


def _as_section(value: Any) -> Any:
    """Return a list of sections as one section with numbered keys; any other value as it is."""
    is_list = isinstance(value, list) and any(isinstance(part, Mapping) for part in value)
    return {str(index): part for index, part in enumerate(value)} if is_list else value


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= SHORT else text[:SHORT] + " ..."
