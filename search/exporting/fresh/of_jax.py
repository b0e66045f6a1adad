"""Import an exported file of JAX's or Flax's and compute its numbers, compiled.

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
    """Do it."""
    path, name, given, answer, function = sys.argv[1:6]
    exported = runpy.run_path(path)
    with np.load(given) as asked:
        x, betas = asked["x"], asked["betas"]
    found: dict[str, Any] = {}
    for dtype in ("float64", "float32", "bfloat16", "float16"):
        inputs = [jnp.asarray(x).astype(dtype)]
        if len(betas):
            inputs.append(jnp.broadcast_to(jnp.asarray(betas).astype(dtype), x.shape))
        value, back = jax.vjp(jax.jit(exported[function]), *inputs)
        assert value.dtype == dtype, f"it returns {value.dtype} for {dtype}"
        for kind, numbers in zip(("value", "slope", "beta"), (value, *back(jnp.ones_like(value))), strict=False):
            found[f"{kind}_{dtype}"] = np.asarray(numbers.astype("float64"))
    if name in exported:  # a module of Flax
        module = exported[name](channels=x.shape[1]) if len(betas) else exported[name]()
        state = module.init(jax.random.PRNGKey(0), jnp.asarray(x))
        if len(betas):
            state["params"]["beta"] = jnp.asarray(betas)
        applied = np.asarray(module.apply(state, jnp.asarray(x)))
        assert np.allclose(applied, found["value_float64"], rtol=1e-9, equal_nan=True), "its module differs"
    np.savez(answer, **found)


if __name__ == "__main__":
    main()
