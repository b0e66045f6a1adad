"""Functions drawn from the present spaces, and all known ones, as texts of every language: equal to what was trained.

Here the numbers are computed beside each other, in one process; that the files stand alone is seen in `test_export.py`.
"""

import ctypes
import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actsearch.grammar.expression import Expression
from actsearch.grammar.formats.array_files import jax_source, keras_source, numpy_source
from actsearch.grammar.formats.c_file import c_source
from actsearch.grammar.formats.data_files import json_source, read_json, sympy_source
from actsearch.grammar.formats.discovery import Discovery
from actsearch.grammar.formats.torch_body import lines_for_a_compiler, native
from actsearch.grammar.formats.torch_file import torch_source
from actsearch.grammar.function import function_of
from actsearch.grammar.program.writing import NotInLanguage
from actsearch.grammar.rows.known import KNOWN, read
from actsearch.grammar.rows.sets import VOCABULARY
from actsearch.search.exporting.fresh import of_torch
from actsearch.search.exporting.reference import (
    DTYPES,
    VALUE,
    Numbers,
    inputs_of,
    largest_gap,
    points,
    reference,
    scalars_of,
    slope_kinds,
    weak_spot,
)  # fmt: skip
from scripts.studies import formats

PARTS = 12
reference = functools.cache(reference)


@functools.cache
def drawn() -> tuple[Expression, ...]:
    """300 functions of x, a third of each of the present spaces; then a row each, then all that have a name."""
    rows = [read(f"{row.name}({','.join(['x', 'sin(x)'][: row.arity])})") for row in VOCABULARY if row.arity]
    return (*formats.drawn(100), *filter(formats.has_graph, rows), *map(read, KNOWN))


def _part(number: int, of: int = PARTS) -> tuple[Expression, ...]:
    return drawn()[number::of]


def _scope(source: str) -> dict[str, Any]:
    found: dict[str, Any] = {"__name__": "written"}
    exec(source, found)
    return found


def _torch_numbers(expression: Expression, inputs: torch.Tensor | None = None) -> dict[str, Any]:
    """What a file of torch's computes, at the points of a proof by default."""
    function, make = function_of(expression), _scope(torch_source(Discovery(expression)))["Activation"]
    inputs = inputs_of(function) if inputs is None else inputs
    return of_torch.numbers(make, inputs, scalars_of(function), [*function.names])


def _arguments(expression: Expression, dtype: str) -> list[np.ndarray[Any, Any]]:
    """What a function of NumPy's is called with."""
    function = function_of(expression)
    return [part.numpy().astype(dtype) for part in (*inputs_of(function), *scalars_of(function))]


def _named(expression: Expression) -> dict[str, str]:
    """Kind of number -> the function of an exported file that computes it."""
    discovery = Discovery(expression)
    kinds = (VALUE, *slope_kinds(discovery.function))
    return dict(zip(kinds, (discovery.function_name, *discovery.slope_names()), strict=True))


def _assert_equal(expression: Expression, numbers: Numbers, kinds: tuple[str, ...], **how: bool) -> None:
    gaps = largest_gap(numbers, reference(function_of(expression)), kinds=kinds, **{"exact": False, **how})
    assert max(gaps.values()) <= 1, f"{expression}: {gaps}"


@pytest.mark.parametrize("part", range(PARTS))
def test_a_file_of_torchs_has_the_value_and_slopes_that_were_trained_in_every_precision(part: int) -> None:
    for expression in _part(part):
        _assert_equal(expression, _torch_numbers(expression), (*DTYPES,), exact=not native(expression)[0])


def test_what_a_compiler_is_given_instead_has_the_same_value_and_slopes(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [expression for expression in drawn() if lines_for_a_compiler(expression)]
    assert len(others) > 30
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    for expression in others:
        _assert_equal(expression, _torch_numbers(expression), (*DTYPES,))


@pytest.mark.parametrize("part", range(PARTS))
def test_half_precision_is_finite_with_its_slope_wherever_the_true_value_can_be_written(part: int) -> None:
    for expression in _part(part):
        for name in ("float16", "bfloat16"):
            x = points()[:-5].to(DTYPES[name]).double()  # no infinities, and numbers that both can write
            found = _torch_numbers(expression, x[None])
            for kind in ("value", "slope_x"):
                truth, single, number = (
                    torch.from_numpy(found[f"{kind}_{precision}"]) for precision in ("float64", "float32", name)
                )
                known = truth.abs() < 0.99 * torch.finfo(DTYPES[name]).max
                if not bool(single[known].isfinite().all()):
                    assert weak_spot(expression), expression  # which export says
                    known &= single.isfinite()
                assert bool(number[known].isfinite().all()), f"{expression}: {kind} in {name}"


@pytest.mark.parametrize("part", range(4))
def test_numpy_has_the_same_values_and_its_slopes_are_those_of_autograd(part: int) -> None:
    for expression in _part(part, 4):
        scope, found = _scope(numpy_source(Discovery(expression))), dict[str, Any]()
        for dtype in ("float64", "float32", "float16"):
            for kind, name in _named(expression).items():
                with np.errstate(all="ignore"):
                    found[f"{kind}_{dtype}"] = scope[name](*_arguments(expression, dtype)).astype(np.float64)
        _assert_equal(expression, found, ("float64", "float32", "float16"))


@functools.cache
def _library(directory: Path) -> tuple[ctypes.CDLL, tuple[Expression, ...]]:
    """All of them in one library of C."""
    lines, kept = ["#include <stddef.h>"], list[Expression]()
    for n, expression in enumerate(drawn()):
        discovery = Discovery(expression, name=f"F{n}")
        count = len(discovery.function.names)
        try:
            lines.append(c_source(discovery))
        except NotInLanguage as refused:
            assert "i0e" in str(expression) or "i1e" in str(expression), refused  # noqa: PT017
            continue
        kept.append(expression)
        for kind, end in (("double", ""), ("float", "f")):
            for m, name in enumerate((discovery.function_name, *discovery.slope_names())):
                call = f"{name}{end}({', '.join(f'x[{place} * n + i]' for place in range(count))})"
                head = f"void run{n}_{m}{end}(size_t n, const {kind} *x, {kind} *y)"
                lines.append(f"{head} {{ for (size_t i = 0; i < n; i++) y[i] = {call}; }}")
    (directory / "all.c").write_text("\n".join(lines))
    words = ["cc", "-std=c99", "-O0", "-Wall", "-Wextra", "-Werror", "-pedantic", "-shared", "-fPIC"]
    subprocess.run([*words, "-o", directory / "all.so", directory / "all.c", "-lm"], check=True)
    return ctypes.CDLL(str(directory / "all.so")), tuple(kept)


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_c_has_the_same_values_and_slopes_in_both_precisions(tmp_path: Path) -> None:
    library, kept = _library(tmp_path)
    places = {expression: n for n, expression in enumerate(drawn())}
    for expression in kept:
        found = {}
        for dtype, end in (("float64", ""), ("float32", "f")):
            x = np.stack(np.broadcast_arrays(*_arguments(expression, dtype)))
            y = np.empty_like(x[0])
            for m, kind in enumerate(_named(expression)):
                run = library[f"run{places[expression]}_{m}{end}"]
                run(ctypes.c_size_t(y.size), ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data))
                found[f"{kind}_{dtype}"] = y.astype(np.float64)
        _assert_equal(expression, found, ("float64", "float32"))


