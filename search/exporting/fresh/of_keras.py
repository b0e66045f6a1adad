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


def _slopes(function: object, arguments: Any, names: Any, dtype: str) -> dict[str, Any]:
    import torch

    assert callable(function)
    kind, shape = getattr(torch, dtype), arguments[0].shape
    inputs = [torch.tensor(one, dtype=kind).expand(shape).clone().requires_grad_() for one in arguments]
    value = function(*inputs)
    slopes = torch.autograd.grad(value, inputs, torch.ones_like(value), allow_unused=True, materialize_grads=True)
    return {f"slope_{name}_{dtype}": slope.double().numpy() for name, slope in zip(names, slopes, strict=True)}


def main() -> None:
    """Do it."""
    path, name, given, answer, function = sys.argv[1:6]
    exported = runpy.run_path(path)
    with np.load(given) as asked:
        inputs, scalars, names = asked["inputs"], asked["scalars"], asked["names"]
    found: dict[str, Any] = {}
    for dtype in ("float64", "float32", "bfloat16", "float16"):
        value = exported[function](*(ops.cast(one, dtype) for one in (*inputs, *scalars)))
        assert keras.backend.standardize_dtype(value.dtype) == dtype, f"it returns {value.dtype} for {dtype}"
        found[f"value_{dtype}"] = np.asarray(ops.convert_to_numpy(ops.cast(value, "float64")))
        if keras.backend.backend() == "torch":
            found |= _slopes(exported[function], (*inputs, *scalars), names, dtype)
    layer = exported[name](channels=inputs.shape[2]) if len(scalars) else exported[name]()
    places = [keras.Input(inputs.shape[2:]) for _ in inputs]
    model = keras.Model(places, layer(*places))
    with tempfile.TemporaryDirectory() as directory:
        model.save(f"{directory}/model.keras")
        again = keras.models.load_model(f"{directory}/model.keras")
    ordinary = [one[:100].astype("float32") for one in inputs]
    assert np.array_equal(ops.convert_to_numpy(model(ordinary)), ops.convert_to_numpy(again(ordinary)))
    np.savez(answer, **found)


if __name__ == "__main__":
    main()
