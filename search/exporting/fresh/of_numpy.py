"""Import an exported file of NumPy's and compute its numbers.

Arguments: the file, the function, the points, the answer.
"""

import runpy
import sys

import numpy as np


def main() -> None:
    """Do it."""
    path, name, given, answer = sys.argv[1:5]
    exported = runpy.run_path(path)
    with np.load(given) as asked:
        x, betas = asked["x"], asked["betas"]
    found = {}
    for dtype in ("float64", "float32", "float16"):
        more = [betas.astype(dtype)] if len(betas) else []
        names = {"value": name, "slope": f"{name}_slope", "beta": f"{name}_slope_of_beta"}
        for kind, function in names.items():
            if function in exported:
                value = exported[function](x.astype(dtype), *more)
                assert value.dtype == dtype, f"it returns {value.dtype} for {dtype}"
                found[f"{kind}_{dtype}"] = value.astype(np.float64)
    assert exported[name](np.array([1, 2])).dtype == np.float64
    assert exported[name](np.float32(0.5)).shape == ()
    assert exported[name](np.zeros((0, 3))).shape == (0, 3)
    np.savez(answer, **found)


if __name__ == "__main__":
    main()
