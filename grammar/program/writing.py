"""Operations as text of a language that has them, or is given them.

What is used twice is one line of its own, named by what it is. Not here: the languages (``grammar.formats``).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from actsearch.grammar.fault import UserFault
from actsearch.grammar.program.node import OPERATIONS, Node, parts

COMPARED, SUM, PRODUCT, ATOM = range(4)
_INFIX = {"add": ("+", SUM), "sub": ("-", SUM), "mul": ("*", PRODUCT), "div": ("/", PRODUCT),
          "less": ("<", COMPARED), "most": ("<=", COMPARED)}  # fmt: skip
DEEPEST = 12  # brackets within brackets on a line; Python's parser ends at about a hundred
Phrase = tuple[str, int]
"""A text, and how strongly it binds."""


class NotInLanguage(UserFault):
    """The language has no such operation, and none is written for it; the message names both."""


@dataclass(frozen=True)
class Language:
    """How a language writes operations.

    Args:
        name: for people.
        calls: operation -> text with the arguments' places ``{0}``, ``{1}``, ``{2}``, or the name of a function. The
            usual signs need none.
        helpers: operation -> a definition that its call needs.
        assign: text of an assignment, with ``{name}`` and ``{value}``.
        number: text of a number.
        lacks: operation -> why it cannot be written.
        bare: whether a whole number beside a sign is written without a point.
    """

    name: str
    calls: Mapping[str, str]
    helpers: Mapping[str, str] = field(default_factory=dict)
    assign: str = "{name} = {value}"
    number: Callable[[float], str] = lambda value: f"{value:g}" if float(f"{value:g}") == value else repr(value)
    lacks: Mapping[str, str] = field(default_factory=dict)
    bare: bool = False

    def phrase(self, name: str, arguments: Sequence[Phrase], text: str = "") -> Phrase:
        """Return an operation on phrases.

        Args:
            name: the operation.
            arguments: their phrases.
            text: the code of what is opaque.

        Raises:
            NotInLanguage: it cannot be written.
        """
        if name in self.lacks:
            raise NotInLanguage(f"{self.name} has no '{name}': {self.lacks[name]}")
        texts = [argument for argument, _ in arguments]
        if name == "opaque":
            return f"({text.format(*texts)})", ATOM
        if name in self.calls:
            if name == "select":  # of two whole numbers it would be whole
                texts = [f"{text}.0" if text.lstrip("-").isdigit() else text for text in texts]
            call = self.calls[name]
            return call.format(*texts) if "{" in call else f"{call}({', '.join(texts)})", ATOM
        if name == "neg":
            return f"-{_bracketed(arguments[0], ATOM)}", SUM
        sign, rank = _INFIX[name]
        left, right = ((text.removesuffix(".0") if self.bare else text, rank) for text, rank in arguments)
        return f"{_bracketed(left, rank)} {sign} {_bracketed(right, rank + 1)}", rank


TORCH = Language(
    "torch",
    {name: row.torch for name, row in OPERATIONS.items() if row.torch}
    | {
        "below": "(({0}) < ({1})).to(({2}).dtype)",
        "at_most": "(({0}) <= ({1})).to(({2}).dtype)",
        "stop": "({0}).detach()",
    },
    number=repr,
    bare=True,
)
"""What a row's code may call: what is trained, and exported to torch."""


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
    phrases: dict[Node, Phrase] = {}
    depths: dict[Node, int] = {}
    lines, names, helpers = list[str](), {node.text for node in order if node.is_leaf}, dict[str, str]()
    for node in order:
        depth = 1 + max((depths[argument] for argument in node.arguments), default=-1)
        phrase = _phrase(node, phrases, language)
        if node.name in language.helpers:
            helpers[language.helpers[node.name]] = node.name
        if (uses[node] > 1 or depth > DEEPEST) and node.arguments and node not in roots:
            name = prefix + _named(node, names)
            lines.append(language.assign.format(name=name, value=phrase[0]))
            phrase, depth = (name, ATOM), 0
        phrases[node], depths[node] = phrase, depth
    return Text(tuple(lines), tuple(phrases[root][0] for root in roots), tuple(helpers))


def _phrase(node: Node, phrases: Mapping[Node, Phrase], language: Language) -> Phrase:
    if node.is_number:
        return language.number(node.value), ATOM if node.value >= 0 else SUM
    if node.is_leaf:
        return node.text, ATOM
    return language.phrase(node.name, [phrases[argument] for argument in node.arguments], node.text)


def _bracketed(phrase: Phrase, least: int) -> str:
    return phrase[0] if phrase[1] >= least else f"({phrase[0]})"


def _named(node: Node, taken: set[str]) -> str:
    """Return a name by what it is: ``sin_x``, else numbered."""
    argument = node.arguments[0]
    name = f"{node.name}_{argument.text}" if len(node.arguments) == 1 and argument.is_leaf else f"{node.name}_1"
    number = 1
    while name in taken:
        number += 1
        name = f"{node.name}_{number}"
    taken.add(name)
    return name
