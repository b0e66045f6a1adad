"""Load a binary made from an exported file, and compute its numbers in single precision, at the start parameters.

Arguments: the binary, its kind, the points, the answer, and for safetensors the torch file and the class.
"""

import runpy
import sys
from typing import Any

import numpy as np


def _value(kind: str, target: str, arrays: Any, rest: list[str]) -> Any:
    if kind == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(target)
        (result,) = session.run(None, {one.name: x for one, x in zip(session.get_inputs(), arrays, strict=True)})
        return np.asarray(result)
    import torch

    inputs = [torch.from_numpy(x) for x in arrays]
    if kind == "torchscript":
        return np.asarray(torch.jit.load(target)(*inputs).detach())  # type: ignore[no-untyped-call]
    if kind == "export":
        return np.asarray(torch.export.load(target).module()(*inputs).detach())
    from safetensors.torch import load_file

    module = runpy.run_path(rest[0])[rest[1]]()
    module.load_state_dict(load_file(target))
    return np.asarray(module(*inputs).detach())


def main() -> None:
    """Compute the numbers for two shapes and write them."""
    target, kind, points, answer, *rest = sys.argv[1:]
    with np.load(points) as stored:
        inputs = [*stored["inputs"].astype("float32")]
    value = _value(kind, target, inputs, rest)
    short = _value(kind, target, [x[:7] for x in inputs], rest)
    assert np.allclose(value[:7], short, rtol=1e-5, equal_nan=True), "another shape"
    np.savez(answer, value_float32=value.astype("float64"))


if __name__ == "__main__":
    main()
