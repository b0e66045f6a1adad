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
    exported = runpy.run_path(path)
    make, plain = exported[name], exported.get("_plain")
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
    _check_transforms(make(), torch.randn(3, 5, device=DEVICE) + 0.013)
    if len(betas):
        assert make().double()(torch.ones(2, device=DEVICE)).dtype == torch.float64, "a float64 beta is narrowed"
        _check_sums(make, plain, torch.randn(3, 5, 700, device=DEVICE))
    np.savez(answer, **found)


def _slope_of_beta(make: object, x: torch.Tensor, betas: torch.Tensor, dtype: torch.dtype) -> Any:
    assert callable(make)
    columns = []
    for column, beta in enumerate(betas.tolist()):
        module = make(channels=len(x), dimension=0, beta=beta).to(DEVICE, dtype)
        value = module(x[:, column])
        columns.append(torch.autograd.grad(value, module.beta, torch.ones_like(value))[0].double().cpu())
    return torch.stack(columns, 1).numpy()


def _check_transforms(module: Any, x: torch.Tensor) -> None:
    """What the operator cannot do is done without it: torch.func, and the forward mode."""
    module = module.to(DEVICE)
    given = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(module(given).sum(), given)
    found = torch.func.vmap(torch.func.grad(module))(x.reshape(-1)).reshape(x.shape)
    tangent = torch.func.jvp(module, (x,), (torch.ones_like(x),))[1]
    for kind, other in (("vmap and grad", found), ("jvp", tangent)):
        assert torch.allclose(slope, other, rtol=1e-4, atol=1e-6), f"torch.func's {kind} is another slope"


def _check_sums(make: object, plain: object, x: torch.Tensor) -> None:
    """One beta a layer and one a channel get the sums that torch computes of what it is without kernels."""
    assert callable(make)
    assert callable(plain)
    for channels in (1, 5):
        module = make(channels=channels, beta=0.9).to(DEVICE)  # at 1 many a function has a kink
        (found,) = torch.autograd.grad(module(x).sum(), module.beta)
        beta = module.beta.detach().reshape(1, channels, 1).requires_grad_()
        (each,) = torch.autograd.grad(plain(x, beta.expand_as(x)).sum(), beta)
        every = beta.detach().expand_as(x).clone().requires_grad_()
        (of_each,) = torch.autograd.grad(plain(x, every).sum(), every)
        size = of_each.abs().sum_to_size(beta.shape).reshape(-1)  # what cancels in a sum is rounded as well
        gap = (found - each.reshape(-1)).abs()
        assert bool((gap <= 1e-5 * size + 1e-6).all()), f"betas' slopes differ by {float(gap.max()):.3g}"


if __name__ == "__main__":
    main()
