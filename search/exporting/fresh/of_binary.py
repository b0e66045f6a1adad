"""Load a binary that was made of an exported file, and compute its numbers in single precision with beta as it starts.

Arguments: the binary, the kind, the points, the answer, and for safetensors the file and the class.
"""

import runpy
import sys
from typing import Any

import numpy as np


def _value(kind: str, target: str, x: Any, rest: list[str]) -> Any:
    if kind == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(target)
        (found,) = session.run(None, {session.get_inputs()[0].name: x})
        return np.asarray(found)
    import torch

    inputs = torch.from_numpy(x)
    if kind == "torchscript":
        return np.asarray(torch.jit.load(target)(inputs).detach())  # type: ignore[no-untyped-call]
    if kind == "export":
        return np.asarray(torch.export.load(target).module()(inputs).detach())
    from safetensors.torch import load_file

    module = runpy.run_path(rest[0])[rest[1]]()
    module.load_state_dict(load_file(target))
    return np.asarray(module(inputs).detach())


def main() -> None:
    """Do it."""
    target, kind, given, answer, *rest = sys.argv[1:]
    with np.load(given) as asked:
        x = asked["x"].astype("float32")
    value = _value(kind, target, x, rest)
    assert np.allclose(value[:7], _value(kind, target, x[:7], rest), rtol=1e-5, equal_nan=True), "another shape"
    np.savez(answer, value_float32=value.astype("float64"))


if __name__ == "__main__":
    main()
