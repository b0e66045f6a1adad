"""The house: imports run one way, each foreign thing has one door, modules stay small.

Not here: what the READMEs say (``test_readmes``).
"""

import ast
import re
import statistics
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOMS = ("grammar", "evaluators", "search", "scripts")
MAY_IMPORT = {
    "grammar": {"grammar"},
    "evaluators": {"grammar", "evaluators"},
    "search": {"grammar", "evaluators", "search"},
    "scripts": {"grammar", "evaluators", "search", "scripts"},
}
DOORS = {
    # the benchmark measures Ray itself
    "ray": {
        "evaluators/pools/ray_door.py",
        "evaluators/pools/ray_pool.py",
        "scripts/benchmarks/rivals.py",
        "scripts/benchmarks/throughput.py",
        "scripts/benchmarks/peers.py",
        "scripts/studies/tuning.py",  # a sweep with Ray Tune
    },
    "pandas": {"search/show/frames.py", "search/show/listing.py"},
    "tensorboardX": {"search/show/event_files.py"},
    "jinja2": {"search/report/page.py"},
    "starlette": {"search/report/serving.py"},
    "uvicorn": {"search/report/patience.py", "search/report/serving.py"},
    "yaml": {"search/settings/reading.py"},
    "sqlite3": {"search/memory/file.py", "search/memory/schema.py", "search/memory/copies.py"},
    "mnist1d": {"evaluators/data/mnist1d.py"},
    "sympy": {"grammar/symbolic.py", "grammar/printing.py", "search/exporting/fresh/of_sympy.py"},
    "pickle": {
        "search/api/testing.py",
        "evaluators/data/cifar.py",
        "search/exporting/fresh/of_torch.py",
        "search/commands/swapping.py",
    },
    "ctypes": {"evaluators/allocator.py", *map(str, Path("evaluators/native").glob("*.py"))},
    "click": {"search/command_line.py", *map(str, Path("search/commands").glob("*.py"))},
}
MODULES = sorted(path for room in ROOMS for path in Path(room).rglob("*.py"))


def _imported(path: Path) -> list[str]:
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def _imports(path: Path) -> set[str]:
    return {name.split(".")[0] for name in _imported(path)}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_run_one_way(path: Path) -> None:
    public = {file.stem for file in Path("search/api").glob("*.py")}  # what stands in search/api is `actsearch` itself
    seconds = [name.split(".")[1] for name in _imported(path) if name.startswith("actsearch.")]
    rooms = {"search" if name in public else name for name in seconds}
    assert rooms | _imports(path) & set(ROOMS) <= MAY_IMPORT[path.parts[0]]


@pytest.mark.parametrize(
    "path",
    sorted({*MODULES, *Path("tests").rglob("*.py"), *Path().glob("[a-z]*/README.md"), Path("README.md")}),
    ids=str,
)
def test_nothing_is_imported_by_the_name_of_its_folder(path: Path) -> None:
    assert not re.findall(r"(?:^|[\"'`;]) *(?:from|import) (?:grammar|evaluators|search)\b", path.read_text(), re.M)


def test_every_package_is_installed() -> None:
    listed = set(tomllib.loads(Path("pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    packages = {path.parent for room in ROOMS[:3] for path in Path(room).rglob("__init__.py")} - {Path("search/api")}
    assert listed == {"actsearch", *(".".join(("actsearch", *path.parts)) for path in packages)}


@pytest.mark.parametrize("thing", DOORS)
def test_each_foreign_thing_has_one_door(thing: str) -> None:
    assert {str(path) for path in MODULES if thing in _imports(path)} <= DOORS[thing]


def _signposts() -> Iterator[tuple[Path, str]]:
    """Every place a text points to: ``search.memory.store``, or ``store`` where a module's docstring has it so."""
    for path in MODULES:
        text = path.read_text()
        for name in re.findall(r"``((?:grammar|evaluators|search|scripts)[./][\w./]*)``", text):
            yield path, name
        for name in re.findall(r"\(``(\w+)``\)", ast.get_docstring(ast.parse(text)) or ""):
            yield path, name


def test_every_signpost_points_to_what_is_there() -> None:
    places = {path.with_suffix("") for path in MODULES} | {path.parent for path in MODULES}
    known = {".".join(path.parts) for path in places} | {path.stem for path in places}
    signs = {(path, name) for path, name in _signposts() if not Path(name).exists()}
    assert len(signs) > 60
    assert not [f"{path}: {name}" for path, name in signs if name not in known]


def test_modules_stay_small() -> None:
    sizes = {str(path): len(path.read_text().splitlines()) for path in MODULES}
    assert max(sizes.values()) <= 300, max(sizes, key=lambda name: sizes[name])
    assert statistics.median(sizes.values()) <= 150


def test_the_top_level_is_what_was_agreed() -> None:
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.split()
    assert {name.split("/")[0] for name in listed} <= {
        *ROOMS, "configs", "docs", "tests", "README.md", "pyproject.toml", "Makefile", "constraints.txt", "LICENSE",
        ".gitignore", ".ci", ".github",
    }  # fmt: skip


def test_every_module_says_what_it_holds() -> None:
    assert all(ast.get_docstring(ast.parse(path.read_text())) for path in MODULES)
