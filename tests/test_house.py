"""The house: imports run one way, each foreign thing has one door, modules stay small, the README is executed."""

import ast
import json
import re
import runpy
import shlex
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from actsearch.search.command_line import main
from actsearch.search.memory.store import Store
from actsearch.search.settings.reading import load_settings
from actsearch.search.settings.space import build_space
from tests.test_tiny import TINY

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
        "evaluators/pools/ray_pool.py",
        "scripts/benchmarks/rivals.py",
        "scripts/benchmarks/throughput.py",
        "scripts/studies/tuning.py",  # a sweep with Ray Tune
    },
    "tensorboardX": {"search/show/event_files.py"},
    "yaml": {"search/settings/reading.py"},
    "sqlite3": {"search/memory/store.py"},
    "mnist1d": {"evaluators/data/mnist1d.py"},
    "sympy": {"grammar/symbolic.py"},
    "pickle": {"evaluators/data/cifar.py"},
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
    rooms = {name.split(".")[1] for name in _imported(path) if name.startswith("actsearch.")}
    assert rooms | _imports(path) & set(ROOMS) <= MAY_IMPORT[path.parts[0]]


@pytest.mark.parametrize("path", sorted({*MODULES, *Path("tests").rglob("*.py"), Path("README.md")}), ids=str)
def test_nothing_is_imported_by_the_name_of_its_folder(path: Path) -> None:
    assert not re.findall(r"(?:^|[\"'`;]) *(?:from|import) (?:grammar|evaluators|search)\b", path.read_text(), re.M)


