"""An exported file: under whatever name it is asked for, whole or not at all, equal to what was trained."""

import copy
import importlib.util
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from actsearch.grammar.module_file import function_lines, module_source
from actsearch.grammar.primitive import Primitive
from actsearch.grammar.rows.known import read
from actsearch.search import export as export_module
from actsearch.search.command_line import main
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


def _module(text: str, path: Path) -> torch.nn.Module:
    export(read(text), path)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: torch.nn.Module = module.Activation(channels=4)
    return made


TEXTS = ("swish", "silu", "mul(sinc(x),sqrt(asinh(scale(x))))", "div(x,cosh(x))", "max(x,sin(x))", "mix(exp(x),beta)")


@pytest.mark.parametrize("text", TEXTS)
def test_a_file_can_be_scripted_copied_and_stands_where_another_stood(text: str, tmp_path: Path) -> None:
    module = _module(text, tmp_path / "written.py")
    x = torch.linspace(-3, 3, 24, dtype=torch.float64).view(2, 4, 3)
    module = module.double()
    wanted = module(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is being retired, and still used
        scripted = torch.jit.script(module)
        torch.jit.save(scripted, str(tmp_path / "written.pt"))
        again = torch.jit.load(str(tmp_path / "written.pt"))  # type: ignore[no-untyped-call]
    for other in (scripted, again, copy.deepcopy(module), _copied(module)):
        assert torch.equal(other(x), wanted)
    assert wanted.shape == x.shape


def _copied(module: torch.nn.Module) -> torch.nn.Module:
    """Return a module with the same state, taken over by name."""
    other = copy.deepcopy(module)
    other.load_state_dict(module.state_dict())
    return other


@pytest.mark.parametrize("text", TEXTS)
def test_a_number_comes_out_as_a_number(text: str, tmp_path: Path) -> None:
    export(read(text), tmp_path / "written.py")
    program = "import written, torch; print(tuple(written.Activation()(torch.tensor(0.5)).shape))"
    answer = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "()"


def test_a_file_reads_as_if_a_person_had_written_it() -> None:
    assert function_lines(read("swish")) == ["return x * torch.sigmoid(beta * x)"]
    assert function_lines(read("silu")) == ["return torch.nn.functional.silu(x)"]
    assert function_lines(read("add(sin(x),sin(x))")) == ["t1 = torch.sin(x)", "return t1 + t1"]
    source = module_source(read("sinc(x)"))
    assert ":=" not in source
    assert source.startswith('"""sinc(x): written by an activation search')


def test_a_function_is_exported_without_any_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["export", "--expression", "x*sigmoid(beta*x)", "-o", str(tmp_path / "f.py")])
    assert "class Activation, mul(x,sigmoid(scale(x))); value and gradient equal" in capsys.readouterr().out
    for words in (["RUN"], [], ["RUN", "1", "--expression", "x"]):
        with pytest.raises(SystemExit) as stopped:
            main(["export", *words, "-o", str(tmp_path / "g.py")])
        assert stopped.value.code == 2
