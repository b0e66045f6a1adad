"""Import an exported JAX or Flax file and compute its numbers, compiled.

Arguments: the file, the class, the points, the answer, the function.
"""

import runpy
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]


def main() -> None:
    """Compute values and slopes in every precision, try the Flax module, and write the numbers."""
    path, name, points, answer, function = sys.argv[1:6]
    exported = runpy.run_path(path)
    with np.load(points) as stored:
        stored_inputs, scalars, names = stored["inputs"], stored["scalars"], stored["names"]
    answers: dict[str, Any] = {}
    kinds = ("value", *(f"slope_{one}" for one in names))
    for dtype in ("float64", "float32", "bfloat16", "float16"):
        inputs = [jnp.asarray(x).astype(dtype) for x in stored_inputs]
        inputs += [jnp.broadcast_to(jnp.asarray(row).astype(dtype), inputs[0].shape) for row in scalars]
        value, back = jax.vjp(jax.jit(exported[function]), *inputs)
        assert value.dtype == dtype, f"it returns {value.dtype} for {dtype}"
        for kind, numbers in zip(kinds, (value, *back(jnp.ones_like(value))), strict=True):
            answers[f"{kind}_{dtype}"] = np.asarray(numbers.astype("float64"))
    if name in exported:  # a Flax module
        xs = [jnp.asarray(x) for x in stored_inputs]
        module = exported[name](channels=xs[0].shape[1]) if len(scalars) else exported[name]()
        state = module.init(jax.random.PRNGKey(0), *xs)
        for parameter, row in zip(names[len(xs) :], scalars, strict=True):
            size = len(state["params"][str(parameter)])
            state["params"][str(parameter)] = jnp.asarray(row[:size])
        applied = np.asarray(module.apply(state, *xs))
        assert np.allclose(applied, answers["value_float64"], rtol=1e-9, equal_nan=True), "its module differs"
    np.savez(answer, **answers)


if __name__ == "__main__":
    main()
