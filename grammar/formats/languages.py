"""Syntax of the operations of a graph in each language.

If a language lacks an operation, a helper builds it from others. Not here: the files (one module per stack).
"""

import dataclasses

from actsearch.grammar.program.writing import Language

_SAME = ("sign", "exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "sinh", "cosh", "tanh")
BESSEL = dict.fromkeys(("i0e", "i1e"), "no exponentially scaled Bessel function, and none is written from what it has")


def _calls(module: str, further: dict[str, str]) -> dict[str, str]:
    return {name: f"{module}.{name}({{0}})" for name in _SAME} | further


_PLAIN_TORCH = Language(
    "torch",
    _calls("torch", {
        "abs": "torch.abs({0})", "pow": "torch.pow({0}, {1})", "asinh": "torch.asinh({0})",
        "root": "torch.hypot({0}, torch.ones_like({0}))", "atan": "torch.atan({0})", "erf": "torch.erf({0})",
        "erfc": "torch.erfc({0})", "i0e": "torch.special.i0e({0})", "i1e": "torch.special.i1e({0})",
        "sigmoid": "torch.sigmoid({0})", "softplus": "torch.nn.functional.softplus({0}, 1, 40)",
        "relu": "torch.relu({0})", "max": "_max({0}, {1})", "min": "_min({0}, {1})",
        "hold": "torch.nn.functional.threshold(torch.abs({0}), {1}, {1})",
        "clip": "torch.nn.functional.hardtanh({0}, {1}, {2})", "signed": "_signed({0}, {1})",
        "select": "torch.where({0}, {1}, {2})", "stop": "({0}).detach()",
    }),
    {
        "max": '''def _max(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """torch.maximum, where of equals the first has the slope."""
    return torch.where((b > a) | (b != b), b, a)''',
        "min": '''def _min(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """torch.minimum, where of equals the first has the slope."""
    return torch.where((b < a) | (b != b), b, a)''',
        "signed": '''def _signed(size: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
    """torch.copysign in operators that ONNX has too; the sign of -0 is that of its reciprocal."""
    return torch.where((of < 0) | (1 / of < 0), -size, size)''',
    },
)  # fmt: skip
ONNX_LACKS = {"hold", "signed", "sinh", "cosh", "asinh", "expm1", "log1p", "erfc", "i0e", "i1e", "pow", "softplus"}
"""Operations that an ONNX exporter of torch (2.13; the newer one or the one by TorchScript) does not support, or exports
inexactly: log1p as log(1 + a), and softplus with it."""
_ONNX_EXPM1 = '''def _expm1(a: torch.Tensor) -> torch.Tensor:
    """exp(a) - 1 without cancellation: its series where a is small."""
    series = a * (1 + a * (1 / 2 + a * (1 / 6 + a * (1 / 24 + a * (1 / 120 + a / 720)))))
    return torch.where(torch.abs(a) < 0.3, series, torch.exp(a) - 1)'''
_ONNX_LOG1P = '''def _log1p(a: torch.Tensor) -> torch.Tensor:
    """log(1 + a) without cancellation (Kahan's way)."""
    u = 1 + a
    inside = torch.where(u == 1, torch.ones_like(a), u - 1)
    return torch.where(u == 1, a, torch.where(a > 1e15, torch.log(u), torch.log(u) * a / inside))'''
TORCH_FOR_ONNX = Language(
    "ONNX",
    {**_PLAIN_TORCH.calls} | {
        "hold": "torch.clamp(torch.abs({0}), min={1})", "sinh": "_sinh({0})", "cosh": "_cosh({0})",
        "asinh": "_asinh({0})", "expm1": "_expm1({0})", "log1p": "_log1p({0})", "erfc": "(1 - torch.erf({0}))",
        "stop": "({0})", "pow": "torch.exp(({1}) * torch.log({0}))", "softplus": "_softplus({0})",
    },
    {**_PLAIN_TORCH.helpers} | {
        "expm1": _ONNX_EXPM1,
        "log1p": _ONNX_LOG1P,
        "sinh": f'''{_ONNX_EXPM1}


def _sinh(a: torch.Tensor) -> torch.Tensor:
    return (_expm1(a) - _expm1(-a)) / 2''',
        "cosh": '''def _cosh(a: torch.Tensor) -> torch.Tensor:
    return (torch.exp(a) + torch.exp(-a)) / 2''',
        "softplus": f'''{_ONNX_LOG1P}


def _softplus(a: torch.Tensor) -> torch.Tensor:
    return torch.relu(a) + _log1p(torch.exp(-torch.abs(a)))''',
        "asinh": f'''{_ONNX_LOG1P}


def _asinh(a: torch.Tensor) -> torch.Tensor:
    size = torch.abs(a)
    return torch.sign(a) * _log1p(size + size * (size / (1 + torch.sqrt(1 + size * size))))''',
    },
    lacks=dict.fromkeys(("i0e", "i1e"), "ONNX has no Bessel function among its standard operators"),
)  # fmt: skip
ONNX_EXACT = dataclasses.replace(
    TORCH_FOR_ONNX,
    calls={**TORCH_FOR_ONNX.calls} | {"sigmoid": "_sigmoid({0})"},
    helpers={**TORCH_FOR_ONNX.helpers}
    | {
        "sigmoid": '''def _sigmoid(a: torch.Tensor) -> torch.Tensor:
    """Also where it is tiny: that of onnxruntime stays at 1.5e-8 from a = -18 on."""
    small = torch.exp(-torch.abs(a))
    return torch.where(a < 0, small, torch.ones_like(a)) / (1 + small)'''
    },
)
"""ONNX with an exact sigmoid, for functions that divide by a sigmoid or take its logarithm."""
NUMPY = Language(
    "NumPy",
    _calls("np", {
        "abs": "np.abs({0})", "pow": "np.power({0}, {1})", "asinh": "np.arcsinh({0})", "root": "np.hypot({0}, 1)", "atan": "np.arctan({0})", "erf": "special.erf({0})",
        "erfc": "special.erfc({0})", "i0e": "special.i0e({0})", "i1e": "special.i1e({0})", "sigmoid": "_sigmoid({0})",
        "softplus": "np.logaddexp({0}, 0)", "relu": "np.maximum({0}, 0)", "max": "np.maximum({0}, {1})",
        "min": "np.minimum({0}, {1})", "hold": "np.maximum(np.abs({0}), {1})", "clip": "np.clip({0}, {1}, {2})",
        "signed": "np.copysign({0}, {1})", "select": "np.where({0}, {1}, {2})", "stop": "({0})",
    }),
    {
        "sigmoid": '''def _sigmoid(a):
    small = np.exp(-np.abs(a))  # never overflows
    return np.where(a < 0, small, 1) / (1 + small)''',
    } | dict.fromkeys(("erf", "erfc", "i0e", "i1e"), "from scipy import special  # NumPy has no such function"),
)  # fmt: skip
JAX = Language(
    "JAX",
    _calls("jnp", {
        "root": "jnp.hypot({0}, jnp.ones_like({0}))", "abs": "jnp.abs({0})", "pow": "jnp.power({0}, {1})", "asinh": "jnp.arcsinh({0})", "atan": "jnp.arctan({0})",
        "erf": "jax.scipy.special.erf({0})", "erfc": "jax.scipy.special.erfc({0})",
        "i0e": "jax.scipy.special.i0e({0})", "i1e": "jax.scipy.special.i1e({0})", "sigmoid": "jax.nn.sigmoid({0})",
        "softplus": "jax.nn.softplus({0})", "relu": "jax.nn.relu({0})", "max": "_max({0}, {1})",
        "min": "_min({0}, {1})", "hold": "_hold({0}, {1})", "clip": "_clip({0}, {1}, {2})",
        "signed": "jnp.where(jnp.signbit({1}), -({0}), {0})", "select": "jnp.where({0}, {1}, {2})",
        "stop": "jax.lax.stop_gradient({0})",
    }),
    {
        "max": '''def _max(a, b):
    """Of equals the first has the slope, where jnp.maximum halves it."""
    return jnp.where((b > a) | (b != b), b, a)''',
        "min": '''def _min(a, b):
    """Of equals the first has the slope, where jnp.minimum halves it."""
    return jnp.where((b < a) | (b != b), b, a)''',
        "hold": '''def _hold(a, least):
    """|a|, but never under least."""
    return jnp.where(jnp.abs(a) <= least, least, jnp.abs(a))''',
        "clip": '''def _clip(a, low, high):
    return jnp.where(a <= low, low, jnp.where(a >= high, high, a))''',
    },
)  # fmt: skip
KERAS = Language(
    "Keras",
    _calls("ops", {
        "root": "_root({0})", "abs": "ops.absolute({0})", "pow": "ops.power({0}, {1})", "asinh": "ops.arcsinh({0})", "atan": "ops.arctan({0})", "erf": "ops.erf({0})",
        "erfc": "(1 - ops.erf({0}))", "sigmoid": "ops.sigmoid({0})", "softplus": "ops.softplus({0})",
        "relu": "ops.relu({0})", "max": "_max({0}, {1})", "min": "_min({0}, {1})", "hold": "_hold({0}, {1})",
        "clip": "_clip({0}, {1}, {2})", "signed": "_signed({0}, {1})", "select": "ops.where({0}, {1}, {2})",
        "stop": "ops.stop_gradient({0})",
    }),
    {
        "max": '''def _max(a, b):
    """Of equals the first has the slope."""
    return ops.where(ops.logical_or(b > a, ops.not_equal(b, b)), b, a)''',
        "min": '''def _min(a, b):
    """Of equals the first has the slope."""
    return ops.where(ops.logical_or(b < a, ops.not_equal(b, b)), b, a)''',
        "hold": '''def _hold(a, least):
    """|a|, but never under least."""
    return ops.where(ops.absolute(a) <= least, ops.ones_like(a) * least, ops.absolute(a))''',
        "root": '''def _root(a):
    """sqrt(1 + a^2), also where a^2 overflows."""
    large = ops.maximum(ops.absolute(a), 1)
    small = ops.clip(a, -1, 1) / large
    return large * ops.sqrt(1 + small * small)''',
        "clip": '''def _clip(a, low, high):
    return ops.where(a <= low, ops.ones_like(a) * low, ops.where(a >= high, ops.ones_like(a) * high, a))''',
        "signed": '''def _signed(size, of):
    """size with the sign of the other; that of -0 is its reciprocal's."""
    return ops.where(ops.logical_or(of < 0, 1 / of < 0), -size, size)''',
    },
    lacks=BESSEL,
)  # fmt: skip


def c(prefix: str, *, single: bool) -> Language:
    """Return C99 in single or double precision; helpers carry the prefix, so that several headers can be included."""
    f, kind = ("f", "float") if single else ("", "double")
    p = f"{prefix}_{'f' if single else 'd'}"
    head = f"static inline {kind} {p}"
    return Language(
        "C",
        {name: f"{name}{f}({{0}})" for name in _SAME} | {
            "abs": f"fabs{f}({{0}})", "sign": f"{p}_sign({{0}})", "pow": f"pow{f}({{0}}, {{1}})",
            "asinh": f"asinh{f}({{0}})", "root": f"hypot{f}({{0}}, 1)", "atan": f"atan{f}({{0}})",
            "erf": f"erf{f}({{0}})", "erfc": f"erfc{f}({{0}})", "sigmoid": f"{p}_sigmoid({{0}})",
            "softplus": f"{p}_softplus({{0}})", "relu": f"{p}_relu({{0}})", "max": f"{p}_max({{0}}, {{1}})",
            "min": f"{p}_min({{0}}, {{1}})", "hold": f"{p}_hold({{0}}, {{1}})", "clip": f"{p}_clip({{0}}, {{1}}, {{2}})",
            "signed": f"copysign{f}({{0}}, {{1}})", "select": "(({0}) ? ({1}) : ({2}))", "stop": "({0})",
        },
        {
            "sign": f"{head}_sign({kind} a) {{ return a > 0 ? 1 : a < 0 ? -1 : a; }}",
            "sigmoid": f"{head}_sigmoid({kind} a) {{ {kind} s = exp{f}(-fabs{f}(a)); return (a < 0 ? s : 1) / (1 + s); }}",
            "softplus": f"{head}_softplus({kind} a) {{ return (a <= 0 ? 0 : a) + log1p{f}(exp{f}(-fabs{f}(a))); }}",
            "relu": f"{head}_relu({kind} a) {{ return a <= 0 ? 0 : a; }}",
            "max": f"{head}_max({kind} a, {kind} b) {{ return b > a || b != b ? b : a; }}",
            "min": f"{head}_min({kind} a, {kind} b) {{ return b < a || b != b ? b : a; }}",
            "hold": f"{head}_hold({kind} a, {kind} least) {{ return fabs{f}(a) <= least ? least : fabs{f}(a); }}",
            "clip": f"{head}_clip({kind} a, {kind} low, {kind} high) "
            "{ return a <= low ? low : a >= high ? high : a; }",
        },
        assign=f"const {kind} {{name}} = {{value}};",
        number=lambda value: repr(float(value)) + f,
        lacks=BESSEL,
    )  # fmt: skip
