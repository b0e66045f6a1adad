"""Graph -> lines of a language that has, or is given, the operations.

What is used twice is one line of its own, named by what it is. Not here: the languages (``grammar.formats``).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from actsearch.grammar.fault import UserFault
from actsearch.grammar.program.node import LEAVES, Node, parts

COMPARED, SUM, PRODUCT, ATOM = range(4)
_INFIX = {"add": ("+", SUM), "sub": ("-", SUM), "mul": ("*", PRODUCT), "div": ("/", PRODUCT),
          "less": ("<", COMPARED), "most": ("<=", COMPARED)}  # fmt: skip


class NotInLanguage(UserFault):
    """The language has no such operation, and none is written for it; the message names both."""


@dataclass(frozen=True)
class Language:
    """How a language writes operations.

    Args:
        name: for people.
        calls: operation -> text with the arguments' places ``{0}``, ``{1}``, ``{2}``. The usual signs need none.
        helpers: operation -> a definition that its call needs.
        assign: of a name; with ``{name}`` and ``{value}``.
        leaves: leaf -> its name.
        number: text of a number.
        lacks: operation -> why it cannot be written.
    """

    name: str
    calls: Mapping[str, str]
    helpers: Mapping[str, str] = field(default_factory=dict)
    assign: str = "{name} = {value}"
    leaves: Mapping[str, str] = field(default_factory=lambda: {leaf: leaf for leaf in LEAVES})
    number: Callable[[float], str] = lambda value: f"{value:g}" if float(f"{value:g}") == value else repr(value)
    lacks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Text:
    """Some graphs in a language.

    Args:
        lines: assignments, in order.
        results: the text of each graph's value.
        helpers: definitions that must stand before.
    """

    lines: tuple[str, ...]
    results: tuple[str, ...]
    helpers: tuple[str, ...]


def write(roots: Sequence[Node], language: Language, *, prefix: str = "") -> Text:
    """Return graphs as text.

    Raises:
        NotInLanguage: an operation cannot be written.
    """
    order = [*parts(*roots)]
    uses = Counter(argument for node in order for argument in node.arguments) + Counter(roots)
    texts: dict[Node, tuple[str, int]] = {}
    lines, names, helpers = list[str](), set[str](), dict[str, str]()
    for node in order:
        found, rank = _written(node, texts, language)
        if node.name in language.helpers:
            helpers[language.helpers[node.name]] = node.name
        if uses[node] > 1 and node.arguments and node not in roots:
            name = prefix + _named(node, names)
            lines.append(language.assign.format(name=name, value=found))
            found, rank = name, ATOM
        texts[node] = found, rank
    return Text(tuple(lines), tuple(texts[root][0] for root in roots), tuple(helpers))


def _written(node: Node, texts: Mapping[Node, tuple[str, int]], language: Language) -> tuple[str, int]:
    if node.is_number:
        text = language.number(node.value)
        return text, ATOM if node.value >= 0 else SUM
    if node.name in language.leaves:
        return language.leaves[node.name], ATOM
    if node.name in language.lacks:
        raise NotInLanguage(f"{language.name} has no '{node.name}': {language.lacks[node.name]}")
    if node.name in language.calls:
        arguments = [texts[argument][0] for argument in node.arguments]
        if node.name == "select":  # of two whole numbers it would be whole
            arguments = [f"{text}.0" if text.lstrip("-").isdigit() else text for text in arguments]
        return language.calls[node.name].format(*arguments), ATOM
    if node.name == "neg":
        return f"-{_bracketed(texts[node.arguments[0]], ATOM)}", SUM
    sign, rank = _INFIX[node.name]
    left, right = (texts[argument] for argument in node.arguments)
    return f"{_bracketed(left, rank)} {sign} {_bracketed(right, rank + 1)}", rank


def _bracketed(text: tuple[str, int], least: int) -> str:
    return text[0] if text[1] >= least else f"({text[0]})"


def _named(node: Node, taken: set[str]) -> str:
    """Return a name by what it is: ``sin_x``, else numbered."""
    leaf = node.arguments[0].name
    name = f"{node.name}_{leaf}" if len(node.arguments) == 1 and leaf in LEAVES else f"{node.name}_1"
    number = 1
    while name in taken:
        number += 1
        name = f"{node.name}_{number}"
    taken.add(name)
    return name
