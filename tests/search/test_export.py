"""An exported file: under whatever name it is asked for, whole or not at all, equal to what was trained."""

import copy
import importlib.util
import os
import subprocess
import warnings
from pathlib import Path

import pytest
import torch

import actsearch
from actsearch.grammar.expression import Expression
from actsearch.grammar.formats.c_file import c_source
from actsearch.grammar.formats.discovery import Discovery
from actsearch.grammar.formats.torch_body import function_lines
from actsearch.grammar.formats.torch_file import torch_source
from actsearch.grammar.function import function_of
from actsearch.grammar.primitive import Primitive
from actsearch.grammar.rows.known import read
from actsearch.search.command_line import main
from actsearch.search.exporting import shipping
from actsearch.search.exporting.placing import BadTarget
from actsearch.search.exporting.proof import ExportFailed, Proof
from actsearch.search.exporting.reference import weak_spot
from actsearch.search.exporting.shipping import ship


def shipped(text: str | Expression, path: Path, *, whole: bool = False, force: bool = False) -> Proof:
    expression = read(text) if isinstance(text, str) else text
    return ship(Discovery(expression), {"torch": path}, whole=whole, force=force)["torch"]


@pytest.mark.parametrize("name", ["activation.py", "./here.py", "out/deep/activation.py", "../beside.py"])
def test_a_relative_name_is_written_where_the_command_was_started(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert max(shipped("swish", Path(name)).gaps.values()) <= 1
    assert "class Activation" in (here / name).read_text()
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("source", ["import grammar_of_nobody", "raise SystemExit", "import actsearch.grammar.parse"])
def test_an_export_that_fails_leaves_nothing_not_even_a_directory(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shipping, "torch_source", lambda *_, **__: source)
    with pytest.raises(ExportFailed, match="cannot be used alone"):
        shipped("silu", Path("out/deep/a.py"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_differs_is_not_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true_source = torch_source(Discovery(read("silu")))
    monkeypatch.setattr(shipping, "torch_source", lambda *_, **__: true_source.replace("silu(x)", "mish(x)"))
    with pytest.raises(ExportFailed, match="differs from 'mul"):
        shipped("silu", tmp_path / "f.py")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_put_in_its_place_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(BadTarget, match="cannot be written: No space left on device"):
        shipped("silu", tmp_path / "out" / "deep" / "a.py")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_file_is_not_replaced_by_one_nor_a_file_without_force(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for target in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(BadTarget, match="is no ordinary file"):
            shipped("silu", target, force=True)
    assert (tmp_path / "pipe").is_fifo()
    with pytest.raises(BadTarget, match="cannot be written: No such file or directory"):
        shipped("silu", Path("/proc/a/b.py"))
    (tmp_path / "mine.py").write_text("mine")
    with pytest.raises(BadTarget, match="is there already; name another file, or say --force to replace it"):
        shipped("silu", tmp_path / "mine.py")
    assert (tmp_path / "mine.py").read_text() == "mine"


@pytest.mark.parametrize("text", ["gate(sinh(x),scale(x))", "gate(exp(x),x)", "div(exp(x),cosh(x))"])
def test_a_file_is_compared_far_out_where_the_row_inside_overflows(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_source = torch_source(Discovery(read(text)))
    assert "hardtanh" in true_source
    assert shipped(text, tmp_path / "f.py").gaps["float64"] <= 1
    monkeypatch.setattr(shipping, "torch_source", lambda *_, **__: true_source.replace("69.0", "700.0"))
    with pytest.raises(ExportFailed, match="differs from"):
        shipped(text, tmp_path / "g.py")


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
    shipped("silu", tmp_path / "link.py", force=True)
    assert (tmp_path / "link.py").is_symlink()
    assert "class Activation" in (tmp_path / "real.py").read_text()
    assert (tmp_path / "real.py").stat().st_mode & 0o777 == 0o640
    shipped("silu", tmp_path / ("n" * 250 + ".py"))


def _module(text: str, path: Path) -> torch.nn.Module:
    path.write_text(torch_source(Discovery(read(text))))
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
    assert _one(module)(torch.tensor(0.5)).shape == ()


def _one(module: torch.nn.Module) -> torch.nn.Module:
    return type(module)()


def _copied(module: torch.nn.Module) -> torch.nn.Module:
    """Return a module with the same state, taken over by name."""
    other = copy.deepcopy(module)
    other.load_state_dict(module.state_dict())
    return other


def test_betas_are_trained_per_channel_and_their_dimension_is_never_a_guess(tmp_path: Path) -> None:
    module = _module("swish", tmp_path / "swish.py")
    module(torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0))).sum().backward()
    (beta,) = module.parameters()
    assert beta.grad is not None
    assert beta.grad.shape == (4,)
    assert bool((beta.grad != 0).all())
    for wrong in (torch.zeros(4), torch.zeros(2, 3)):
        with pytest.raises(ValueError, match="expected 4 channels in dimension 1, found the shape"):
            module(wrong)
    with pytest.raises(ValueError, match="channels may be in dimension 1 or -1 of"):
        module(torch.zeros(2, 4, 4))  # (B, T, C) where T is C
    make = type(module)
    last = make(channels=4, dimension=-1)
    assert last(torch.zeros(2, 4, 4)).shape == (2, 4, 4)
    with pytest.raises(ValueError, match="expected 4 channels in dimension -1, found the shape"):
        last(torch.zeros(2, 4, 5))
    frozen = make(channels=4, beta=1, frozen=True, inplace=True, dtype=torch.float64)
    assert frozen.beta.dtype == torch.float64
    assert not frozen.beta.requires_grad
    assert make(channels=True).state_dict()["beta"].shape == (1,)  # where torch's own take inplace
    assert repr(make(channels=4)) == "Activation(x·σ(βx), channels=4, dimension=1)"


def test_two_headers_of_one_name_are_not_taken_for_one() -> None:
    first, second = (c_source(Discovery(read(text))) for text in ("mul(x,tanh(x))", "mul(x,sin(x))"))
    guards = [next(line for line in text.splitlines() if line.startswith("#ifndef")) for text in (first, second)]
    assert guards[0] != guards[1]


def test_a_file_reads_as_if_a_person_had_written_it() -> None:
    assert function_lines(read("swish")) == ["return x * torch.sigmoid(beta * x)"]
    assert function_lines(read("silu")) == ["return torch.nn.functional.silu(x)"]
    assert function_lines(read("add(sin(x),sin(x))")) == ["sin_x = torch.sin(x)", "return sin_x + sin_x"]
    source = torch_source(Discovery(read("sinc(x)")))
    assert ":=" not in source
    assert source.startswith('"""sinc(x).\n')
    assert "torch's own gelu, equal up to rounding" in torch_source(Discovery(read("gelu")))


def test_a_small_start_is_not_rounded_away() -> None:
    assert "beta: float = 4e-07" in torch_source(Discovery(read("swish"), starts=(4e-7,)))


def test_learned_betas_start_the_module_and_stand_in_a_table() -> None:
    source = torch_source(Discovery(read("swish"), starts=(1.75,), layers=((0.5, 1.5, 3.0), (1.0, 2.0, 2.5))))
    scope: dict[str, type[torch.nn.Module]] = {}
    exec(source, scope)
    assert [beta.tolist() for beta in scope["Activation"]().parameters()] == [[1.75]]
    assert "    layer 2      1.0000    2.0000    2.5000" in source


def test_a_function_is_exported_without_any_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["export", "--expression", "x*sigmoid(beta*x)", "-o", str(tmp_path / "f.py")])
    said = capsys.readouterr().out
    assert said.startswith("x·σ(βx), mul(x,sigmoid(scale(x)))\n")
    assert "value and gradient" in said
    assert "in float64, float32, bfloat16, float16" in said
    for words in (["RUN"], [], ["RUN", "1", "--expression", "x"], ["--expression", "x", "--learned"]):
        with pytest.raises(SystemExit) as stopped:
            main(["export", *words, "-o", str(tmp_path / "g.py")])
        assert stopped.value.code == 2


@pytest.mark.parametrize(
    "text",
    [
        "gate(asinh(x),scale(x))",
        "gate(neg(softplus(x)),square(x))",
        "mul(cube(x),sigmoid(x))",
        "gate(logabs(x),cube(x))",
    ],
)
@pytest.mark.slow
def test_onnx_is_exact_where_a_small_sigmoid_meets_a_large_factor(text: str, tmp_path: Path) -> None:
    """onnxruntime's sigmoid is wrong by 1.5e-8, which a factor makes visible; asinh grows slowly enough for it."""
    import onnxruntime  # noqa: PLC0415  two seconds that other tests save

    found = actsearch.export(text, tmp_path / "f.onnx", to="onnx")["onnx"]
    session = onnxruntime.InferenceSession(str(found), providers=["CPUExecutionProvider"])
    x = torch.cat([sign * torch.logspace(-6, 4, 400, dtype=torch.float64) for sign in (-1, 1)]).float()
    given = {one.name: x[:, None].numpy() for one in session.get_inputs()}
    (got,) = session.run(None, given)
    wanted = function_of(actsearch.read(text).as_expression()).at_start(x.double())
    finite = wanted.abs() < 1e30
    torch.testing.assert_close(torch.from_numpy(got).double()[:, 0][finite], wanted[finite], rtol=2e-5, atol=1e-5)


def test_headers_of_c_are_named_by_their_files_so_that_one_program_can_hold_several(tmp_path: Path) -> None:
    for name in ("mish", "swish", "exp"):
        actsearch.export("gelu" if name == "exp" else name, tmp_path / f"{name}.h", to="c")
    (tmp_path / "both.c").write_text(
        '#include <stdio.h>\n#include "mish.h"\n#include "swish.h"\n#include "exp.h"\n'
        'int main(void) { printf("%f %f %f\\n", mish(1.0), swish(1.0, 1.0), my_exp(1.0)); return 0; }\n'
    )
    program = str(tmp_path / "both")
    subprocess.run(["cc", "-std=c99", "-Wall", "-Werror", "-o", program, str(tmp_path / "both.c"), "-lm"], check=True)
    said = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    one = torch.ones(())
    functional = torch.nn.functional
    expected = [float(f(one)) for f in (functional.mish, functional.silu, functional.gelu)]
    assert [float(number) for number in said] == pytest.approx(expected, abs=1e-5)
