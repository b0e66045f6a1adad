"""The house: imports run one way, each foreign thing has one door, modules stay small, the README is executed."""

import ast
import statistics
import subprocess
from pathlib import Path

import pytest

ROOMS = ("grammar", "evaluators", "search", "scripts")
MAY_IMPORT = {
    "grammar": {"grammar"},
    "evaluators": {"grammar", "evaluators"},
    "search": {"grammar", "evaluators", "search"},
    "scripts": {"grammar", "evaluators", "search"},
}
DOORS = {
    "ray": {"evaluators/ray_pool.py"},
    "yaml": {"search/settings.py"},
    "sqlite3": {"search/store.py"},
    "mnist1d": {"evaluators/mnist1d.py"},
    "sympy": {"grammar/symbolic.py"},
    "click": {"search/command_line.py"},
}
MODULES = sorted(path for room in ROOMS for path in Path(room).rglob("*.py"))


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_run_one_way(path: Path) -> None:
    assert _imports(path) & set(ROOMS) <= MAY_IMPORT[path.parts[0]]


@pytest.mark.parametrize("thing", DOORS)
def test_each_foreign_thing_has_one_door(thing: str) -> None:
    assert {str(path) for path in MODULES if thing in _imports(path)} <= DOORS[thing]


def test_modules_stay_small() -> None:
    sizes = {str(path): len(path.read_text().splitlines()) for path in MODULES}
    assert max(sizes.values()) <= 300, max(sizes, key=lambda name: sizes[name])
    assert statistics.median(sizes.values()) <= 150


def test_the_top_level_is_what_was_agreed() -> None:
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.split()
    assert {name.split("/")[0] for name in listed} <= {
        *ROOMS, "configs", "tests", "README.md", "pyproject.toml", "Makefile", "constraints.txt", "LICENSE",
        ".gitignore", ".ci",
    }  # fmt: skip


def test_every_module_says_what_it_holds() -> None:
    assert all(ast.get_docstring(ast.parse(path.read_text())) for path in MODULES)
