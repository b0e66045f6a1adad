"""Load a binary that was made of an exported file, and compute its numbers in single precision, all as it starts.

Arguments: the binary, the kind, the points, the answer, and for safetensors the file and the class.
"""

import runpy
import sys
from typing import Any

import numpy as np


def _value(kind: str, target: str, given: Any, rest: list[str]) -> Any:
    if kind == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(target)
        (found,) = session.run(None, {one.name: x for one, x in zip(session.get_inputs(), given, strict=True)})
        return np.asarray(found)
    import torch

    inputs = [torch.from_numpy(x) for x in given]
    if kind == "torchscript":
        return np.asarray(torch.jit.load(target)(*inputs).detach())  # type: ignore[no-untyped-call]
    if kind == "export":
        return np.asarray(torch.export.load(target).module()(*inputs).detach())
    from safetensors.torch import load_file

    module = runpy.run_path(rest[0])[rest[1]]()
    module.load_state_dict(load_file(target))
    return np.asarray(module(*inputs).detach())


def main() -> None:
    """Do it."""
    target, kind, given, answer, *rest = sys.argv[1:]
    with np.load(given) as asked:
        given_inputs = [*asked["inputs"].astype("float32")]
    value = _value(kind, target, given_inputs, rest)
    short = _value(kind, target, [x[:7] for x in given_inputs], rest)
    assert np.allclose(value[:7], short, rtol=1e-5, equal_nan=True), "another shape"
    np.savez(answer, value_float32=value.astype("float64"))


if __name__ == "__main__":
    main()
