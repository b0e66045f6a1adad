"""The doors: what answers at once, what is said before anything is done, and what a next command looks like."""

import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import actsearch
from actsearch.evaluators.sentences import BadSettings
from actsearch.grammar.fault import Failed, UserFault
from actsearch.grammar.rows.sets import VOCABULARY
from actsearch.search.command_line import main
from actsearch.search.exporting.proof import ExportFailed
from actsearch.search.memory import provenance
from actsearch.search.memory.store import Store
from actsearch.search.plan import resolve as plan_of
from actsearch.search.settings.reading import load_settings, settings_of, to_json
from tests.test_tiny import TINY


def _refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(list(words))
    assert end.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--version"])
    assert capsys.readouterr().out == f"actsearch {metadata.version('actsearch')}\n"
    assert actsearch.__version__ == metadata.version("actsearch")


@pytest.mark.parametrize("words", [["--help"], ["search", "--help"], ["--version"], ["export", "-h"], ["serch"]])
def test_help_loads_neither_torch_nor_any_other_library_that_takes_seconds(words: list[str]) -> None:
    program = (
        "import sys; from actsearch.search.command_line import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'ray', 'sympy', 'numpy', 'scipy', 'pydantic', 'yaml'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, *words]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.endswith("[]\n")


def test_a_users_fault_and_a_job_that_failed_are_told_apart() -> None:
    assert issubclass(BadSettings, UserFault)
    assert issubclass(ExportFailed, Failed)
    assert not issubclass(Failed, UserFault)


def test_nothing_is_said_to_be_searched_before_it_was_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Path("configs/quickstart.yaml").resolve()
    monkeypatch.chdir(tmp_path)
    assert "key 'task.name': unknown task 'mnist'" in _refused(
        capsys, "search", str(config), "--set", "task.name=mnist"
    )
    missing = ["--set", "task.name=cifar10", "--set", "task.directory=nowhere"]
    assert "nowhere" in _refused(capsys, "search", str(config), *missing)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_setting_is_told_before_it_is_compared_with_what_a_run_was_started_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["search", "configs/quickstart.yaml", "--run", str(tmp_path / "run"), *TINY]
    main(words)
    capsys.readouterr()
    said = _refused(capsys, *words, "--set", "space.primitives=[swish207]")
    assert said == "actsearch: unknown set or primitive 'swish207', did you mean 'swish2017'?\n"
    assert "was started with other settings (seed: 0 -> 5)" in _refused(capsys, *words, "--set", "seed=5")


def test_code_that_stands_in_a_store_is_compared_and_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = json.loads(to_json(plan_of(load_settings(Path("configs/quickstart.yaml"))).settings))
    code = f"a if open('{tmp_path}/ran', 'w') else a"
    kept["space"]["own"] = [{"name": "mine", "arity": 1, "code": code, "formula": "a"}]
    with Store(tmp_path / "run", create=True) as store:
        store.describe({"settings": json.dumps(kept)})
    said = _refused(capsys, "search", "configs/quickstart.yaml", "--run", str(tmp_path / "run"))
    assert "was started with other settings (space.own" in said
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("strides=1", "unknown key 'strides'; "),
        ("task.structure=1", "unknown key 'task.structure'; "),
        ("task.own.string=1", "unknown key 'task.own.string'; "),
    ],
)
def test_a_key_that_begins_like_a_type_is_named(change: str, sentence: str) -> None:
    with pytest.raises(BadSettings) as fault:
        settings_of(None, [change])
    assert str(fault.value).startswith(sentence)


def test_next_commands_can_be_pasted_whatever_the_directory_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Path("configs/quickstart.yaml").resolve()
    monkeypatch.chdir(tmp_path)
    main(["search", str(config), "--run", "my [bold] runs", *TINY])
    assert "show 'my [bold] runs' 1\n" in capsys.readouterr().out
    main(["export", "my [bold] runs", "relu", "-o", "class.py"])
    said = capsys.readouterr().out
    assert "name it as a module: my_class.py" in said
    assert "export 'my [bold] runs' found -o class.py" in said


def test_every_primitive_is_listed_with_what_it_computes(capsys: pytest.CaptureFixture[str]) -> None:
    main(["primitives", "--json"])
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == {row.name for row in VOCABULARY}
    assert rows["gate"]["written"] == "gate(x,x)"
    assert rows["gate"]["sets"] == "swish2017"
    main(["primitives"])
    assert "gate(x,x)" in capsys.readouterr().out


def test_aliases_are_refused_before_they_fill_the_memory(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (tmp_path / "c.yaml").write_text("\n".join(lines))
    with pytest.raises(BadSettings, match=r"at most 100000 values, found .* when aliases are written out"):
        load_settings(tmp_path / "c.yaml")


@pytest.mark.parametrize("value", ["9" * 10_000, "2026-13-45", "[" * 5000])
def test_a_value_that_python_cannot_hold_is_the_users_fault(value: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"seed: {value}\n")
    with pytest.raises(BadSettings):
        load_settings(tmp_path / "c.yaml")
    with pytest.raises(BadSettings):
        settings_of(None, [f"seed={value}"])


def test_an_installed_copy_does_not_take_the_repository_around_it_for_its_own(tmp_path: Path) -> None:
    site = tmp_path / "site"
    for room in ("grammar", "evaluators", "search"):
        shutil.copytree(Path(room).resolve(), site / "actsearch" / room)
    shutil.copy(Path("search/api/__init__.py"), site / "actsearch" / "__init__.py")
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "theirs"]):
        subprocess.run(["git", *words], cwd=tmp_path, env={**os.environ, **identity}, check=True)
    program = "import actsearch.search.memory.provenance as p; print(p.__file__, p.provenance()['commit'])"
    command = [sys.executable, "-c", program]
    variables = {**os.environ, "PYTHONPATH": str(site)}
    answer = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True).stdout
    assert answer.split() == [str(site / "actsearch/search/memory/provenance.py"), "unknown"]


def test_a_checkout_knows_its_commit() -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert provenance.provenance()["commit"].removesuffix("-dirty") == head


def test_a_run_is_found_by_its_file_and_the_runs_of_a_directory_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "mine"
    main(["search", "configs/quickstart.yaml", "--run", str(run), *TINY])
    capsys.readouterr()
    main(["top", str(run), "--json"])
    by_directory = capsys.readouterr().out
    main(["top", str(run / "run.sqlite"), "--json"])
    assert capsys.readouterr().out == by_directory
    assert f"did you mean {run}?" in _refused(capsys, "top", str(tmp_path))


def test_a_config_in_another_encoding_is_no_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other.yaml").write_text("seed: 1\n")
    (tmp_path / "mine.yaml").write_bytes("# sch\u00f6n\nseed: 1\n".encode("latin1"))
    said = _refused(capsys, "search", str(tmp_path / "mine.yaml"))
    assert "expected text in UTF-8, found another encoding" in said
    assert "did you mean" not in said


def test_a_second_shape_is_refused_and_not_the_first_one_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["space", "--primitives", "swish2017", "--shape", "u(x)", "--shape", "b(x,x)"]
    assert "a space has one shape, found 2" in _refused(capsys, *words)
