"""A discovery: a function with its facts, ready for export to a file.

Not here: the file formats (one module per stack), and the collection of the facts (``search``'s export).
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

_RESERVED = frozenset((
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
"""Names that a function in an exported file cannot have: modules and variables of these files, keywords of C, and names
in math.h (of C23, POSIX and GNU)."""
_CLASSES = frozenset(("BLOCK", "Optional"))  # capitalised names in exported files


class BadName(UserFault):
    """The text is not a valid class name in every stack."""


@dataclass(frozen=True)
class Discovery:
    """A function with its facts.

    Args:
        expression: the function.
        name: name of the class in CamelCase: ``Activation``.
        starts: start value of each parameter, in the order of the function; empty for the starts of a search.
        notes: sentences on provenance and quality; no formulas, and nothing executable.
        facts: the content of the notes as plain values, for data formats.
        layers: one tuple per layer, in the order of the network: least, mean and largest learned value of the first
            parameter, then of the second, and so on.
    """

    expression: Expression
    name: str = "Activation"
    starts: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict, compare=False)
    layers: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        """Check the name, since it becomes part of source code.

        Raises:
            BadName: the name is not a valid class name, or is already in use.
        """
        if not (isinstance(self.name, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", self.name)) or iskeyword(
            self.name
        ):
            raise BadName(f"the name must be one of a class, such as Activation, found {self.name!r}")
        reserved = {*_RESERVED, *_CLASSES, *self.function.names, *dir(builtins), *kwlist}
        clash = next(
            (name for name in (self.name, self.function_name, f"{self.function_name}f") if name in reserved), ""
        )
        if clash:
            raise BadName(f"'{clash}' means something else in Python or in C; expected another name than "
                          f"'{self.name}', such as My{self.name}")  # fmt: skip

    @cached_property
    def function(self) -> Function:
        """The trained function, with the start values of this discovery."""
        function = function_of(self.expression)
        return function.starting_at(self.starts) if self.starts else function

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Trainable scalars of the function."""
        return self.function.parameters

    @property
    def function_name(self) -> str:
        """The name in snake_case, for the function: ``activation``."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.name).lower()

    @cached_property
    def written(self) -> Written:
        """The formula of the trained function itself, not of a mirror image."""
        return written(self.expression, upright=False)

    @property
    def head(self) -> str:
        """The formula, the notes and the table of layers, as text that cannot end a comment or a string."""
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
        """Return the names of the exported derivatives: by x, or by each of several inputs; then by each parameter."""
        inputs = self.function.inputs
        by_inputs = [f"{self.function_name}_slope_of_{name}" for name in inputs] if len(inputs) > 1 else []
        by_parameters = (f"{self.function_name}_slope_of_{parameter.name}" for parameter in self.parameters)
        return (*(by_inputs or [f"{self.function_name}_slope"]), *by_parameters)


def start_text(parameter: Parameter) -> str:
    """Return the start value of a parameter as text, with the digits of single precision."""
    return repr(float(f"{parameter.start:.9g}"))


def count_text(parameter: Parameter) -> str:
    """Return the number of values of a parameter, as the source of a module writes it."""
    return "self.channels" if parameter.place == "channel" else "1"


def _harmless(text: str) -> str:
    """Return text as valid UTF-8 that cannot end a docstring or a C comment, or change the writing direction."""
    text = "".join("?" if unicodedata.category(c) in {"Cc", "Cf", "Cs"} and c != "\n" else c for c in text)
    text = re.sub(r"\?(?=\?)", "? ", text)  # "??" begins a trigraph in C
    return text.replace("\\", "/").replace('"""', "'''").replace("*/", "* /").replace("/*", "/ *")
