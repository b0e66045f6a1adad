"""Settings of a search: YAML into frozen dataclasses, and one clear sentence for whatever is wrong with it.

The only door to yaml. Each settings class stands beside what it sets; here they are put together.
"""

import dataclasses
import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails

from actsearch.evaluators.activation import function_of
from actsearch.evaluators.pool import PoolSettings
from actsearch.evaluators.settings import TaskSettings
from actsearch.evaluators.task import complete
from actsearch.grammar.parse import BadExpression
from actsearch.search.ladder import FinalSettings, RungSettings, TransferSettings, completed
from actsearch.search.proposers.registry import ProposerSettings
from actsearch.search.spaces import SpaceSettings, own_rows

SHORT = 60  # letters of a setting that changed
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class BadSettings(ValueError):
    """The settings cannot be used; the message names the key, what was expected, what was found, the nearest key."""


@dataclass(frozen=True, config=_STRICT)
class BudgetSettings:
    """When to stop asking.

    Args:
        children: behaviours to train; the batch that reaches the number is finished.
        batch: proposals a batch, after which the proposer learns once; fewer than there are workers leaves some idle.
        proposals: give up after so many, where most of them are refused untrained.
    """

    children: Annotated[int, Field(ge=1)] = 300
    batch: Annotated[int, Field(ge=1)] = 4
    proposals: Annotated[int, Field(ge=1)] = 20_000


@dataclass(frozen=True, config=_STRICT)
class SearchSettings:
    """Everything that a search depends on; ``pool`` alone does not change its result.

    Args:
        seed: of every draw of the run, in [0, 2**63).
        ladder: rungs between the search and the final one, from below.
        transfer: where the finalists are trained besides, when the ladder is climbed.
        baselines: known activations or expressions, trained and ranked beside the candidates.
    """

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    space: SpaceSettings = field(default_factory=SpaceSettings)
    proposer: ProposerSettings = field(default_factory=ProposerSettings)
    task: TaskSettings = field(default_factory=TaskSettings)
    pool: PoolSettings = field(default_factory=PoolSettings)
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    ladder: tuple[RungSettings, ...] = (RungSettings(),)
    final: FinalSettings = field(default_factory=FinalSettings)
    transfer: tuple[TransferSettings, ...] = ()
    baselines: tuple[str, ...] = ("relu", "swish", "gelu", "tanh")

    def __post_init__(self) -> None:
        """Open settings take the task's own values, the ladder's are in its steps; every baseline must be readable."""
        object.__setattr__(self, "task", complete(self.task))  # frozen for everybody else
        ladder, final = completed(self.task, self.ladder, self.final)
        object.__setattr__(self, "ladder", ladder)
        object.__setattr__(self, "final", final)
        own = own_rows(self.space)
        for text in self.baselines:
            try:
                function_of(text, own)
            except BadExpression as fault:
                raise ValueError(f"key 'baselines': {fault}") from fault


class _Loader(yaml.SafeLoader):
    """YAML that says it when a key stands twice; YAML 1.2, section 3.2.1.1, forbids it, PyYAML takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a section, each key of which stands there once."""
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
        found = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (OSError, UnicodeDecodeError) as fault:
        others = [p.name for p in path.parent.glob("*.yaml") if p != path]
        near = difflib.get_close_matches(path.name, others, n=1)
        raise BadSettings(
            f"cannot read the config '{path}': {getattr(fault, 'strerror', fault)}"
            + (f"; did you mean '{path.parent / near[0]}'?" if near else "")
        ) from fault
    except yaml.YAMLError as fault:
        raise BadSettings(f"'{path}' is not YAML: {' '.join(str(fault).split())}") from fault
    tree = {} if found is None else found
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
    """Check nested sections and build the settings.

    Raises:
        BadSettings: unknown key, wrong type or impossible value.
    """
    try:
        text = json.dumps(tree)
    except (TypeError, ValueError) as fault:
        raise BadSettings(f"settings are numbers, texts, lists and sections: {fault}") from fault
    try:
        return TypeAdapter(SearchSettings).validate_json(text)
    except ValidationError as fault:
        # an unknown key first: it is the likeliest reason why another one is missing
        first = min(fault.errors(), key=lambda error: error["type"] != "unexpected_keyword_argument")
        raise BadSettings(_sentence(first)) from fault


def to_json(settings: SearchSettings) -> str:
    """Return the settings as the store keeps them; ``from_tree(json.loads(...))`` reads them back."""
    return json.dumps(dataclasses.asdict(settings), sort_keys=True)


def differences(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[str]:
    """List every key that differs, as ``key: old -> new``."""
    found = []
    for key in sorted({*old, *new}):
        before, after = _numbered(old.get(key)), _numbered(new.get(key))
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += differences(before, after, f"{path}{key}.")
        elif before != after:
            found.append(f"{path}{key}: {_short(before)} -> {_short(after)}")
    return found


def _numbered(value: Any) -> Any:
    """Return a list of sections as a section, so that the keys in it can be told apart."""
    is_list = isinstance(value, list) and any(isinstance(part, Mapping) for part in value)
    return {str(place): part for place, part in enumerate(value)} if is_list else value


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= SHORT else text[:SHORT] + " ..."


def _apply(tree: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key.strip():
        raise BadSettings(f"a change is written section.key=value, found '{change}'")
    *sections, last = key.strip().split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise BadSettings(f"key '{key}': '{section}' is a value, not a section")
    try:
        tree[last] = yaml.safe_load(text)
    except yaml.YAMLError as fault:
        raise BadSettings(f"key '{key}': '{text}' is not a YAML value") from fault


def _sentence(error: ErrorDetails) -> str:
    where = ".".join(str(step) for step in error["loc"] if not str(step).startswith(("tuple[", "str")))
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
    hint = _near_choice(error) or _written_out(error["input"])
    return f"key '{where}': {message}, found {json.dumps(error['input'])}{hint}"


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


def _keys_beside(path: tuple[int | str, ...]) -> list[str]:
    section: Any = SearchSettings
    for step in path[:-1]:
        section = get_args(section)[0] if isinstance(step, int) else get_type_hints(section)[step]
    return [part.name for part in dataclasses.fields(section)]
