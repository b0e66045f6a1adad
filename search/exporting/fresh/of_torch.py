"""Import an exported torch file, compute its numbers, and try the usual uses of a layer.

Arguments: the file, the class, the points, the answer, and ``value`` or ``whole``. Imports only torch and NumPy.
"""

import contextlib
import copy
import importlib.util
import io
import json
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
Make = Callable[..., Any]


def imported(path: str) -> Any:
    """Import a Python file by its path."""
    spec = importlib.util.spec_from_file_location("exported_function", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["exported_function"] = module
    spec.loader.exec_module(module)
    return module


def numbers(make: Make, points: torch.Tensor, scalars: torch.Tensor, names: list[str]) -> dict[str, Any]:
    """Return values and slopes in every precision.

    Args:
        make: class of the layer.
        points: inputs, ``(inputs, points, channels)``.
        scalars: value of each parameter by channel, ``(parameters, channels)``.
        names: names of the inputs, then of the parameters.
    """
    answers, parameters = {}, names[len(points) :]
    for name, dtype in DTYPES.items():
        inputs = [x.to(dtype, copy=True).requires_grad_() for x in points]
        module = make(channels=points.shape[2]).to(dtype) if parameters else make().to(dtype)
        with torch.no_grad():
            for parameter, row in zip(parameters, scalars, strict=True):
                values = getattr(module, parameter)
                values.copy_(row[: len(values)])
        value = module(*inputs)
        assert value.dtype == dtype, f"it returns {value.dtype} for {dtype}"
        slopes: Any = [torch.zeros_like(x) for x in inputs]
        if value.requires_grad:
            slopes = torch.autograd.grad(value, inputs, torch.ones_like(value), materialize_grads=True)
        answers[f"value_{name}"] = value.detach().double().numpy()
        answers |= {f"slope_{one}_{name}": slope.double().numpy() for one, slope in zip(names, slopes, strict=False)}
        if parameters:
            answers |= _slopes_of_parameters(make, [x.detach() for x in inputs], scalars, parameters, name)
    return answers


def _slopes_of_parameters(
    make: Make, inputs: list[torch.Tensor], scalars: torch.Tensor, parameters: list[str], name: str
) -> dict[str, Any]:
    """Return the slope by each parameter at every point; each point becomes a channel, with its own parameter."""
    columns: dict[str, list[torch.Tensor]] = {parameter: [] for parameter in parameters}
    for i, starts in enumerate(scalars.T.tolist()):
        module = make(channels=len(inputs[0]), dimension=0, **dict(zip(parameters, starts, strict=True)))
        module = module.to(DTYPES[name])
        value = module(*(x[:, i] for x in inputs))
        value.backward(torch.ones_like(value))
        for parameter, column in columns.items():
            gradient = getattr(module, parameter).grad
            assert gradient is not None
            column.append(gradient.double())
    a_channel = {parameter: column for parameter, column in columns.items() if len(column[0]) == len(inputs[0])}
    return {f"slope_{parameter}_{name}": torch.stack(column, 1).numpy() for parameter, column in a_channel.items()}


def shapes(make: Make, module: Any, x: torch.Tensor) -> None:
    """Check that inputs of other shapes and strides give the values of a flat input."""
    flat = module(x.reshape(-1)).detach()
    for variant in (
        x, x.reshape(2, 3, 4), x.reshape(2, 3, 2, 2), x.reshape(2, 3, 2, 2).to(memory_format=torch.channels_last),
        x.reshape(6, 4).T.contiguous().T, x[:0], x[0, 0],
    ):  # fmt: skip
        value = module(variant)
        assert value.shape == variant.shape
        expected = flat[: value.numel()]
        assert torch.allclose(value.reshape(-1), expected, rtol=1e-12, atol=1e-300), (
            f"another value with the shape {list(variant.shape)}"
        )
    expanded = x[0, 0].expand(3, 2)
    assert torch.allclose(module(expanded), module(x[0, 0]).expand(3, 2), rtol=1e-12)
    if dict(module.named_parameters()):
        wide = make(channels=3).double()
        with torch.no_grad():
            for parameter in wide.parameters():
                parameter.copy_(torch.tensor([0.5, 1.0, 2.0])[: len(parameter)])
        image = x.reshape(2, 3, 2, 2)
        last = make(channels=3, dimension=-1).double()
        last.load_state_dict(wide.state_dict())
        assert torch.allclose(wide(image), last(image.movedim(1, -1)).movedim(-1, 1), rtol=1e-12)
        for wrong in (x.reshape(2, 4, 3), x.reshape(4, 2, 3)[:3].reshape(2, 3, 3)):
            with contextlib.suppress(ValueError):
                wide(wrong)
                raise AssertionError(f"takes {list(wrong.shape)} for {wide.channels} channels")


def differentiated(module: Any, x: torch.Tensor) -> None:
    """Check first and second derivatives by finite differences."""
    leaf = x.detach().clone().requires_grad_()
    torch.autograd.gradcheck(module, (leaf,))
    torch.autograd.gradgradcheck(module, (leaf,), atol=1e-4)


def transformed(module: Any, x: torch.Tensor) -> None:
    """Check the transforms of ``torch.func``."""
    from torch.func import functional_call, grad, jvp, vmap

    assert torch.allclose(vmap(module)(x), module(x), rtol=1e-12)
    slope = vmap(grad(module))(x.reshape(-1))
    tangent = jvp(module, (x,), (torch.ones_like(x),))[1].reshape(-1)
    assert torch.allclose(slope, tangent, equal_nan=True)
    state = {name: part.detach() for name, part in module.named_parameters()}
    assert torch.equal(functional_call(module, state, (x,)), module(x))


def copied(make: Make, module: Any, x: torch.Tensor) -> None:
    """Check copies, pickles, saved state dicts and data-parallel modules."""
    expected = module(x)
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    buffer.seek(0)
    other = make().double()
    other.load_state_dict(torch.load(buffer, weights_only=True))
    for duplicate in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), other, torch.nn.DataParallel(module)):  # noqa: S301
        assert torch.equal(duplicate(x), expected)


