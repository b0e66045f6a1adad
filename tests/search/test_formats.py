"""Every format, used where it will be used, as the manual's table says; what a format cannot hold is refused."""

import importlib.util
import json
import logging
import multiprocessing
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import actsearch
from actsearch.grammar.fault import Failed, NotInstalled, UserFault
from actsearch.grammar.formats.data_files import BadFile, json_source, read_json
from actsearch.grammar.formats.discovery import Discovery
from actsearch.grammar.formats.torch_file import torch_source
from actsearch.grammar.function import function_of
from actsearch.grammar.primitive import Primitive
from actsearch.grammar.rows.known import read
from actsearch.search.command_line import main
from actsearch.search.exporting import shipping
from actsearch.search.exporting.formats import FORMATS
from actsearch.search.exporting.reference import points
from actsearch.search.exporting.shipping import files_of, ship
from actsearch.search.memory.records import CLIMBED
from actsearch.search.memory.store import Store
from actsearch.search.ranking.learned import learned
from scripts.studies.formats import HEAD, MANUAL, WITH, row
from tests.search.made_runs import make_run
from tests.test_tiny import TINY

PROVED_ELSEWHERE = ("export", "keras", "onnx")
"""Formats whose proof starts another compiler or library, for many seconds."""
NEEDS = {asked: (*WITH[asked], *FORMATS[asked].needs) for asked in FORMATS}


@pytest.mark.parametrize(
    "asked",
    [pytest.param(asked, marks=[pytest.mark.slow] if asked in PROVED_ELSEWHERE else []) for asked in FORMATS],
)
def test_a_format_is_checked_as_the_manuals_table_says(asked: str, tmp_path: Path) -> None:
    for module in NEEDS[asked]:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    if asked == "c" and shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    (target,) = files_of([asked], tmp_path, "swish").values()
    proof = ship(Discovery(read("swish")), {asked: target})[asked]
    assert target.stat().st_size > 10
    assert not proof.complaints
    assert max(proof.gaps.values(), default=0.0) <= 1
    table = MANUAL.read_text().partition(HEAD)[2]
    said = next(line for line in table.splitlines() if line.startswith(f"| `{asked}` "))
    assert said.startswith(f"| {' | '.join(row(asked, proof))} | ")


@pytest.mark.parametrize(
    "asked",
    [pytest.param(asked, marks=[pytest.mark.slow] if asked in PROVED_ELSEWHERE else []) for asked in FORMATS],
)
def test_a_function_of_numbers_leaves_in_every_format(asked: str, tmp_path: Path) -> None:
    if any(importlib.util.find_spec(module) is None for module in NEEDS[asked]):
        pytest.skip("what checks it is not installed")
    if asked == "c" and shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    function = read("max(0.01*x, x*sigmoid(1.702*x)) - min(6, max(x, -1.5))/6")
    (target,) = files_of([asked], tmp_path, "numbers").values()
    proof = ship(Discovery(function), {asked: target})[asked]
    assert not proof.complaints
    assert max(proof.gaps.values(), default=0.0) <= 1


