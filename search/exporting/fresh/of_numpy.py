"""Import an exported NumPy file and compute its numbers.

Arguments: the file, the points, the answer, and the functions of the value and of every slope.
"""

import runpy
import sys

import numpy as np


def main() -> None:
    """Compute values and slopes in every precision, try other inputs, and write the numbers."""
    path, points, answer, *functions = sys.argv[1:]
    exported = runpy.run_path(path)
    with np.load(points) as stored:
        inputs, scalars, names = stored["inputs"], stored["scalars"], stored["names"]
    answers = {}
    for dtype in ("float64", "float32", "float16"):
        arguments = [one.astype(dtype) for one in (*inputs, *scalars)]
        for kind, function in zip(("value", *(f"slope_{name}" for name in names)), functions, strict=True):
            value = exported[function](*arguments)
            assert value.dtype == dtype, f"it returns {value.dtype} for {dtype}"
            answers[f"{kind}_{dtype}"] = value.astype(np.float64)
    first, more = exported[functions[0]], [2.0] * (len(inputs) - 1)
    assert first(np.array([1, 2]), *more).dtype == np.float64
    assert first(np.float32(0.5), *more).shape == ()
    assert first(np.zeros((0, 3)), *more).shape == (0, 3)
    np.savez(answer, **answers)


if __name__ == "__main__":
    main()
