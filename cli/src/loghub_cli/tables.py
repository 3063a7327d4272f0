"""Rows as aligned columns, in kubectl's manner. Pure; `inspecting` prints them."""

from collections.abc import Sequence

from loghub_cli import rendering

_GAP = "   "


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table; an empty cell is shown as `-`."""
    cells = [list(header), *([cell(each) for each in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return [
        _GAP.join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def cell(text: str) -> str:
    """Text of an object on one line, without anything that moves a cursor."""
    return rendering.safe(" ".join(text.split())) or "-"
