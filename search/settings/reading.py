"""Settings of a search: YAML into frozen dataclasses.

The only door to yaml. Not here: the classes (``classes``) and the differences of two settings (``sentences``).
"""

import dataclasses
import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from actsearch.evaluators.sentences import BadSettings, sentence_of
from actsearch.search.settings.classes import SearchSettings

MOST_VALUES = 100_000  # most values in a config


class _Loader(yaml.SafeLoader):
    """A YAML loader that rejects duplicate keys: YAML 1.2, section 3.2.1.1, forbids them; PyYAML takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a section, and reject a key that it has twice."""
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if lines.setdefault(str(key.value), line) != line:
                raise yaml.YAMLError(f"key '{key.value}' stands in line {lines[key.value]} and again in line {line}")
        return super().construct_mapping(node, deep)


def load_settings(path: Path, changes: Iterable[str] = ()) -> SearchSettings:
    """Read a YAML file and apply ``section.key=value`` changes.

    Raises:
        BadSettings: the file or a change cannot be used.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except UnicodeDecodeError as fault:
        raise BadSettings(f"cannot read the config '{path}': expected text in UTF-8, found another encoding") from fault
    except OSError as fault:
        others = [p.name for p in path.parent.glob("*.yaml") if p != path]
        near = difflib.get_close_matches(path.name, others, n=1)
        raise BadSettings(
            f"cannot read the config '{path}': {fault.strerror}"
            + (f"; did you mean '{path.parent / near[0]}'?" if near else "")
        ) from fault
    except (yaml.YAMLError, ValueError, RecursionError) as fault:  # ValueError: an invalid date or number
        raise BadSettings(f"'{path}' is not YAML: {' '.join(str(fault).split())}") from fault
    tree = {} if content is None else content
    if not isinstance(tree, dict):
        raise BadSettings(f"'{path}' must hold sections and keys, found {type(tree).__name__}")
    for change in changes:
        _apply(tree, change)
    return from_tree(tree)


def settings_of(path: Path | None, changes: Iterable[str]) -> SearchSettings:
    """Return the settings of a file, or the default ones, with ``section.key=value`` changes.

    Raises:
        BadSettings: the file or a change cannot be used.
    """
    if path is not None:
        return load_settings(path, changes)
    tree: dict[str, Any] = {}
    for change in changes:
        _apply(tree, change)
    return from_tree(tree)


def from_tree(tree: Mapping[str, Any]) -> SearchSettings:
    """Check nested sections and build the settings; open settings stay open.

    Raises:
        BadSettings: unknown key, wrong type or impossible value.
    """
    try:
        weight = _weight(tree, {})
    except RecursionError as fault:
        raise BadSettings("the config is nested too deeply") from fault
    if weight > MOST_VALUES:
        raise BadSettings(f"settings are at most {MOST_VALUES} values, found {weight:g} when aliases are written out")
    try:
        text = json.dumps(tree)
    except (TypeError, ValueError, RecursionError) as fault:
        raise BadSettings(f"settings are numbers, texts, lists and sections: {fault}") from fault
    try:
        return TypeAdapter(SearchSettings).validate_json(text)
    except ValidationError as fault:
        raise BadSettings(sentence_of(fault, SearchSettings)) from fault


def _weight(value: Any, weights: dict[int, int]) -> int:
    """Return the number of values with aliases written out: ten lines can stand for billions of values."""
    if id(value) not in weights:
        parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
        weights[id(value)] = 1  # ends the recursion for a value that holds itself; json.dumps reports it
        weights[id(value)] = 1 + sum(_weight(part, weights) for part in parts)
    return weights[id(value)]


def to_json(settings: SearchSettings) -> str:
    """Return the settings as JSON for the store; ``from_tree(json.loads(...))`` reads them back."""
    return json.dumps(dataclasses.asdict(settings), sort_keys=True)


def _apply(tree: dict[str, Any], change: str) -> None:
    """Apply one ``section.key=value`` change to nested sections, in place."""
    key, equals, text = change.partition("=")
    if not equals or not key.strip():
        raise BadSettings(f"a change is written section.key=value, found '{change}'")
    *sections, last = key.strip().split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise BadSettings(f"key '{key}': '{section}' is a value, not a section")
    try:
        tree[last] = yaml.load(text, _Loader)  # the loader of files
    except (yaml.YAMLError, ValueError, RecursionError) as fault:
        raise BadSettings(f"key '{key}': '{text}' is not a YAML value") from fault
