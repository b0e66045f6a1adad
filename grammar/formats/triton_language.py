"""How Triton writes the operations of a graph: what its own language has, in single precision.

Its interpreter knows no ``libdevice``, so what is missing is written from exponentials and logarithms. Not here: the
kernels (``triton_file``) and the other languages.
"""

from actsearch.grammar.formats.languages import BESSEL
from actsearch.grammar.program.writing import Language

_TRITON_EXPM1 = '''@triton.jit
def _expm1(a):
    """exp(a) - 1 without cancellation (Kahan's way: the errors of exp and of log's argument cancel)."""
    e = tl.exp(a)
    kept = (e - 1.0) * a / tl.log(tl.where((e == 1.0) | (e <= 0.0) | (e > 1e38), 2.0, e))
    return tl.where(e == 1.0, a, tl.where((e <= 1e-7) | (e > 1e37), e - 1.0, kept))'''
TRITON = Language(
    "Triton",
    {
        "abs": "tl.abs({0})", "exp": "tl.exp({0})", "log": "tl.log({0})", "sqrt": "tl.sqrt_rn({0})", "sin": "tl.sin({0})",
        "cos": "tl.cos({0})", "erf": "tl.erf({0})", "sigmoid": "tl.sigmoid({0})", "select": "tl.where({0}, {1}, {2})",
        "stop": "({0})", "erfc": "(1.0 - tl.erf({0}))", "relu": "_relu({0})", "max": "_max({0}, {1})",
        "min": "_min({0}, {1})", "hold": "_hold({0}, {1})", "clip": "_clip({0}, {1}, {2})",
        "signed": "_signed({0}, {1})", "pow": "tl.exp(({1}) * tl.log({0}))", "sign": "_sign({0})",
        "expm1": "_expm1({0})", "log1p": "_log1p({0})", "sinh": "_sinh({0})", "cosh": "_cosh({0})",
        "tanh": "_tanh({0})", "atan": "_atan({0})", "asinh": "_asinh({0})", "root": "_root({0})", "softplus": "_softplus({0})",
    },
    {
        "relu": "@triton.jit\ndef _relu(a):\n    return tl.where(a <= 0.0, 0.0, a)",
        "max": "@triton.jit\ndef _max(a, b):\n    return tl.where((b > a) | (b != b), b, a)",
        "min": "@triton.jit\ndef _min(a, b):\n    return tl.where((b < a) | (b != b), b, a)",
        "hold": "@triton.jit\ndef _hold(a, least):\n    return tl.where(tl.abs(a) <= least, least, tl.abs(a))",
        "clip": "@triton.jit\ndef _clip(a, low, high):\n    return tl.where(a <= low, low, tl.where(a >= high, high, a))",
        "signed": "@triton.jit\ndef _signed(size, of):\n    return tl.where((of < 0.0) | (1.0 / of < 0.0), -size, size)",
        "sign": "@triton.jit\ndef _sign(a):\n    return tl.where(a > 0.0, 1.0, tl.where(a < 0.0, -1.0, a))",
        "expm1": _TRITON_EXPM1,
        "log1p": '''@triton.jit
def _log1p(a):
    """log(1 + a) without cancellation (Kahan's way)."""
    u = 1.0 + a
    return tl.where(u == 1.0, a, tl.where(a > 1e30, tl.log(u), tl.log(u) * a / tl.where(u == 1.0, 1.0, u - 1.0)))''',
        "sinh": f'''{_TRITON_EXPM1}


@triton.jit
def _sinh(a):
    e = _expm1(tl.abs(a))
    size = 0.5 * (e + e / (e + 1.0))
    large = 0.5 * tl.exp(0.5 * tl.abs(a)) * tl.exp(0.5 * tl.abs(a))
    size = tl.where(tl.abs(a) > 20.0, large, size)
    return tl.where(a < 0.0, -size, size)''',
        "cosh": '''@triton.jit
def _cosh(a):
    half = tl.exp(0.5 * tl.abs(a))
    return 0.5 * half * half + 0.5 * tl.exp(-tl.abs(a))''',
        "tanh": f'''{_TRITON_EXPM1}


@triton.jit
def _tanh(a):
    e = _expm1(-2.0 * tl.abs(a))
    size = -e / (2.0 + e)
    return tl.where(a < 0.0, -size, size)''',
        "atan": '''@triton.jit
def _atan(a):
    """Range reduction at tan(pi/8) and tan(3 pi/8), and a polynomial of degree 9 (Cephes, atanf)."""
    size = tl.abs(a)
    z = tl.where(size > 2.414213562373095, -1.0 / size, tl.where(size > 0.4142135623730950, (size - 1.0) / (size + 1.0), size))
    base = tl.where(size > 2.414213562373095, 1.5707963267948966, tl.where(size > 0.4142135623730950, 0.7853981633974483, 0.0))
    s = z * z
    found = base + ((((8.05374449538e-2 * s - 1.38776856032e-1) * s + 1.99777106478e-1) * s - 3.33329491539e-1) * s * z + z)
    found = tl.where(size > 1e37, 1.5707963267948966, found)
    return tl.where(a < 0.0, -found, found)''',
        "asinh": '''@triton.jit
def _asinh(a):
    """sign(a) log(|a| + sqrt(1 + a^2)), by log1p where that cancels, as log(2 |a|) where a^2 overflows."""
    m = tl.abs(a)
    inside = m + m * (m / (1.0 + tl.sqrt_rn(1.0 + m * m)))
    u = 1.0 + inside
    near = tl.where(u == 1.0, inside, tl.log(u) * inside / tl.where(u == 1.0, 1.0, u - 1.0))
    found = tl.where(m > 1e15, tl.log(m) + 0.6931471805599453, near)
    return tl.where(a < 0.0, -found, found)''',
        "root": '''@triton.jit
def _root(a):
    """sqrt(1 + a^2), also where a^2 overflows."""
    large = tl.where(tl.abs(a) <= 1.0, 1.0, tl.abs(a))
    small = tl.where(tl.abs(a) <= 1.0, a, 1.0 / large)
    return large * tl.sqrt_rn(1.0 + small * small)''',
        "softplus": '''@triton.jit
def _softplus(a):
    e = tl.exp(-tl.abs(a))
    u = 1.0 + e
    small = tl.where(u == 1.0, e, tl.log(u) * e / tl.where(u == 1.0, 1.0, u - 1.0))
    return tl.where(a <= 0.0, 0.0, a) + small''',
    },
    number=lambda value: repr(float(value)),
    lacks=BESSEL,
)  # fmt: skip
