"""The kernel computes what torch computes: every operation, every known activation, and a whole child in training."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.native import compiler, layout
from actsearch.evaluators.native.child import NativeChild
from actsearch.evaluators.native.compiler import NotNativeError, is_available, library
from actsearch.evaluators.native.layout import BLOCK, OPERATIONS, REGISTERS
from actsearch.evaluators.native.tape import DIRECT, NUMBERED, tape_of
from actsearch.evaluators.networks.resnet1d import STAGES, ResNet1d
from actsearch.evaluators.outcome import Request, Status, child_seed
from actsearch.evaluators.registry import resolve, resolve_network
from actsearch.evaluators.settings import TaskSettings
from actsearch.evaluators.training import train_population
from actsearch.grammar.function import Function, function_of
from actsearch.grammar.primitive import Primitive
from actsearch.grammar.program import node
from actsearch.grammar.rows.known import KNOWN, read, read_rows
from actsearch.grammar.rows.sets import VOCABULARY
from actsearch.grammar.rows.swish2017 import BINARY, UNARY
from tests.grammar.computing import at
from tests.grammar.test_whole_functions import LEADERS
from tests.grammar.test_whole_functions import POINTS as FAR

native = pytest.mark.skipif(not is_available(), reason="no C compiler here: torch trains the children")
NOT_NATIVE = {"i0e", "i1e"}  # Bessel functions: C's library has none of them


def _run(function: Function, x: torch.Tensor, beta: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Value, df/dx and df/dbeta by the kernel's own tape, of up to 256 points; whatever the memory held before."""
    first, second = (_run_in(function, x, beta, rest) for rest in (3.7e5, float("nan")))
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
    return first


