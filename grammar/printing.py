# ruff: noqa: N802  SymPy finds its printers' methods by the names of its classes
"""SymPy printers with the notation of this field; only the SymPy process of ``symbolic`` imports this module."""

import re
from typing import Any

import sympy
from sympy.printing.latex import LatexPrinter
from sympy.printing.mathml import MathMLPresentationPrinter
from sympy.printing.str import StrPrinter

from actsearch.grammar.parameter import GREEK

OPAQUE = ("sigma", "Phi", "softplus", "sinc", "sqrt")
"""Names that mean other functions in SymPy, or that SymPy simplifies by identities for positive numbers only."""
POWERS = {"2": "²", "3": "³"}


def _numbers_last(arguments: Any) -> list[Any]:
    return sorted(arguments, key=lambda one: (one.is_number, sympy.default_sort_key(one)))


class Plain(StrPrinter):  # type: ignore[misc]  # SymPy has no types
    """Printer of plain text, ``x·σ(βx)``."""

    def _print_Symbol(self, symbol: Any) -> str:
        return GREEK.get(symbol.name, str(symbol.name))

    def _print_Function(self, call: Any) -> str:
        name = call.func.__name__
        return f"{GREEK.get(name, name)}({self.stringify(call.args, ', ')})"

    def _print_Max(self, call: Any) -> str:
        return f"max({self.stringify(_numbers_last(call.args), ', ')})"

    def _print_Min(self, call: Any) -> str:
        return f"min({self.stringify(_numbers_last(call.args), ', ')})"

    def _print_Abs(self, call: Any) -> str:
        return f"|{self._print(call.args[0])}|"


def plain(expression: Any) -> str:
    """Return an expression as plain text, ``x·σ(βx)``."""
    text = Plain().doprint(expression)
    for power, sign in POWERS.items():
        for end in ("", ")", "*", " ", "/", ","):
            text = text.replace(f"**{power}{end}" if end else f"**{power}\0", sign + end)
        text = text.removesuffix(f"**{power}") + (sign if text.endswith(f"**{power}") else "")
    text = str(text).replace("**", "^").replace("*", "·").replace(" - ", " − ")
    return re.sub(rf"([{''.join(GREEK.values())}])·x\b", r"\1x", text)


class Latex(LatexPrinter):  # type: ignore[misc]  # SymPy has no types
    r"""Printer of LaTeX, ``x \sigma\left(\beta x\right)``."""

    def _print_Max(self, call: Any, exp: Any = None) -> str:
        return self._extreme("max", call, exp)

    def _print_Min(self, call: Any, exp: Any = None) -> str:
        return self._extreme("min", call, exp)

    def _print_Function(self, call: Any, exp: Any = None) -> str:
        name = call.func.__name__
        if hasattr(sympy, name) or name in GREEK:
            return str(super()._print_Function(call, exp))
        shown = name.replace("_", r"\_")
        inner = ", ".join(self._print(one) for one in call.args)
        return rf"\operatorname{{{shown}}}" + ("" if exp is None else rf"^{{{exp}}}") + rf"\left({inner}\right)"

    def _extreme(self, name: str, call: Any, exp: Any) -> str:
        inner = ", ".join(self._print(one) for one in _numbers_last(call.args))
        call_text = rf"\{name}\left({inner}\right)"
        return call_text if exp is None else rf"{call_text}^{{{exp}}}"


def _normalise_extremes(expression: Any) -> Any:
    """Return an expression with ``max(-u, 0)`` written as ``-min(u, 0)``, and vice versa."""
    for one, other in ((sympy.Max, sympy.Min), (sympy.Min, sympy.Max)):

        def has_minus_sign(part: Any, one: Any = one) -> bool:
            rest = [argument for argument in part.args if argument != 0]
            return (
                isinstance(part, one) and len(part.args) == 2 and len(rest) == 1 and rest[0].could_extract_minus_sign()
            )

        expression = expression.replace(
            has_minus_sign, lambda part, other=other: -other(-next(one for one in part.args if one != 0), 0)
        )
    return expression


def mathml(expression: Any) -> str:
    """Return an expression as presentation MathML."""
    markup = str(MathMLPresentationPrinter().doprint(expression))
    for name, letter in GREEK.items():  # names of functions; SymPy already writes variables as letters
        markup = markup.replace(f"<mi>{name}</mi>", f"<mi>{letter}</mi>")
    return markup


def printed(text: str, image: str, calls: list[str], read: Any, x: Any) -> dict[str, str]:
    """Return ``plain``, ``latex`` and ``mathml`` of a formula.

    Args:
        text: the formula.
        image: mirror image to print: ``f(x)``, ``f(-x)``, ``-f(x)`` or ``-f(-x)``.
        calls: names of functions that keep their names.
        read: parser from the text, and name -> further functions, to a SymPy expression.
        x: SymPy symbol of the input.
    """
    names = ["sigma", "Phi", "softplus", *calls]
    functions = {name: getattr(sympy, name, None) or sympy.Function(name) for name in names}
    functions |= {name: sympy.Function(name) for name in OPAQUE if name in functions}
    expression = sympy.sympify(read(text, functions))
    if image.endswith("f(-x)"):
        expression = expression.subs(x, -x)
    if image.startswith("-"):
        expression = -expression
    expression = _normalise_extremes(expression)
    latex = Latex({"fold_short_frac": True}).doprint(expression)
    return {"plain": plain(expression), "latex": latex, "mathml": mathml(expression)}