def compiled(module: Any, x: torch.Tensor) -> None:
    """Check ``torch.compile`` in one graph with changing shapes, symbolic tracing, and a call with ``input=``."""
    traced = torch.fx.symbolic_trace(torch.nn.Sequential(module))
    assert torch.equal(traced(x), module(input=x))
    fast: Any = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    for variant in (x, x[:3], x.T.contiguous()):
        assert torch.allclose(fast(variant), module(variant), rtol=1e-9)


def scripted(module: Any, x: torch.Tensor) -> None:
    """Check that the module can be scripted, saved and loaded with TorchScript."""
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(module), buffer)
    buffer.seek(0)
    assert torch.allclose(torch.jit.load(buffer)(x), module(x), rtol=1e-12)  # type: ignore[no-untyped-call]


def under_autocast(module: Any, x: torch.Tensor) -> None:
    """Check that the output keeps the input's precision under autocast."""
    with torch.autocast("cpu", torch.bfloat16):
        assert module.float()(x.bfloat16()).dtype == torch.bfloat16
    module.double()


def _complaint(name: str, check: Callable[[], None]) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check()
    except BaseException as fault:
        message = (str(fault).strip().splitlines() or [type(fault).__name__])[0]
        yield f"{name}: {message}"


def main() -> None:
    """Compute the numbers, run the checks, and write numbers and complaints."""
    path, name, points, answer, extent = sys.argv[1:6]
    exported = imported(path)
    make = getattr(exported, name)
    with np.load(points) as stored:
        inputs, scalars = torch.from_numpy(stored["inputs"]), torch.from_numpy(stored["scalars"])
        names, smooth = [str(one) for one in stored["names"]], bool(stored["differentiable"])
    answers = numbers(make, inputs, scalars, names)
    torch.manual_seed(0)
    module, ordinary = make().double(), torch.randn(6, 4, dtype=torch.float64) + 0.013
    checks: dict[str, Callable[[], None]] = {"shapes": lambda: shapes(make, module, ordinary)}
    if len(inputs) > 1:  # the checks below are for a layer of one input, as a rectifier is
        checks, extent = {}, "value"
    if extent == "whole":
        checks |= {
            "gradcheck": (lambda: differentiated(module, ordinary)) if smooth else lambda: None,
            "torch.func": lambda: transformed(module, ordinary),
            "copies": lambda: copied(make, module, ordinary),
            "torch.compile": lambda: compiled(module, ordinary),
            "TorchScript": lambda: scripted(module, ordinary),
            "autocast": lambda: under_autocast(module, ordinary),
        }
    complaints = [line for label, check in checks.items() for line in _complaint(label, check)]
    np.savez(answer, **answers)
    Path(answer).with_suffix(".json").write_text(json.dumps({"complaints": complaints, "checked": [*checks]}))


if __name__ == "__main__":
    main()
