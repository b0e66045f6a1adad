"""A function as a small picture of braille letters, for terminals. Not here: pictures for pages (``report``)."""

from collections.abc import Sequence

DOTS = (
    (0x01, 0x08),
    (0x02, 0x10),
    (0x04, 0x20),
    (0x40, 0x80),
)  # bit of a braille letter's dot, by row and column
BRAILLE = 0x2800


def sketch(rows: Sequence[Sequence[float]], width: int = 40, height: int = 8) -> list[str]:
    """Return lines of braille letters that draw curves over the same points.

    Args:
        rows: values of each curve, all of one length; values that are not finite are left out.
        width: width in letters.
        height: height in lines.
    """
    known = [value for row in rows for value in row if abs(value) < 1e6]
    low, high = min(known, default=0.0), max(known, default=1.0)
    spread = (high - low) or 1.0
    letters = [[0] * width for _ in range(height)]
    for row in rows:
        for column in range(2 * width):
            value = row[round(column * (len(row) - 1) / (2 * width - 1))]
            if not low <= value <= high:
                continue
            line = round((high - value) / spread * (4 * height - 1))
            letters[line // 4][column // 2] |= DOTS[line % 4][column % 2]
    drawn = ["".join(chr(BRAILLE + letter) for letter in line) for line in letters]
    labels = [f"{high:.3g}", *[""] * (height - 2), f"{low:.3g}"]
    return [f"{label:>8} {line}" for label, line in zip(labels, drawn, strict=True)]
