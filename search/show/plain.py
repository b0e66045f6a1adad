"""Values as every parser of JSON reads them. Not here: who prints or packs them."""

import math


def plain(value: object) -> object:
    """Return a value with infinities and what is no number as text."""
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {key: plain(part) for key, part in value.items()}
        case list() | tuple():
            return [plain(part) for part in value]
    return value
