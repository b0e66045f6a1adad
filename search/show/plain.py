"""Values that every JSON parser can read. Not here: printing and packing them."""

import math


def plain(value: object) -> object:
    """Return a value with infinities and NaN replaced by text."""
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {key: plain(part) for key, part in value.items()}
        case list() | tuple():
            return [plain(part) for part in value]
    return value
