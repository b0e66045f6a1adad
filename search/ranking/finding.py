"""Finding one entry of a ranking by what a person types."""

from collections.abc import Sequence

from grammar.fingerprint import fingerprint
from grammar.known import read
from grammar.parse import BadExpression
from grammar.primitive import Primitive
from search.ranking.leaderboard import Entry


class NotFound(ValueError):
    """No entry answers to what was asked for; the message says what would."""


def find(entries: list[Entry], which: str, own: Sequence[Primitive] = ()) -> Entry:
    """Return the entry of a place, an id (or its beginning), a known name or an expression.

    Raises:
        NotFound: nothing answers.
    """
    text = which.strip()
    if not entries:
        raise NotFound("nothing was trained in this run yet; look again in some seconds")
    if text.isdecimal() and 1 <= int(text) <= len(entries):
        return entries[int(text) - 1]
    if len(text) >= 4:
        matches = [entry for entry in entries if entry.fingerprint.startswith(text.lower())]
        if len(matches) == 1:
            return matches[0]
    if text.isdecimal():
        raise NotFound(f"no place {text}: this run has places 1 to {len(entries)}")
    for entry in entries:
        if entry.expression == text:
            return entry
    try:
        key = fingerprint(read(text, own))
    except BadExpression as fault:
        message = (
            f"'{text}' is no place in the list (1 to {len(entries)}), no id of this run and no expression: {fault}"
        )
        raise NotFound(message) from fault
    for entry in entries:
        if entry.fingerprint == key:
            return entry
    for entry in entries:  # with shared twins, one was trained for all
        if any(_fingerprint(twin, own) == key for twin in entry.twins):
            return entry
    raise NotFound(f"'{text}' was not trained in this run; 'actsearch evaluate \"{text}\"' scores it")


def _fingerprint(text: str, own: Sequence[Primitive]) -> str | None:
    try:
        return fingerprint(read(text, own))
    except BadExpression:  # with a primitive of the user's own that was not named here
        return None
