"""Make foreign text (from a store, a config, an exception) safe to print: the terminal obeys nothing in it."""

LONGEST = 1000  # largest number of characters to keep of a reason
ROOM = 50  # number of characters for the note after a cut


def printable(text: str) -> str:
    """Return the text with codes for unprintable characters, such as escapes, line ends and marks of direction."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def shortened(text: str) -> str:
    """Return the printable text, cut to a readable length; a text that was cut once stays the same."""
    if len(text) <= LONGEST + ROOM:
        return printable(text)
    return f"{printable(text[:LONGEST])[:LONGEST]} ... ({len(text)} characters)"