def test_the_data_formats_give_back_the_function() -> None:
    for expression in drawn():
        discovery = Discovery(expression)
        again = read_json(json_source(discovery))
        assert again.expression == expression
        compile(sympy_source(discovery), "sympy", "exec")


def _few(every: int) -> tuple[Expression, ...]:
    return tuple(expression for expression in drawn()[::every] if not _has_bessel(expression))


def _has_bessel(expression: Expression) -> bool:
    return any(name in str(expression) for name in ("i0e", "i1e", "i0(", "i1("))


def compare_jax() -> None:
    """In a process of its own: JAX starts threads, and after that no process can be forked."""
    import jax  # noqa: PLC0415

    jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]
    for expression in _few(13):
        function, found = jax.jit(_scope(jax_source(Discovery(expression)))["activation"]), dict[str, Any]()
        for dtype in ("float64", "float32"):
            given = [jax.numpy.asarray(one) for one in np.broadcast_arrays(*_arguments(expression, dtype))]
            value, back = jax.vjp(function, *given)
            numbers = (value, *back(jax.numpy.ones_like(value)))
            for kind, one in zip(_named(expression), numbers, strict=True):
                found[f"{kind}_{dtype}"] = np.asarray(one).astype(np.float64)
        _assert_equal(expression, found, ("float64", "float32"), flushes=True)


def _look_at_keras_layers() -> None:
    """A layer keeps a mask; a model that is saved comes back with its own start, whatever else was read since."""
    import keras  # noqa: PLC0415

    one, other = (_scope(keras_source(Discovery(read("swish"), starts=(start,))))["Activation"] for start in (1.5, 0.5))
    x = np.ones((2, 3, 4), dtype="float32")
    x[0, 0] = 0
    model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Masking(), one(channels=4)])
    assert model(x)._keras_mask.tolist() == [[False, True, True], [True, True, True]]
    with tempfile.TemporaryDirectory() as directory:
        model.save(f"{directory}/model.keras")
        layer = keras.models.load_model(f"{directory}/model.keras").layers[-1]
    assert isinstance(layer, one)
    assert not isinstance(layer, other)
    with pytest.raises(ValueError, match="expected 4 channels in axis 7"):
        one(channels=4, axis=7)(x)


def compare_keras() -> None:
    """In a process of its own: Keras draws from torch's global generator while it is imported."""
    _look_at_keras_layers()
    for expression in _few(3):
        function, found = _scope(keras_source(Discovery(expression)))["activation"], dict[str, Any]()
        for dtype in ("float64", "float32"):
            arrays = np.broadcast_arrays(*_arguments(expression, dtype))
            given = [torch.tensor(one, requires_grad=True) for one in arrays]
            value = function(*given)
            slopes = torch.autograd.grad(
                value, given, torch.ones_like(value), allow_unused=True, materialize_grads=True
            )
            for kind, numbers in zip(_named(expression), (value.detach(), *slopes), strict=True):
                found[f"{kind}_{dtype}"] = numbers.double().numpy()
        _assert_equal(expression, found, ("float64", "float32"))


@pytest.mark.slow
@pytest.mark.parametrize("stack", ["jax", "keras"])
def test_jax_and_keras_have_the_same_values_and_slopes(stack: str) -> None:
    if importlib.util.find_spec(stack) is None:
        pytest.skip(f"{stack} is not installed")
    program = f"from tests.search.test_written_functions import compare_{stack}; compare_{stack}()"
    variables = {**os.environ, "JAX_PLATFORMS": "cpu", "KERAS_BACKEND": "torch"}
    words = [sys.executable, "-W", "ignore", "-c", program]
    answer = subprocess.run(words, env=variables, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
