"""The 25 unary and 10 binary primitives of Ramachandran, Zoph & Le 2017 (arXiv 1710.05941, section 3).

Where the paper is silent (sqrt of a negative number, the size of epsilon) the choice and its source stand on the row.
"""

from grammar.primitive import Primitive

EPSILON = 1e-6
"""The paper's epsilon, whose size it does not give: the smallest power of ten whose reciprocal float32 still
adds to numbers of order one without losing them."""

_ASINH = "a * torch.log1p({m} + {m} * {m} / (1 + torch.sqrt(1 + {m} * {m}))) / {m}".format(m="a.abs().clamp(min=1e-12)")
_SINC = (
    "torch.where(a.abs() < 0.1, "
    "1 - {c} * {c} / 6 * (1 - {c} * {c} / 20 * (1 - {c} * {c} / 42 * (1 - {c} * {c} / 72))), "
    "torch.sin(a) / torch.where(a.abs() < 0.1, 1.0, a))"
).format(c="a.clamp(-0.1, 0.1)")

UNARY = (
    Primitive("identity", 1, "a", "a", note="written as its argument: identity(x) is x"),
    Primitive("neg", 1, "-a", "-a"),
    Primitive("abs", 1, "torch.abs(a)", "Abs(a)"),
    Primitive("square", 1, "a * a", "a**2"),
    Primitive("cube", 1, "a * a * a", "a**3"),
    Primitive(
        "sqrt",
        1,
        "torch.sqrt(torch.abs(a).clamp(min=1e-6))",
        "sqrt(Abs(a))",
        domain="Abs(a) >= 1e-6",
        note="the paper writes sqrt(x) and is silent on x < 0; |x| under the root is the protected root of genetic "
        "programming (gplearn, functions.py), as the paper itself does for log; below 1e-6 the value is held so that "
        "the slope stays finite",
    ),
    Primitive("scale", 1, "beta * a", "beta*a"),
    Primitive("shift", 1, "a + beta", "a + beta"),
    Primitive("logabs", 1, "torch.log(torch.abs(a) + 1e-6)", "log(Abs(a) + 1e-6)"),
    Primitive("exp", 1, "torch.exp(a)", "exp(a)"),
    Primitive("sin", 1, "torch.sin(a)", "sin(a)"),
    Primitive("cos", 1, "torch.cos(a)", "cos(a)"),
    Primitive("sinh", 1, "torch.sinh(a)", "sinh(a)"),
    Primitive("cosh", 1, "torch.cosh(a)", "cosh(a)"),
    Primitive("tanh", 1, "torch.tanh(a)", "tanh(a)"),
    Primitive("asinh", 1, _ASINH, "asinh(a)", note="torch.asinh written out with log1p: equal, several times faster"),
    Primitive("atan", 1, "torch.atan(a)", "atan(a)"),
    Primitive(
        "sinc",
        1,
        _SINC,
        "sinc(a)",
        note="the series near 0 keeps the slope exact where sin(a)/a would cancel",
    ),
    Primitive("relu", 1, "torch.relu(a)", "Max(a, 0)"),
    Primitive("minzero", 1, "a.clamp(max=0)", "Min(a, 0)"),
    Primitive("sigmoid", 1, "torch.sigmoid(a)", "1/(1 + exp(-a))"),
    Primitive(
        "softplus",
        1,
        "torch.nn.functional.softplus(a, 1, 40)",
        "log(1 + exp(a))",
        note="torch switches to a at 20, which double precision can see",
    ),
    Primitive("gauss", 1, "torch.exp(-a * a)", "exp(-a**2)"),
    Primitive("erf", 1, "torch.erf(a)", "erf(a)"),
    Primitive("beta", 0, "beta", "beta", note="the trainable scalar alone, one per channel"),
)

BINARY = (
    Primitive("add", 2, "a + b", "a + b"),
    Primitive("mul", 2, "a * b", "a*b"),
    Primitive("sub", 2, "a - b", "a - b"),
    Primitive(
        "div",
        2,
        "a / torch.where(b < 0, b.clamp(max=-1e-6), b.clamp(min=1e-6))",
        "a/b",
        domain="Abs(b) >= 1e-6",
        note="the paper's x1/(x2+eps) has a pole at x2 = -eps; holding the denominator at least eps away from 0 on "
        "its own side removes the pole and is exact elsewhere",
    ),
    Primitive("max", 2, "torch.maximum(a, b)", "Max(a, b)"),
    Primitive("min", 2, "torch.minimum(a, b)", "Min(a, b)"),
    Primitive("gate", 2, "torch.sigmoid(a) * b", "b/(1 + exp(-a))"),
    Primitive("gaussgap", 2, "torch.exp(-beta * (a - b) * (a - b))", "exp(-beta*(a - b)**2)"),
    Primitive("laplacegap", 2, "torch.exp(-beta * torch.abs(a - b))", "exp(-beta*Abs(a - b))"),
    Primitive("mix", 2, "beta * a + (1 - beta) * b", "beta*a + (1 - beta)*b"),
)

SWISH2017 = UNARY + BINARY
