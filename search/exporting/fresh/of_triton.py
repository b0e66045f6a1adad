"""Import an exported file with Triton kernels and compute its numbers: on a GPU, or in Triton's interpreter.

Arguments: the file, the class, the points, the answer. Imports torch and Triton.
"""

import os
import runpy
import sys
import warnings
from typing import Any

import numpy as np
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"


def main() -> None:
    """Do it."""
    path, name, given, answer = sys.argv[1:5]
    warnings.simplefilter("ignore")  # the interpreter is NumPy's: infinities are said
    make = runpy.run_path(path)[name]
    with np.load(given) as asked:
        x, betas = torch.from_numpy(asked["x"]), torch.from_numpy(asked["betas"])
    found: dict[str, Any] = {}
    # Triton's interpreter cuts a number off where a GPU rounds it to bfloat16
    for dtype in (torch.float32, torch.float16, *([torch.bfloat16] if DEVICE == "cuda" else [])):
        kind = str(dtype).removeprefix("torch.")
        inputs = x.to(DEVICE, dtype).requires_grad_()
        module = make(channels=x.shape[1]).to(DEVICE, dtype) if len(betas) else make().to(DEVICE, dtype)
        if len(betas):
            with torch.no_grad():
                module.beta.copy_(betas)
        value = module(inputs)
        (slope,) = torch.autograd.grad(value, inputs, torch.ones_like(value))
        found |= {f"value_{kind}": value.detach().double().cpu().numpy(), f"slope_{kind}": slope.double().cpu().numpy()}
        if len(betas):
            found[f"beta_{kind}"] = _slope_of_beta(make, inputs.detach(), betas, dtype)
    if len(betas):
        _check_sums(make, torch.randn(3, 5, 700, device=DEVICE))
    np.savez(answer, **found)


def _slope_of_beta(make: object, x: torch.Tensor, betas: torch.Tensor, dtype: torch.dtype) -> Any:
    assert callable(make)
    columns = []
    for column, beta in enumerate(betas.tolist()):
        module = make(channels=len(x), dimension=0, beta=beta).to(DEVICE, dtype)
        value = module(x[:, column])
        columns.append(torch.autograd.grad(value, module.beta, torch.ones_like(value))[0].double().cpu())
    return torch.stack(columns, 1).numpy()


def _check_sums(make: object, x: torch.Tensor) -> None:
    """One beta a layer and one a channel get the sums that torch computes in double precision."""
    assert callable(make)
    for channels in (1, 5):
        modules = [make(channels=channels).to(DEVICE, dtype) for dtype in (torch.float32, torch.float64)]
        for module, inputs in zip(modules, (x, x.double()), strict=True):
            module(inputs).sum().backward()
        assert torch.allclose(modules[0].beta.grad.double(), modules[1].beta.grad, rtol=1e-4, atol=1e-3)


if __name__ == "__main__":
    main()
