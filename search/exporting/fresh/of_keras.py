"""Import an exported Keras file and compute its numbers; save a model with its layer, and load it.

Arguments: the file, the class, the points, the answer, the function. Slopes are computed only with the torch backend.
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
    """Compute the numbers in every precision, save and load a model, and write the numbers."""
    path, name, points, answer, function = sys.argv[1:6]
    exported = runpy.run_path(path)
    with np.load(points) as stored:
        inputs, scalars, names = stored["inputs"], stored["scalars"], stored["names"]
    answers: dict[str, Any] = {}
    for dtype in ("float64", "float32", "bfloat16", "float16"):
        value = exported[function](*(ops.cast(one, dtype) for one in (*inputs, *scalars)))
        assert keras.backend.standardize_dtype(value.dtype) == dtype, f"it returns {value.dtype} for {dtype}"
        answers[f"value_{dtype}"] = np.asarray(ops.convert_to_numpy(ops.cast(value, "float64")))
        if keras.backend.backend() == "torch":
            answers |= _slopes(exported[function], (*inputs, *scalars), names, dtype)
    layer = exported[name](channels=inputs.shape[2]) if len(scalars) else exported[name]()
    placeholders = [keras.Input(inputs.shape[2:]) for _ in inputs]
    model = keras.Model(placeholders, layer(*placeholders))
    with tempfile.TemporaryDirectory() as directory:
        model.save(f"{directory}/model.keras")
        loaded = keras.models.load_model(f"{directory}/model.keras")
    ordinary = [one[:100].astype("float32") for one in inputs]
    assert np.array_equal(ops.convert_to_numpy(model(ordinary)), ops.convert_to_numpy(loaded(ordinary)))
    np.savez(answer, **answers)


if __name__ == "__main__":
    main()
