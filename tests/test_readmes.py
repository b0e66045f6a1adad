"""What the READMEs say is executed, and what they say came out is what the rows of the studies say."""

import ast
import inspect
import json
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from actsearch.search.command_line import main
from actsearch.search.core import train_all
from actsearch.search.memory.store import Store
from actsearch.search.settings.reading import load_settings
from actsearch.search.settings.space import build_space
from tests.test_tiny import TINY

RUNNER = runpy.run_path("scripts/run_readme.py")
MANUALS = {name: Path(name).read_text() for name in RUNNER["READMES"]}
READMES = "\n".join(MANUALS.values())
STUDIES = MANUALS["scripts/README.md"]
BASH = "\n".join(re.findall(r"^```bash\n(.*?)^```$", READMES, re.DOTALL | re.MULTILINE))
NEWCOMER = [*TINY, "--set=baselines=[relu, swish]"]
COMMANDS = [line for line in BASH.splitlines() if line.startswith("actsearch ")]


@pytest.fixture(scope="module")
def as_a_newcomer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as a clone is after `make search`, with a small run; every name in it is the READMEs'."""
    here = tmp_path_factory.mktemp("newcomer")
    with pytest.MonkeyPatch.context() as patch:
        for folder in ("configs", "scripts"):
            (here / folder).symlink_to(Path(folder).resolve())
        for text in re.findall(r"^```(?:python|yaml)\n(.*?)^```$", READMES, re.DOTALL | re.MULTILINE):
            if name := re.match(r"# (\S+\.(?:py|yaml))\n", text):
                (here / name[1]).write_text(text)
        patch.chdir(here)
        main(["search", "configs/quickstart.yaml", *NEWCOMER])
    return here


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_does_its_job_with_the_names_it_has_there(
    command: str, as_a_newcomer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In small; whole, and in a clean clone, `scripts/run_readme.py` runs them."""
    words = shlex.split(command, comments=True)[1:]
    small = {"search": NEWCOMER, "evaluate": ["--steps=2", "--pool=serial", "--set=task.batch=32"]}
    small["transfer"] = ["--steps=2", "--seeds=1", "--pool=serial"]
    small["recommend"] = ["--steps=8", "--set=budget.trainings=24", "--set=pool.kind=serial"]
    small["space"] = ["--set=space.primitives=[identity,sigmoid,mul]"]
    monkeypatch.chdir(as_a_newcomer)
    main([*words, *small.get(words[0], [])])
    assert "-o" not in words or [*as_a_newcomer.glob(f"{words[words.index('-o') + 1]}*")]


def test_the_commands_of_the_readme_are_given_to_one_shell_as_they_stand() -> None:
    script = RUNNER["shell_script"](READMES)
    lines = script.splitlines()
    assert lines[0] == "set -eo pipefail"
    assert [line for line in lines if line in BASH.splitlines() and line] == [
        line for line in BASH.splitlines() if line
    ]
    assert {"make search", "make test", "make help"} <= {line.partition(" #")[0].strip() for line in lines}
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", READMES, re.DOTALL))
def test_every_yaml_of_the_readme_can_be_used(block: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(block)
    assert build_space(load_settings(tmp_path / "c.yaml").space).count(()) > 0


def test_the_readmes_own_network_and_data_are_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (source,) = re.findall(r"```python\n(# my_task.py\n.*?)```", READMES, re.DOTALL)
    (config,) = (text for text in re.findall(r"```yaml\n(.*?)```", READMES, re.DOTALL) if "my_task.py" in text)
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
    assert all(f"`{name}`" in READMES for name in logged), logged


@pytest.mark.nightly
def test_the_readmes_study_is_what_its_rows_say() -> None:
    script = [sys.executable, "-m", "scripts.studies.proxy", "report"]
    printed = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    table = printed[printed.index("| proxy, one seed") : printed.index("\n\n| initialisation")]
    assert len(table.splitlines()) > 15
    assert table in STUDIES


@pytest.mark.nightly
@pytest.mark.parametrize("task", ["mnist1d", "mnist1d_mlp"])
def test_the_readmes_reliability_of_a_table_is_what_its_rows_say(task: str) -> None:
    script = [sys.executable, "-m", "scripts.studies.table", "report", "--task", task]
    printed = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    rows = [line for line in printed.splitlines() if line.startswith("| best ")]
    assert printed.startswith("7007 children of 3995 functions")
    assert len(rows) == 2
    assert all(f"| {task} {row}" in STUDIES for row in rows)


@pytest.mark.nightly
@pytest.mark.parametrize("study", ["rediscovery", "challengers"])
def test_a_study_of_the_readme_is_what_its_runs_say(study: str) -> None:
    script = [sys.executable, "-m", f"scripts.studies.{study}", "report"]
    printed = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    rows = [line for line in printed.splitlines() if line.startswith("| ")]
    said = [line.strip() for line in printed.splitlines() if line and not line.startswith("|")]
    assert len(rows) > 20
    assert all(row in STUDIES for row in rows)
    assert all(line in " ".join(STUDIES.split()) for line in said), said


def test_the_front_door_is_short() -> None:
    assert len(MANUALS["README.md"].encode()) <= 6_000
    assert set(MANUALS) == {"README.md", *map(str, Path().glob("[a-z]*/**/README.md"))}


def test_the_loop_of_the_manual_is_the_driver() -> None:
    (loop,) = re.findall(r"```python\n(.*?)```", Path("docs/how_it_works.md").read_text(), re.DOTALL)
    lines = [line.partition("  #")[0].strip() for line in loop.splitlines()]
    source = [line.strip() for line in inspect.getsource(train_all).splitlines()]
    assert [line for line in source if line in lines] == lines


def test_every_file_that_is_named_is_there() -> None:
    rooms = [
        path
        for room in ("grammar", "evaluators", "search", "scripts", "configs", "tests")
        for path in Path(room).rglob("*")
    ]
    named = set(re.findall(r"`((?:\w+/)*\w+\.(?:py|yaml|csv|md))`", READMES)) - {"activation.py", "my_task.py"}
    named = {name for name in named if not name.startswith("NAME")}  # of the table of formats
    assert len(named) > 40
    assert {name for name in named if "/" in name and not Path(name).exists()} <= {
        name for name in named if Path("scripts", name).exists()
    }
    assert {Path(name).name for name in named} <= {path.name for path in rooms}


GALLERY = sorted(Path("docs/gallery").glob("*.py"))


@pytest.mark.parametrize("script", GALLERY, ids=lambda path: path.stem)
def test_an_example_of_the_gallery_is_short_and_begins_with_what_it_is(script: Path) -> None:
    """`make docs` runs each; `make nightly` does."""
    text = script.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    assert ast.get_docstring(ast.parse(text))
    assert f"{script.stem}.svg" in text


def test_the_gallery_is_numbered() -> None:
    assert [script.name[:2] for script in GALLERY] == [f"{number:02d}" for number in range(1, 9)]


@pytest.mark.parametrize("manual", [*MANUALS, "docs/how_it_works.md", ".github/CONTRIBUTING.md"])
def test_every_link_leads_somewhere(manual: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", Path(manual).read_text()):
        file, _, heading = target.partition("#")
        if not target.startswith("https://"):
            path = Path(manual).parent / file if file else Path(manual)
            assert path.exists(), target
            titles = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE) if heading else []
            assert not heading or heading in {
                re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles
            }
