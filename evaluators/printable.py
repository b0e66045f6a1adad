"""Text from elsewhere, a store, a config, an exception, as it may reach a terminal: nothing in it is obeyed."""

LONGEST = 1000  # characters of a reason that are kept
ROOM = 50  # for what is said behind them


def printable(text: str) -> str:
    """Return the text with what is not printed, such as escapes, line ends and marks of direction, as codes."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def shortened(text: str) -> str:
    """Return the printable text, cut where it is longer than anybody reads; what was shortened once stays as it is."""
    if len(text) <= LONGEST + ROOM:
        return printable(text)
    return f"{printable(text[:LONGEST])[:LONGEST]} ... ({len(text)} characters)"