@pytest.mark.parametrize(
    ("asked", "broken"),
    [
        ("jax", "import jax.numpy as jnp\ndef activation(x, beta):\n    return jnp.asarray(x) + beta\n"),
        ("numpy", "import numpy as np\ndef activation(x, beta):\n    return np.asarray(x) * 2.0\n"),
        ("c", "static inline double activation(double x, double b) { return x * b; }\n"),
        ("sympy", "import sympy\nx, beta = sympy.symbols('x beta')\nf, slope = x, x\n"),
    ],
)
def test_a_file_that_is_wrong_is_left_nowhere(
    asked: str, broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if any(importlib.util.find_spec(module) is None for module in NEEDS[asked]):
        pytest.skip(f"{asked} is not installed")
    monkeypatch.setitem(FORMATS, asked, replace(FORMATS[asked], write=lambda _: broken))
    with pytest.raises(Failed):
        ship(Discovery(read("swish")), {asked: tmp_path / "deep" / "f"})
    assert list(tmp_path.iterdir()) == []


def test_where_a_run_was_is_told_without_breaking_the_file(tmp_path: Path) -> None:
    note = 'Found in the run \\ """ */ /* \' {x} %s \u202e\x00\u2028\udcff ???/'
    for asked in ("torch", "numpy", "c", "latex", "json"):
        if asked == "c" and shutil.which("cc") is None:
            continue
        ship(Discovery(read("swish"), notes=(note,)), {asked: tmp_path / asked}, whole=False)
        assert "{x} %s" in (tmp_path / asked).read_text(encoding="utf-8")


def test_what_a_format_lacks_is_said_in_a_sentence(tmp_path: Path) -> None:
    lacking = {"c": "i0e(x)", "keras": "i1e(x)", "onnx": "i0e(x)", "numpy": "zero(x)"}
    for asked, text in lacking.items():
        with pytest.raises(UserFault, match=r"has no 'i[01]e'|does not depend on x"):
            ship(Discovery(read(text)), {asked: tmp_path / "f"}, whole=False)
    own = Primitive("mine", 1, "torch.special.ndtr(a)", "(1 + erf(a/sqrt(2)))/2")
    with pytest.raises(UserFault, match=r"'torch.special.ndtr\(a\)' cannot be written for other stacks"):
        ship(Discovery(read("mine(x)", (own,))), {"numpy": tmp_path / "f"})
    assert list(tmp_path.iterdir()) == []


def test_a_stack_that_is_missing_is_named_with_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name in {"onnx", "jax"} else found(name, *rest)
    )
    with pytest.raises(NotInstalled, match=r"'onnx' cannot be made: onnx is not installed \(pip install 'actsearch"):
        ship(Discovery(read("silu")), {"onnx": tmp_path / "f.onnx"}, whole=False)
    proof = ship(Discovery(read("silu")), {"jax": tmp_path / "f.py"}, whole=False)["jax"]
    assert proof.missing == "jax is not installed (pip install 'actsearch[formats]')"
    assert (tmp_path / "f.py").exists()  # and the command says NOT CHECKED


def test_json_is_parsed_and_never_executed_and_what_is_damaged_is_refused() -> None:
    whole = json_source(
        Discovery(read("swish"), name="Found", starts=(1.5,), layers=((1.0, 1.5, 2.0),), facts={"run": "a"})
    )
    again = read_json(whole)
    assert (again.expression, again.name, again.starts, again.layers) == (
        read("swish"),
        "Found",
        (1.5,),
        ((1.0, 1.5, 2.0),),
    )
    data = json.loads(whole)
    changes: tuple[dict[str, object], ...] = (
        {"version": 2}, {"format": "other"}, {"tree": ["__import__('os')", "x"]}, {"tree": []}, {"tree": None},
        {"tree": ["sigmoid"]}, {"beta": {"start": "one"}}, {"beta": {"layers": [1]}}, {"name": "a b"}, {"name": 3},
        {"name": "class"}, {"facts": 3}, {"beta": {"start": float("nan")}},
        {"beta": {"start": 10**400}}, {"beta": {"start": 1e39}},
    )  # fmt: skip
    for change in changes:
        with pytest.raises(BadFile):
            read_json(json.dumps(data | change))
    for key in ("tree", "expression"):
        assert read_json(json.dumps({name: value for name, value in data.items() if name != key})) == again
    for text in ("", "[]", "3", "{", "[" * 100_000, '{"format": "actsearch-function"}'):
        with pytest.raises(BadFile):
            read_json(text)


