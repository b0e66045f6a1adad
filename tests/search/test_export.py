"""An exported file: under whatever name it is asked for, whole or not at all, equal to what was trained."""

from pathlib import Path

import pytest

from actsearch.grammar.module_file import module_source
from actsearch.grammar.primitive import Primitive
from actsearch.grammar.rows.known import read
from actsearch.search import export as export_module
from actsearch.search.export import BadTarget, ExportFailed, export, weak_spot


@pytest.mark.parametrize("name", ["activation.py", "./here.py", "out/deep/activation.py", "../beside.py"])
def test_a_relative_name_is_written_where_the_command_was_started(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert export(read("swish"), Path(name)) == 0.0
    assert "class Activation" in (here / name).read_text()
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("source", ["import grammar_of_nobody", "raise SystemExit"])
def test_an_export_that_fails_leaves_nothing_not_even_a_directory(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(export_module, "module_source", lambda *_, **__: source)
    with pytest.raises(ExportFailed):
        export(read("silu"), Path("out/deep/a.py"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_put_in_its_place_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(BadTarget, match="cannot be written: No space left on device"):
        export(read("silu"), tmp_path / "out" / "deep" / "a.py")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["gate(sinh(x),scale(x))", "gate(exp(x),x)", "div(exp(x),cosh(x))"])
def test_a_file_is_compared_far_out_where_the_row_inside_overflows(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_source = module_source(read(text))
    assert "hardtanh" in true_source
    assert export(read(text), tmp_path / "f.py") == 0.0
    monkeypatch.setattr(export_module, "module_source", lambda *_, **__: true_source.replace("69.0", "700.0"))
    with pytest.raises(ExportFailed, match="differs from"):
        export(read(text), tmp_path / "f.py")


def test_where_the_file_is_not_what_is_written_is_said() -> None:
    assert weak_spot(read("gate(sinh(x),scale(x))")) == ""
    steep = Primitive("steep", 1, "torch.exp(a * a) / torch.exp(a * a)", "1")
    assert "its value is not finite in single precision" in weak_spot(read("mul(x,steep(x))", (steep,)))
    assert (
        weak_spot(read("logabs(exp(exp(x)))")) == "from about x = 4.3 on its value is held: a value inside passes 1e+30"
    )


def test_a_link_is_followed_and_a_files_mode_stays(tmp_path: Path) -> None:
    (tmp_path / "real.py").write_text("old")
    (tmp_path / "real.py").chmod(0o640)
    (tmp_path / "link.py").symlink_to("real.py")
    export(read("silu"), tmp_path / "link.py")
    assert (tmp_path / "link.py").is_symlink()
    assert "class Activation" in (tmp_path / "real.py").read_text()
    assert (tmp_path / "real.py").stat().st_mode & 0o777 == 0o640
    export(read("silu"), tmp_path / ("n" * 250 + ".py"))
