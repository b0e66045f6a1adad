"""Import an exported file of Keras's and compute its numbers; save a model with its layer, and load it.

Arguments: the file, the class, the points, the answer, the function. Slopes are computed where the backend is torch.
"""

import os
import runpy
import sys
import tempfile
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from keras import ops


def _slopes(function: object, x: Any, betas: Any, dtype: str) -> dict[str, Any]:
    import torch

    assert callable(function)
    inputs = [torch.tensor(x, dtype=getattr(torch, dtype), requires_grad=True)]
    if len(betas):
        inputs.append(torch.tensor(betas, dtype=inputs[0].dtype).expand(x.shape).clone().requires_grad_())
    value = function(*inputs)
    slopes = torch.autograd.grad(value, inputs, torch.ones_like(value), allow_unused=True, materialize_grads=True)
    kinds = zip(("slope", "beta"), slopes, strict=False)
    return {f"{kind}_{dtype}": slope.double().numpy() for kind, slope in kinds}


def main() -> None:
    """Do it."""
    path, name, given, answer, function = sys.argv[1:6]
    exported = runpy.run_path(path)
    with np.load(given) as asked:
        x, betas = asked["x"], asked["betas"]
    found: dict[str, Any] = {}
    for dtype in ("float64", "float32", "bfloat16", "float16"):
        more = [ops.cast(betas, dtype)] if len(betas) else []
        value = exported[function](ops.cast(x, dtype), *more)
        assert keras.backend.standardize_dtype(value.dtype) == dtype, f"it returns {value.dtype} for {dtype}"
        found[f"value_{dtype}"] = np.asarray(ops.convert_to_numpy(ops.cast(value, "float64")))
        if keras.backend.backend() == "torch":
            found |= _slopes(exported[function], x, betas, dtype)
    layer = exported[name](channels=x.shape[1]) if len(betas) else exported[name]()
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    with tempfile.TemporaryDirectory() as directory:
        model.save(f"{directory}/model.keras")
        again = keras.models.load_model(f"{directory}/model.keras")
    ordinary = x[:100].astype("float32")
    assert np.array_equal(ops.convert_to_numpy(model(ordinary)), ops.convert_to_numpy(again(ordinary)))
    np.savez(answer, **found)


if __name__ == "__main__":
    main()
