"""What is written to a file: a function, and what is known of it.

Not here: how it is written (one module a stack), and where what is known comes from (``search``'s export).
"""

import builtins
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from keyword import iskeyword, kwlist

from actsearch.grammar.expression import Expression
from actsearch.grammar.fault import UserFault
from actsearch.grammar.function import Function, function_of
from actsearch.grammar.notation import Written, written
from actsearch.grammar.parameter import Parameter

_TAKEN = frozenset((
    "torch", "np", "jnp", "jax", "keras", "ops", "nn", "os", "special", "sympy", "x", "y",
    "slope", "shape", "kind", "wide", "self", "ctx", "auto", "break", "case", "char", "const", "continue",
    "default", "do", "double", "else", "enum", "extern", "float", "for", "goto", "if", "inline", "int", "long",
    "register", "restrict", "return", "short", "signed", "sizeof", "static", "struct", "switch", "typedef", "union",
    "unsigned", "void", "volatile", "while", "main", "acos", "asin", "atan", "atan2", "acosh", "asinh", "atanh",
    "cbrt", "ceil", "copysign", "cos", "cosh", "erf", "erfc", "exp", "exp2", "expm1", "fabs", "fdim", "floor",
    "fma", "fmax", "fmin", "fmod", "frexp", "gamma", "hypot", "ilogb", "isfinite", "isinf", "isnan", "isnormal",
    "j0", "j1", "jn", "ldexp", "lgamma", "llrint", "llround", "log", "log10", "log1p", "log2", "logb", "lrint",
    "lround", "modf", "nan", "nearbyint", "nextafter", "nexttoward", "pow", "remainder", "remquo", "rint", "round",
    "scalbln", "scalbn", "signbit", "signgam", "sin", "sinh", "sqrt", "tan", "tanh", "tgamma", "trunc", "y0", "y1",
    "yn", "canonicalize", "drem", "exp10", "fadd", "fdiv", "ffma", "finite", "fmaximum", "fmaxmag", "fminimum",
    "fminmag", "fmul", "fpclassify", "fromfp", "fromfpx", "fsqrt", "fsub", "getpayload", "iscanonical", "iseqsig",
    "isgreater", "isless", "issignaling", "issubnormal", "isunordered", "iszero", "linux", "llogb", "nextdown",
    "nextup", "roundeven", "scalb", "setpayload", "setpayloadsig", "significand", "sincos", "totalorder",
    "totalordermag", "ufromfp", "ufromfpx", "unix",
))  # fmt: skip
"""What functions of exported files cannot be called: modules and variables there, words of C, and of its math.h (that
of C23, of POSIX and of GNU)."""
_CLASSES = frozenset(("BLOCK", "Optional"))  # names in exported files that begin with a large letter


class BadName(UserFault):
    """It cannot be the name of a class in every stack."""


@dataclass(frozen=True)
class Discovery:
    """A function and what is known of it.

    Args:
        expression: the function.
        name: of the class, in words put together: ``Activation``.
        starts: where the parameters start, in the function's order; empty for where they start in a search.
        notes: sentences on where it was found and how good it was; no formulas, nothing that is executed.
        facts: the same as plain values, for formats that carry data.
        layers: of each layer, in the order of the network: the least, the mean and the largest learned value of every
            parameter, in a row.
    """

    expression: Expression
    name: str = "Activation"
    starts: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict, compare=False)
    layers: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        """Hold what stands in a source.

        Raises:
            BadName: it is no name of a class.
        """
        if not (isinstance(self.name, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", self.name)) or iskeyword(
            self.name
        ):
            raise BadName(f"the name must be one of a class, such as Activation, found {self.name!r}")
        taken = {*_TAKEN, *_CLASSES, *self.function.names, *dir(builtins), *kwlist}
        means = next((name for name in (self.name, self.function_name, f"{self.function_name}f") if name in taken), "")
        if means:
            raise BadName(f"'{means}' means something else in Python or in C; expected another name than "
                          f"'{self.name}', such as My{self.name}")  # fmt: skip

    @cached_property
    def function(self) -> Function:
        """What was trained, with its parameters' starts."""
        function = function_of(self.expression)
        return function.starting_at(self.starts) if self.starts else function

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The trainable scalars."""
        return self.function.parameters

    @property
    def function_name(self) -> str:
        """The name as a function's: ``activation``."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.name).lower()

    @cached_property
    def written(self) -> Written:
        """As people write it, and as it was trained, not a mirror image of it."""
        return written(self.expression, upright=False)

    @property
    def head(self) -> str:
        """The formula and the notes: text without anything that could end a comment or a string."""
        plain = self.written.plain
        first = plain if plain == str(self.expression) else f"{plain}, searched as {self.expression}"
        return _harmless(
            "\n".join([f"{first}.", *([""] if self.notes or self.layers else []), *self.notes, *self._table()])
        )

    def _table(self) -> list[str]:
        if not self.layers or not self.parameters:
            return []
        lines = []
        for number, parameter in enumerate(self.parameters):
            lines += [f"Learned {parameter.name}, mean over seeds of the least, the mean and the largest of a layer:"]
            for n, layer in enumerate(self.layers):
                low, mean, high = layer[3 * number : 3 * number + 3]
                lines.append(f"    layer {n + 1:<3d} {low:9.4f} {mean:9.4f} {high:9.4f}")
        return lines

    def slope_names(self) -> tuple[str, ...]:
        """Return what each of the function's slopes is called: by x, then by every parameter.

        Of several inputs, each has its name.
        """
        inputs = self.function.inputs
        by_inputs = [f"{self.function_name}_slope_of_{name}" for name in inputs] if len(inputs) > 1 else []
        by_parameters = (f"{self.function_name}_slope_of_{one.name}" for one in self.parameters)
        return (*(by_inputs or [f"{self.function_name}_slope"]), *by_parameters)


def start_text(parameter: Parameter) -> str:
    """Return where a parameter starts, as it is written: to the digits of single precision."""
    return repr(float(f"{parameter.start:.9g}"))


def _harmless(text: str) -> str:
    """Return text that ends no docstring and no comment of C, is UTF-8, and turns no writing direction."""
    text = "".join("?" if unicodedata.category(c) in {"Cc", "Cf", "Cs"} and c != "\n" else c for c in text)
    text = re.sub(r"\?(?=\?)", "? ", text)  # two of them begin what C takes for another sign
    return text.replace("\\", "/").replace('"""', "'''").replace("*/", "* /").replace("/*", "/ *")
