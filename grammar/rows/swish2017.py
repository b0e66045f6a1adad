"""The 25 unary and 10 binary primitives of Ramachandran, Zoph & Le 2017 (arXiv 1710.05941, section 3).

Where the paper is silent (sqrt of a negative number, the size of epsilon), the note of the primitive gives the choice
and its source. ``where``, ``clamp`` and ``maximum`` are avoided: their gradients are not vectorised on a CPU, and cost
more than the rest of a training. The replacements are equal, and a benchmark measures them.
"""

from actsearch.grammar.primitive import built_in

HOLD = "torch.nn.functional.threshold(torch.abs({name}), {least}, {least})"  # |name|, but at least ``least``
_ASINH = f"a * torch.log1p((m := {HOLD.format(name='a', least='1e-12')}) + m * (m / (1 + torch.sqrt(1 + m * m)))) / m"
_CHOICE = (
    "exact while both are finite; torch.maximum's gradient costs seven times as much, and it too is not a number where "
    "an argument has overflowed. Where both are equal the slope is the first one's"
)
HELD = "torch.nn.functional.hardtanh({name}, -{most}, {most})"  # clamp to +-most; most is no whole number
# over 2^31: TorchScript (2.13) writes such a number without a point, and then does not take it for a float
HELD_EXPONENT = (
    "torch.nn.functional.hardtanh({name}, -1e30, 69.0)"  # exp(69) is 9e29; smaller exponents stay as they are
)
_SINC = f"torch.sin(m := {HOLD.format(name='a', least='3e-4')}) / m"

UNARY = (
    built_in("identity", 1, "a", "a", note="written as its argument: identity(x) is x"),
    built_in("neg", 1, "-a", "-a", shown="(-{a})"),
    built_in("abs", 1, "torch.abs(a)", "Abs(a)", shown="Abs({a})"),
    built_in(
        "square",
        1,
        "a * a",
        "a**2",
        held=f"(m := {HELD.format(name='a', most='999999999999999.5')}) * m",
        shown="({a})**2",
    ),
    built_in(
        "cube",
        1,
        "a * a * a",
        "a**3",
        held=f"(m := {HELD.format(name='a', most='9999999999.5')}) * m * m",
        shown="({a})**3",
    ),
    built_in(
        "sqrt",
        1,
        f"torch.sqrt({HOLD.format(name='a', least='1e-7')})",
        "sqrt(Abs(a))",
        domain="Abs(a) > 1e-7",
        note="the paper writes sqrt(x) and is silent on x < 0; |x| under the root is the protected root of genetic "
        "programming (gplearn, functions.py), as the paper itself does for log; below 1e-7 the value is held so that "
        "the slope stays finite",
        shown="sqrt(Abs({a}))",
    ),
    built_in("scale", 1, "beta * a", "beta*a", shown="beta*({a})"),
    built_in("shift", 1, "a + beta", "a + beta", shown="({a}) + beta"),
    built_in("logabs", 1, "torch.log(torch.abs(a) + 1e-6)", "log(Abs(a) + 1e-6)"),
    built_in("exp", 1, "torch.exp(a)", "exp(a)", held=f"torch.exp({HELD_EXPONENT.format(name='a')})"),
    built_in("sin", 1, "torch.sin(a)", "sin(a)"),
    built_in("cos", 1, "torch.cos(a)", "cos(a)"),
    built_in("sinh", 1, "torch.sinh(a)", "sinh(a)", held=f"torch.sinh({HELD.format(name='a', most='69.0')})"),
    built_in("cosh", 1, "torch.cosh(a)", "cosh(a)", held=f"torch.cosh({HELD.format(name='a', most='69.0')})"),
    built_in("tanh", 1, "torch.tanh(a)", "tanh(a)"),
    built_in("asinh", 1, _ASINH, "asinh(a)", note="torch.asinh written out with log1p: equal, a third faster"),
    built_in("atan", 1, "torch.atan(a)", "atan(a)"),
    built_in(
        "sinc",
        1,
        _SINC,
        "sinc(a)",
        domain="Abs(a) > 3e-4",
        note="within 3e-4 of 0 it is held at sinc(3e-4): 2e-8 from the truth in value, 1e-4 in slope, where sin(a)/a "
        "would cancel; seven times faster than torch.sinc or a case distinction",
    ),
    built_in("relu", 1, "torch.relu(a)", "Max(a, 0)", shown="Max({a}, 0)"),
    built_in("minzero", 1, "-torch.relu(-a)", "Min(a, 0)", shown="Min({a}, 0)"),
    built_in("sigmoid", 1, "torch.sigmoid(a)", "1/(1 + exp(-a))", shown="sigma({a})"),
    built_in(
        "softplus",
        1,
        "torch.nn.functional.softplus(a, 1, 40)",
        "log(1 + exp(a))",
        note="torch switches to a at 20, which double precision can see",
    ),
    built_in("gauss", 1, "torch.exp(-a * a)", "exp(-a**2)", shown="exp(-({a})**2)"),
    built_in("erf", 1, "torch.erf(a)", "erf(a)"),
    built_in("beta", 0, "beta", "beta", note="the trainable scalar alone, one per channel", shown="beta"),
)

BINARY = (
    built_in("add", 2, "a + b", "a + b", shown="({a}) + ({b})"),
    built_in("mul", 2, "a * b", "a*b", shown="({a})*({b})"),
    built_in("sub", 2, "a - b", "a - b", shown="({a}) - ({b})"),
    built_in(
        "div",
        2,
        f"a / torch.copysign({HOLD.format(name='b', least='1e-7')}, b)",
        "a/b",
        domain="Abs(b) > 1e-7",
        note="the paper's x1/(x2+eps) has a pole at x2 = -eps; holding the denominator at least eps away from 0 on "
        "its own side removes the pole and is exact elsewhere; the held form multiplies, since the slope of a quotient "
        "that has overflowed is not a number",
        held=HELD.format(name=f"a * (1 / torch.copysign({HOLD.format(name='b', least='1e-7')}, b))", most="1e30"),
        shown="({a})/({b})",
    ),
    built_in("max", 2, "torch.lerp(a, b, (b > a).to(a.dtype))", "Max(a, b)", note=_CHOICE, shown="Max({a}, {b})"),
    built_in("min", 2, "torch.lerp(a, b, (b < a).to(a.dtype))", "Min(a, b)", note=_CHOICE, shown="Min({a}, {b})"),
    built_in("gate", 2, "torch.sigmoid(a) * b", "b/(1 + exp(-a))", shown="sigma({a})*({b})"),
    built_in(
        "gaussgap",
        2,
        "torch.exp(-beta * (a - b) * (a - b))",
        "exp(-beta*(a - b)**2)",
        held=f"torch.exp({HELD_EXPONENT.format(name='-beta * (a - b) * (a - b)')})",
        shown="exp(-beta*(({a}) - ({b}))**2)",
    ),
    built_in(
        "laplacegap",
        2,
        "torch.exp(-beta * torch.abs(a - b))",
        "exp(-beta*Abs(a - b))",
        held=f"torch.exp({HELD_EXPONENT.format(name='-beta * torch.abs(a - b)')})",
        shown="exp(-beta*Abs(({a}) - ({b})))",
    ),
    built_in("mix", 2, "beta * a + (1 - beta) * b", "beta*a + (1 - beta)*b", shown="beta*({a}) + (1 - beta)*({b})"),
)

SWISH2017 = UNARY + BINARY
