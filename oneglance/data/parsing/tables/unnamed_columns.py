"""Names for the columns of a table that has no first row of names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from oneglance.data.cell import number
from oneglance.data.images.references import is_picture

PICTURE = "image"
EDGES = ("xmin", "ymin", "xmax", "ymax")
ONLY = "label"  # the only column beside the picture, and that of the class of a box


def are_names(row: Sequence[str]) -> bool:
    """Whether the first row names columns: a picture's name names none."""
    return not any(map(is_picture, row))


def names_for(rows: Sequence[Sequence[str]]) -> list[str]:
    """Names for the columns of ``rows``: ``image`` for the first that holds the pictures' names, the edges of
    a box for four numbers beside each other that can be these, ``label`` for a single other one; else
    ``column2``, by the place.
    """
    width = max(map(len, rows))
    names = [f"column{place}" for place in range(1, width + 1)]
    picture = next(place for place, cell in enumerate(rows[0]) if is_picture(cell))
    names[picture] = PICTURE
    others = [place for place in range(width) if place != picture]
    edges = next((start for start in others if _are_edges(start, picture, rows)), None)
    if edges is not None:
        names[edges : edges + 4] = EDGES
        others = [place for place in others if not edges <= place < edges + 4]
    if len(others) == 1:
        names[others[0]] = ONLY
    return names


def _are_edges(start: int, picture: int, rows: Sequence[Sequence[str]]) -> bool:
    """Whether four cells from ``start`` on are left, top, right and bottom in pixels, where a row has any."""
    boxes = list(_fours(start, rows))
    if start <= picture < start + 4 or not boxes:
        return False
    return all(len(box) == 4 and box[0] < box[2] and box[1] < box[3] for box in boxes) and any(
        value > 1 for box in boxes for value in box
    )


def _fours(start: int, rows: Sequence[Sequence[str]]) -> Iterator[list[float]]:
    """The numbers of four cells of each row that fills any of them."""
    for row in rows:
        cells = [cell.strip() for cell in row[start : start + 4]]
        if any(cells):
            yield [value for cell in cells if (value := number(cell)) is not None]
