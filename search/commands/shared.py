"""What the commands share: options, their own rows, printing JSON, and how the program is called again."""

import json
import math
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from grammar.primitive import Primitive
from search.settings import load_settings
from search.spaces import own_rows


class NamedPath(click.Path):
    """A path that was named: an empty text is a shell's unset variable, not the directory one stands in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse the empty text."""
        if not str(value):
            self.fail("expected a path, found an empty text", param, ctx)
        return super().convert(value, param, ctx)


PATH = NamedPath(path_type=Path)
config_option = click.option("--config", type=PATH, help="Where primitives of your own stand; their code runs here.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
set_option = click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a setting, such as task.steps=500."
)


def called() -> str:
    """Return how to call this program again: by name where it is on the path, else as it was called."""
    called = Path(sys.argv[0])
    return "actsearch" if shutil.which("actsearch") or called.name != "actsearch" else str(called)


def print_json(value: object) -> None:
    """Print JSON that every parser reads: infinities as text."""
    print(json.dumps(_plain(value), indent=2, allow_nan=False))


def _plain(value: object) -> object:
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {key: _plain(part) for key, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
    return value


def own_of(config: Path | None) -> tuple[Primitive, ...]:
    """Return the user's own rows; they are taken from a config only, since their code runs here."""
    return () if config is None else own_rows(load_settings(config).space)
