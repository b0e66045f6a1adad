"""Writer of graphs: source text in a language.

A value that is used twice gets its own line, with a descriptive name. Not here: the languages (``grammar.formats``).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from actsearch.grammar.fault import UserFault
from actsearch.grammar.program.node import OPERATIONS, Node, parts

COMPARED, SUM, PRODUCT, ATOM = range(4)
_INFIX = {"add": ("+", SUM), "sub": ("-", SUM), "mul": ("*", PRODUCT), "div": ("/", PRODUCT),
          "less": ("<", COMPARED), "most": ("<=", COMPARED)}  # fmt: skip
DEEPEST = 12  # largest nesting depth on a line; Python's parser fails at about a hundred
Phrase = tuple[str, int]
"""A text, and the precedence of its outermost operator."""


class NotInLanguage(UserFault):
    """The language lacks an operation, and no helper supplies it; the message names both."""


@dataclass(frozen=True)
class Language:
    """Syntax of a language.

    Args:
        name: name of the language for people.
        calls: operation -> template with places ``{0}``, ``{1}``, ``{2}``, or the name of a function. Operators such as
            ``+`` need no entry.
        helpers: operation -> definition that its call needs.
        assign: template of an assignment, with ``{name}`` and ``{value}``.
        number: function from a number to its text.
        lacks: operation -> reason why the language cannot write it.
        bare: whether a whole number beside an operator is written without ``.0``.
    """

    name: str
    calls: Mapping[str, str]
    helpers: Mapping[str, str] = field(default_factory=dict)
    assign: str = "{name} = {value}"
    number: Callable[[float], str] = lambda value: f"{value:g}" if float(f"{value:g}") == value else repr(value)
    lacks: Mapping[str, str] = field(default_factory=dict)
    bare: bool = False

    def phrase(self, name: str, arguments: Sequence[Phrase], text: str = "") -> Phrase:
        """Return the phrase of an operation.

        Args:
            name: name of the operation.
            arguments: phrases of the arguments.
            text: torch code of an opaque node.

        Raises:
            NotInLanguage: the language lacks the operation.
        """
        if name in self.lacks:
            raise NotInLanguage(f"{self.name} has no '{name}': {self.lacks[name]}")
        texts = [argument for argument, _ in arguments]
        if name == "opaque":
            return f"({text.format(*texts)})", ATOM
        if name in self.calls:
            if name == "select":  # a selection of two whole numbers would have an integer type
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
"""The torch code of training and of exports to torch."""


@dataclass(frozen=True)
class Text:
    """Source text of some graphs.

    Args:
        lines: assignments, in order.
        results: text of each graph's value.
        helpers: definitions that the lines need.
    """

    lines: tuple[str, ...]
    results: tuple[str, ...]
    helpers: tuple[str, ...]


def write(roots: Sequence[Node], language: Language, *, prefix: str = "") -> Text:
    """Write graphs as source text.

    Args:
        roots: graphs.
        language: language of the text.
        prefix: prefix of every name that is assigned.

    Raises:
        NotInLanguage: the language lacks an operation.
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
            name = prefix + _new_name(node, names)
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


def _new_name(node: Node, names: set[str]) -> str:
    """Return an unused name for the value of a node, such as ``sin_x``, and add it to ``names``."""
    argument = node.arguments[0]
    name = f"{node.name}_{argument.text}" if len(node.arguments) == 1 and argument.is_leaf else f"{node.name}_1"
    number = 1
    while name in names:
        number += 1
        name = f"{node.name}_{number}"
    names.add(name)
    return name
