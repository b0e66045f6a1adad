"""The look-up of one entry of a ranking by the text that a person types."""

from collections.abc import Sequence
from itertools import chain

from actsearch.evaluators.activation import BUILT_IN, Vocabulary
from actsearch.grammar.fault import UserFault
from actsearch.grammar.parse import BadExpression
from actsearch.search.ranking.entry import Entry

SHORTEST = 4  # fewest letters of an id
DIGITS, LONGEST = 9, 60  # most digits of a position, and most letters of a text in a message


class NotFound(UserFault):
    """No entry matches the text; the message says which texts would."""


def find(entries: list[Entry], which: str, vocabulary: Vocabulary = BUILT_IN) -> Entry:
    """Return the entry of a position, an id (or its beginning), a known name, an expression, or ``found``.

    ``found`` is the first find of the search, ``found:2`` the second: a baseline often leads the list.

    Raises:
        NotFound: no entry matches.
    """
    text = which.strip()
    if not entries:
        raise NotFound("nothing was trained in this run yet; look again in some seconds")
    entry = _by_place(entries, text) or _by_function(entries, text, vocabulary)
    if entry is None:
        raise NotFound(f"'{text}' was not trained in this run; 'actsearch evaluate \"{text}\"' scores it")
    return entry


def _by_place(entries: Sequence[Entry], text: str) -> Entry | None:
    """Return the entry of a position, an id or ``found``; a number is never read as an expression."""
    if text.partition(":")[0] == "found":
        return _find_of_search(entries, text)
    place = _number(text)
    if place is not None and 1 <= place <= len(entries):
        return entries[place - 1]
    matches = (
        [entry for entry in entries if entry.fingerprint.startswith(text.lower())] if len(text) >= SHORTEST else []
    )
    if len(matches) == 1:
        return matches[0]
    if text.isdecimal():
        raise NotFound(f"no position {text[:LONGEST]}: this run has positions 1 to {len(entries)}")
    return None


def _find_of_search(entries: Sequence[Entry], text: str) -> Entry:
    finds = [entry for entry in entries if entry.found]
    number = _number(text.partition(":")[2] or "1")
    if number is None or not 1 <= number <= len(finds):
        expected = f"expected found or found:1 to found:{len(finds)}"
        raise NotFound(f"no '{text[:LONGEST]}': the search found {len(finds)}, {expected}")
    return finds[number - 1]


def _number(text: str) -> int | None:
    """Return the position that a text names; None if it is no number, or has more digits than any position."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= DIGITS else None


def _by_function(entries: Sequence[Entry], text: str, vocabulary: Vocabulary) -> Entry | None:
    """Return the entry with this text or this behaviour; else a mirror image of it."""
    same = next((entry for entry in entries if entry.expression == text), None)
    if same is not None:
        return same
    try:
        activation = vocabulary.read(text)
        key, images = activation.identity, {activation.twin(constants=constants) for constants in (False, True)}
    except BadExpression as fault:
        message = (
            f"'{text}' is no position in the list (1 to {len(entries)}), no id of this run and no expression: {fault}"
        )
        raise NotFound(message) from fault
    equal = (entry for entry in entries if entry.fingerprint == key)
    twins = (entry for entry in entries if any(_identity(twin, vocabulary) == key for twin in entry.twins))
    mirrored = (entry for entry in entries if entry.twin in images)  # tables may print the mirror image
    return next(chain(equal, twins, mirrored), None)


def _identity(text: str, vocabulary: Vocabulary) -> str | None:
    try:
        return vocabulary.read_kept(text).identity
    except BadExpression:  # the text has a primitive of the user's that the vocabulary lacks
        return None