TEXTS = (
    "swish", "silu", "softplus(asinh(x))", "div(expm1(x),cosh(scale(x)))", "elu(x)", "div(softplus(x),sigmoid(x))",
    "max(x,sin(x))", "min(max(expm1(x),one(x)),cosh(x))", "max(zero(x),asinh(x))",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("dynamo", [True, False])
@pytest.mark.parametrize("text", TEXTS)
def test_both_of_torchs_exporters_to_onnx_take_the_module(text: str, dynamo: bool, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    (tmp_path / "f.py").write_text(torch_source(Discovery(read(text))))
    module = _imported(tmp_path / "f.py")
    x = points()[:300].float()
    target = str(tmp_path / "f.onnx")
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if dynamo:
                program = torch.onnx.export(module, (x,), dynamo=True, verbose=False)
                assert program is not None
                program.save(target)
            else:
                torch.onnx.export(module, (x,), target, dynamo=False)
    finally:
        logging.disable(logging.NOTSET)
    session = onnxruntime.InferenceSession(target)
    (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    wanted = module(x).detach().numpy()
    known = np.isfinite(wanted)
    np.testing.assert_allclose(found[known], wanted[known], rtol=2e-5, atol=1e-6)


def _imported(path: Path) -> torch.nn.Module:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    made: torch.nn.Module = module.Activation()
    return made


def _elsewhere(module: torch.nn.Module, x: torch.Tensor, answers: "multiprocessing.Queue[list[float]]") -> None:
    answers.put(module(x).tolist())


@pytest.mark.slow
def test_a_module_goes_to_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "to_another.py").write_text(torch_source(Discovery(read("swish"))))
    monkeypatch.syspath_prepend(str(tmp_path))
    module, x = _imported(tmp_path / "to_another.py"), torch.linspace(-2, 2, 5)
    spawning = multiprocessing.get_context("spawn")
    answers = spawning.Queue()
    process = spawning.Process(target=_elsewhere, args=(module, x, answers))
    process.start()
    assert answers.get(timeout=120) == module(x).tolist()
    process.join()


@pytest.mark.slow
def test_inductor_compiles_one_graph_of_any_size(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("there is no C++ compiler")
    (tmp_path / "plain.py").write_text(torch_source(Discovery(read("mul(x,sigmoid(sinh(scale(x))))"))))
    program = (
        "import torch, plain\n"
        "module = plain.Activation()\n"
        "made = torch.compile(module, fullgraph=True, dynamic=True)\n"
        "for size in (7, 1000):\n"
        "    slopes = []\n"
        "    for f in (module, made):\n"
        "        x = torch.linspace(-4, 4, size, requires_grad=True)\n"
        "        f(x).sum().backward()\n"
        "        slopes.append(x.grad)\n"
        "    torch.testing.assert_close(*slopes)\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], cwd=tmp_path, check=True)


def test_several_formats_are_written_beside_each_other_and_a_known_mistake_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["export", "--expression", "x*tanh(x)", "--to", "json, latex,numpy", "-o", "found.json", "--name", "MyAct"])
    assert {path.name for path in tmp_path.iterdir()} == {"found.json", "found.tex", "found_numpy.py"}
    capsys.readouterr()
    main(["export", "--expression", "found.json", "--to", "sympy"])
    assert "NOT CHECKED" not in capsys.readouterr().out
    assert (tmp_path / "my_act_sympy.py").exists()
    main(["export", "--to", "list"])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(FORMATS)
    for words, said in (
        (["--to", "onxx"], "there is no format 'onxx'; did you mean 'onnx'?"),
        (["--to", "json", "-o", "found.json"], "'found.json' is there already; name another file, or say --force"),
        (
            ["--name", "Exp"],
            "'exp' means something else in Python or in C; expected another name than 'Exp', such as MyE",
        ),
        (["--name", "Mod"], "'modf' means something else in Python or in C; expected another name than 'Mod'"),
        (["--name", "Finite"], "'finite' means something else in Python or in C"),
        (["--name", "ValueError"], "'ValueError' means something else in Python or in C"),
        (["--name", "my act"], "the name must be one of a class, such as Activation, found 'my act'"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["export", "--expression", "x*tanh(x)", *words])
        assert stopped.value.code == 2
        assert said in capsys.readouterr().err.replace("\n", " ")
    assert shipping.files_of(["torch", "c"], None, "f") == {"torch": Path("f.py"), "c": Path("f.h")}


def test_learned_betas_come_from_the_run_with_a_line_a_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(tmp_path / "run")
    main(["search", "configs/quickstart.yaml", "--run", run, *TINY, "--set=baselines=[relu, swish]"])
    entry = next(entry for entry in actsearch.open_run(run).entries if entry.baseline and "swish" in entry.names)
    layers = learned(entry, function_of(read("swish")))
    monkeypatch.chdir(tmp_path)
    main(["export", run, "swish", "--learned", "--to", "torch,json", "-o", "learned"])
    module = _imported(tmp_path / "learned.py")
    (beta,) = (part.item() for part in module.parameters())
    assert beta == pytest.approx(sum(mean for _, mean, _ in layers) / len(layers), abs=1e-6)
    assert read_json((tmp_path / "learned.json").read_text()).layers == layers
    text = (tmp_path / "learned.py").read_text()
    assert [line.split()[1] for line in text.splitlines() if line.startswith("    layer ")] == [
        str(n + 1) for n in range(len(layers))
    ]
    assert "A baseline in the run run" in text
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["export", run, "relu", "--learned", "-o", "relu.py"])
    assert "'relu(x)' has no parameter; leave out --learned" in capsys.readouterr().err


def test_a_function_of_a_run_that_is_not_finished_is_said_to_be_mostly_luck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keep = Store.describe
    monkeypatch.setattr(Store, "describe", lambda store, facts: None if CLIMBED in facts else keep(store, facts))
    make_run(tmp_path / "run", monkeypatch)
    main(["export", str(tmp_path / "run"), "found", "--to", "json", "-o", str(tmp_path / "f.json")])
    said = capsys.readouterr().out
    assert "take care: it is the best so far, by" in said
    assert "unfinished: the same search command goes on with it" in said