def _run_in(
    function: Function, x: torch.Tensor, beta: float, rest: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    tape = tape_of(function)
    work = torch.full((2 * REGISTERS * BLOCK + 16,), rest)
    work = work[-(work.data_ptr() // 4) % 16 :]
    work[: len(x)], work[BLOCK : 2 * BLOCK] = x, beta
    found = [torch.zeros(BLOCK) for _ in range(3)]
    pointers = [ctypes.c_void_p(part.data_ptr()) for part in found]
    library().run_tape(ctypes.byref(tape), ctypes.c_void_p(work.data_ptr()), *pointers)
    value, slope, by_beta = (part[: len(x)] for part in found)
    return value, slope, by_beta if tape.by_beta else torch.zeros(len(x))


def _by_torch(function: Function, x: torch.Tensor, beta: float) -> list[torch.Tensor]:
    """The same by torch's autograd, in the precision of x."""
    points = x.clone().requires_grad_()
    betas = torch.full_like(points, beta).requires_grad_()
    value = at(function, points, betas)
    slopes = torch.autograd.grad(value.sum(), [points, betas], allow_unused=True) if value.requires_grad else [None] * 2
    return [value.detach(), *(torch.zeros(len(x)) if slope is None else slope for slope in slopes)]


def _assert_equal(function: Function, x: torch.Tensor, beta: float) -> None:
    """As near to the truth, which is double precision, as torch's own single precision, or nearer than 3e-5."""
    triple = zip(
        _run(function, x, beta), _by_torch(function, x, beta), _by_torch(function, x.double(), beta), strict=True
    )
    for found, single, truth in triple:
        known = torch.isfinite(truth) & (truth.abs() < 1e30)
        assert bool((torch.isfinite(found) == torch.isfinite(single))[known].all())
        known &= torch.isfinite(single)
        size = float(truth[known].abs().max()) if bool(known.any()) else 0.0
        inexact = float((single.double() - truth)[known].abs().max()) if bool(known.any()) else 0.0
        torch.testing.assert_close(
            found[known].double(), truth[known].double(), rtol=3e-5, atol=3e-6 * (1 + size) + 4 * inexact
        )


POINTS = torch.cat([torch.linspace(-5, 5, 121) + 0.0123, torch.tensor([0.001, -0.001, 9.7, -9.7])])


@native
@pytest.mark.parametrize("name", KNOWN)
def test_every_known_activation_has_torchs_value_and_slopes(name: str) -> None:
    for beta in (1.0, 0.3, -0.8):
        _assert_equal(function_of(read(name)), POINTS, beta)


@native
@pytest.mark.parametrize(
    "row", [r for r in VOCABULARY if r.arity and r.name not in NOT_NATIVE], ids=lambda row: row.name
)
def test_every_primitive_has_torchs_value_and_slopes(row: Primitive) -> None:
    text = f"{row.name}(x)" if row.arity == 1 else f"{row.name}(shift(x),sin(x))"
    _assert_equal(function_of(read(text)), POINTS, 0.7)


@native
@pytest.mark.parametrize("name", [row.name for row in BINARY])
def test_every_binary_primitive_of_a_number_has_torchs_value_and_slopes(name: str) -> None:
    for text in (f"{name}(x,0.5)", f"{name}(-1.3,x)", f"{name}(shift(x),{name}(2,0.25))"):
        _assert_equal(function_of(read_rows(text)), POINTS, 0.7)


@native
@pytest.mark.parametrize("text", [*LEADERS, *KNOWN])
def test_far_out_the_kernel_is_finite_wherever_torch_is(text: str) -> None:
    function, x = function_of(read(text)), torch.tensor(FAR)
    for found, expected in zip(_run(function, x, 1.0), _by_torch(function, x, 1.0), strict=True):
        assert bool((torch.isfinite(found) | ~torch.isfinite(expected)).all())


@native
@settings(max_examples=60)
@given(
    binary=st.sampled_from([row.name for row in BINARY]),
    left=st.sampled_from(UNARY),
    right=st.sampled_from(UNARY),
)
def test_combinations_of_the_search_space_have_torchs_value_and_slopes(
    binary: str, left: Primitive, right: Primitive
) -> None:
    written = [f"{row.name}(x)" if row.arity else row.name for row in (left, right)]
    x = torch.linspace(-2.2, 2.2, 97) + 0.0071
    _assert_equal(function_of(read(f"{binary}({','.join(written)})")), x, 0.6)


@native
@pytest.mark.parametrize(
    "code",
    ["a * beta.detach()", "torch.copysign(a, beta)", "a * (a > beta).to(a.dtype)", "torch.copysign(torch.sin(a), a)"],
)
def test_beta_is_read_where_it_has_no_gradient(code: str) -> None:
    row = Primitive("own", 1, code, "a")
    _assert_equal(function_of(read("add(own(x),x)", (row,))), POINTS, 0.4)


def test_a_gradient_through_the_weight_of_a_lerp_is_left_to_torch() -> None:
    with pytest.raises(NotNativeError, match="lerp"):
        tape_of(function_of(read("own(x)", (Primitive("own", 1, "torch.lerp(a, beta, torch.sigmoid(a))", "a"),))))


@native
@pytest.mark.parametrize("row", [r for r in VOCABULARY if r.name in NOT_NATIVE], ids=lambda row: row.name)
def test_what_c_has_no_function_for_is_left_to_torch(row: Primitive) -> None:
    with pytest.raises(NotNativeError, match="no operation"):
        tape_of(function_of(read(f"{row.name}(x)")))


def test_every_instruction_of_the_kernel_is_an_operations() -> None:
    assert {*DIRECT.values(), *NUMBERED.values(), "CONSTANT"} == {*OPERATIONS}
    assert {*DIRECT, *NUMBERED} <= {*node.OPERATIONS}


@native
@pytest.mark.parametrize(
    ("name", "value"), [("OPERATIONS", layout.OPERATIONS[::-1]), ("WIDEST", 256), ("MOST_BATCH", 2048), ("STAGES", 4)]
)
def test_a_kernel_that_knows_other_structures_or_limits_is_not_used(
    name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, name, value)
    with pytest.raises(ValueError, match=r"the kernel and layout\.py differ"):
        layout.declare(library())


@native
def test_the_kernels_functions_take_what_they_are_declared_to_take_alone() -> None:
    with pytest.raises(ctypes.ArgumentError):
        library().run_tape(1.5, 0, 0, 0, 0)


def test_the_network_of_the_kernel_has_as_many_stages_as_the_modules() -> None:
    assert layout.STAGES == STAGES


def _scores(texts: tuple[str, ...], steps: int, **changes: str) -> list[float]:
    requests = [Request(text, child_seed(5, text, 0), steps, test=True) for text in texts]
    outcomes = train_population(requests, resolve(TaskSettings(diagnostics=False, **changes)))  # type: ignore[arg-type]
    assert all(outcome.status is Status.SCORED for outcome in outcomes)
    return [value for outcome in outcomes for value in outcome.metrics.values()]


@native
def test_a_child_of_the_kernel_equals_the_child_of_torch() -> None:
    texts = ("silu", "swish", "tanh", "cos_minus_x", "relu", "prelu", "div(x,cosh(x))", "div(sigmoid(x),softplus(x))")
    for ours, theirs in zip(_scores(texts, 4, kernel="native"), _scores(texts, 4, kernel="torch"), strict=True):
        assert ours == pytest.approx(theirs, rel=2e-4)


@native
@pytest.mark.slow
def test_after_all_its_steps_a_smooth_child_still_equals_torchs() -> None:
    ours, theirs = (_scores(("silu",), 250, kernel=kernel) for kernel in ("native", "torch"))
    assert ours == pytest.approx(theirs, rel=1e-3)


@native
@pytest.mark.parametrize(
    "changes", [{"width": 16}, {"batch": 64}, {"weight_decay": 0.3, "clip": 0.05}, {"examples": 96}]
)
def test_the_kernel_follows_the_settings_as_torch_does(changes: dict[str, int]) -> None:
    found = []
    for kernel in ("native", "torch"):
        task = TaskSettings(**({"batch": 32} | changes), kernel=kernel, diagnostics=False)  # type: ignore[arg-type]
        (outcome,) = train_population([Request("silu", 7, 5)], resolve(task))
        found.append(outcome.score)
    assert found[0] == pytest.approx(found[1], rel=2e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"batch": 20},
        {"width": 12},
        {"width": 64},
        {"optimiser": "sgd"},
        {"name": "digits"},
        {"beta_decay": 0.0},
        {"precision": "float64"},
        {"precision": "bfloat16"},
    ],
    ids=str,
)
def test_what_the_kernel_cannot_do_torch_does_and_asking_for_the_kernel_says_why(changes: dict[str, int]) -> None:
    task = TaskSettings(**changes)  # type: ignore[arg-type]
    (outcome,) = train_population([Request("relu", 7, 2)], resolve(task))
    assert (outcome.status, outcome.trained_by) == (Status.SCORED, "torch")
    with pytest.raises(ValueError, match=r"key 'task.kernel': .* use auto or torch"):
        train_population([Request("relu", 7, 2)], resolve(TaskSettings(**changes, kernel="native")))  # type: ignore[arg-type]


@native
def test_a_network_with_other_layers_than_the_kernel_lays_out_is_refused_not_read_beyond_its_end() -> None:
    data, order = resolve_network(TaskSettings()).data, torch.zeros(1, 32, dtype=torch.int64)
    with torch.random.fork_rng(devices=[]):
        network = ResNet1d(data.class_count, lambda channels, dimension=None: torch.nn.ReLU())
    with pytest.raises(NotNativeError, match="lays out 32 parameters, the network has 25"):
        NativeChild(network, BUILT_IN.read("relu").function, data.train, order, resolve(TaskSettings()).settings)


@pytest.fixture
def _fresh_compiler() -> Iterator[None]:
    compiler._attempt.cache_clear()
    yield
    compiler._attempt.cache_clear()


@pytest.mark.usefixtures("_fresh_compiler")
def test_without_a_compiler_torch_trains_the_child(monkeypatch: pytest.MonkeyPatch, tiny_task: TaskSettings) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert not is_available()
    with pytest.raises(NotNativeError, match="no C compiler found"):
        library()
    assert train_population([Request("relu", 7, 2)], resolve(tiny_task))[0].status is Status.SCORED


@native
@pytest.mark.usefixtures("_fresh_compiler")
def test_a_compiler_that_fails_is_named_with_its_first_complaint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ACTSEARCH_CACHE", str(tmp_path))
    broken = tmp_path / "broken-cc"
    broken.write_text("#!/bin/sh\necho 'out of order' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    with pytest.raises(NotNativeError, match="broken-cc' failed: out of order"):
        library()
    assert list(tmp_path.iterdir()) == [broken]


@pytest.mark.usefixtures("_fresh_compiler")
def test_a_cache_that_cannot_be_written_costs_the_kernel_alone(
    monkeypatch: pytest.MonkeyPatch, tiny_task: TaskSettings
) -> None:
    monkeypatch.setenv("ACTSEARCH_CACHE", "/proc/nowhere")
    assert not is_available()
    assert train_population([Request("relu", 7, 2)], resolve(TaskSettings(name="digits")))[0].status is Status.SCORED


@native
@pytest.mark.usefixtures("_fresh_compiler")
def test_the_kernel_is_compiled_once_and_found_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ACTSEARCH_CACHE", str(tmp_path))
    library()
    (path,) = tmp_path.glob("kernel-*.so")
    made = path.stat().st_mtime_ns
    compiler._attempt.cache_clear()
    library()
    assert path.stat().st_mtime_ns == made


def _train_in_another_process(cache: Path) -> str:
    program = (
        "from actsearch.evaluators.outcome import Request; from actsearch.evaluators.registry import resolve; "
        "from actsearch.evaluators.settings import TaskSettings; "
        "from actsearch.evaluators.training import train_population; "
        "print(train_population([Request('silu', 7, 3)], resolve(TaskSettings(batch=32, kernel='native')))[0].score)"
    )
    environment = os.environ | {"ACTSEARCH_CACHE": str(cache)}
    answer = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    return answer.stdout


@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied", "another one's"])
def test_a_kept_kernel_that_is_not_whole_is_not_found_again(damage: str, tmp_path: Path) -> None:
    contents = bytes(range(256)) * 300
    path = tmp_path / compiler._name("key", contents)
    path.write_bytes(contents)
    assert compiler._kept(tmp_path, "key") == path
    flipped = contents[:40_000] + bytes([255 - contents[40_000]]) + contents[40_001:]
    damaged = {"truncated": contents[:50_000], "flipped": flipped, "emptied": b"", "another one's": contents + b"more"}
    path.write_bytes(damaged[damage])
    assert compiler._kept(tmp_path, "key") is None
    assert not path.exists()


@native
def test_a_damaged_kernel_is_never_loaded_but_compiled_anew(tmp_path: Path) -> None:
    before = _train_in_another_process(tmp_path)
    (path,) = tmp_path.glob("kernel-*.so")
    contents = path.read_bytes()
    path.write_bytes(contents[:50_000])
    assert _train_in_another_process(tmp_path) == before
    (mended,) = tmp_path.glob("kernel-*.so")
    assert mended.read_bytes() == contents