def test_every_package_is_installed() -> None:
    listed = set(tomllib.loads(Path("pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    packages = {path.parent for room in ROOMS[:3] for path in Path(room).rglob("__init__.py")} - {Path("search/api")}
    assert listed == {"actsearch", *(".".join(("actsearch", *path.parts)) for path in packages)}


def test_no_run_needs_a_study() -> None:
    inside = [path for path in MODULES if path.parts[0] != "scripts" and "benchmark" not in path.parts]
    assert not [str(path) for path in inside if "search.benchmark" in path.read_text()]


@pytest.mark.parametrize("thing", DOORS)
def test_each_foreign_thing_has_one_door(thing: str) -> None:
    assert {str(path) for path in MODULES if thing in _imports(path)} <= DOORS[thing]


def _signposts() -> Iterator[tuple[Path, str]]:
    """Every place a text points to: ``search.memory.store``, or ``store`` where a module's docstring says (``store``)."""
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
        *ROOMS, "configs", "tests", "README.md", "pyproject.toml", "Makefile", "constraints.txt", "LICENSE",
        ".gitignore", ".ci",
    }  # fmt: skip


def test_every_module_says_what_it_holds() -> None:
    assert all(ast.get_docstring(ast.parse(path.read_text())) for path in MODULES)


README = Path("README.md").read_text()
BASH = "\n".join(re.findall(r"^```bash\n(.*?)^```$", README, re.DOTALL | re.MULTILINE))
COMMANDS = [line for line in BASH.splitlines() if line.startswith("actsearch ")]


@pytest.fixture(scope="module")
def as_a_newcomer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as a clone is after `make search`, with a small run; every name in it is the README's."""
    here = tmp_path_factory.mktemp("newcomer")
    with pytest.MonkeyPatch.context() as patch:
        (here / "configs").symlink_to(Path("configs").resolve())
        for text in re.findall(r"^```(?:python|yaml)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE):
            if name := re.match(r"# (\S+\.(?:py|yaml))\n", text):
                (here / name[1]).write_text(text)
        patch.chdir(here)
        main(["search", "configs/quickstart.yaml", *TINY])
    return here


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_does_its_job_with_the_names_it_has_there(
    command: str, as_a_newcomer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In small; whole, and in a clean clone, `scripts/run_readme.py` runs them in CI."""
    words = shlex.split(command, comments=True)[1:]
    small = {"search": TINY, "evaluate": ["--steps=2", "--pool=serial", "--set=task.batch=32"]}
    small["transfer"] = ["--steps=2", "--seeds=1", "--pool=serial"]
    small["space"] = ["--set=space.primitives=[identity,sigmoid,mul]"]
    monkeypatch.chdir(as_a_newcomer)
    main([*words, *small.get(words[0], [])])
    assert words[0] != "export" or (as_a_newcomer / "activation.py").is_file()


def test_the_commands_of_the_readme_are_given_to_one_shell_as_they_stand() -> None:
    script = runpy.run_path("scripts/run_readme.py")["shell_script"](README)
    lines = script.splitlines()
    assert lines[0] == "set -eo pipefail"
    assert [line for line in lines if line in BASH.splitlines() and line] == [
        line for line in BASH.splitlines() if line
    ]
    assert {"make search", "make test", "make help"} <= {line.partition(" #")[0].strip() for line in lines}
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", README, re.DOTALL))
def test_every_yaml_of_the_readme_can_be_used(block: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(block)
    assert build_space(load_settings(tmp_path / "c.yaml").space).count(()) > 0


def test_the_readmes_own_network_and_data_are_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (source,) = re.findall(r"```python\n(# my_task.py\n.*?)```", README, re.DOTALL)
    (config,) = (text for text in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if "my_task.py" in text)
    assert len(source.splitlines()) < 15
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_task.py").write_text(source)
    (tmp_path / "mine.yaml").write_text(config)
    main(["evaluate", "gelu", "relu", "--config", "mine.yaml", "--pool", "serial", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert all(row["accuracy"] > 0.85 for row in found)


def test_the_readme_names_every_logged_number(as_a_newcomer: Path) -> None:
    with Store(as_a_newcomer / "runs" / "quickstart") as store:
        logged = {name for record in store.outcomes().values() for name in record.outcome.metrics}
        logged |= {name for record in store.outcomes().values() for name in record.outcome.diagnostics}
        updates = {name for metrics in store.updates().values() for name in metrics}
    # numbers of a choice are named by its position, and by the primitive
    logged |= {re.sub(r"^(entropy|probability)/[^/]+", r"\1/POSITION", name) for name in updates}
    logged = {re.sub(r"/POSITION/.+", "/POSITION/PRIMITIVE", name) for name in logged}
    assert {"test_loss", "gradient_norm", "dead_share"} <= logged
    assert all(f"`{name}`" in README for name in logged), logged


@pytest.mark.slow
def test_the_readmes_study_is_what_its_rows_say() -> None:
    script = [sys.executable, "-m", "scripts.studies.proxy", "report"]
    printed = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    table = printed[printed.index("| proxy, one seed") : printed.index("\n\n| initialisation")]
    assert len(table.splitlines()) > 15
    assert table in README


@pytest.mark.parametrize("task", ["mnist1d", "mnist1d_mlp"])
def test_the_readmes_reliability_of_a_table_is_what_its_rows_say(task: str) -> None:
    script = [sys.executable, "-m", "scripts.studies.table", "report", "--task", task]
    printed = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    rows = [line for line in printed.splitlines() if line.startswith("| best ")]
    assert printed.startswith("7007 children of 3995 functions")
    assert len(rows) == 2
    assert all(f"| {task} {row}" in README for row in rows)


@pytest.mark.parametrize("study", ["rediscovery", "challengers"])
def test_a_study_of_the_readme_is_what_its_runs_say(study: str) -> None:
    script = [sys.executable, "-m", f"scripts.studies.{study}", "report"]
    printed = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    rows = [line for line in printed.splitlines() if line.startswith("| ")]
    said = [line.strip() for line in printed.splitlines() if line and not line.startswith("|")]
    assert len(rows) > 20
    assert all(row in README for row in rows)
    assert all(line in " ".join(README.split()) for line in said), said


def test_every_file_the_readme_names_is_there() -> None:
    rooms = {path.name for room in (*ROOMS, "configs", "tests") for path in Path(room).rglob("*")}
    named = set(re.findall(r"`(?:\w+/)*(\w+\.(?:py|yaml))`", README))
    assert named <= rooms | {"activation.py"}, named - rooms
