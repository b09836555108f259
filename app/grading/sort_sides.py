"""Front and back of a card from two pictures in any order: by their names, else by their look."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.settings import UserError
from engine.detection.card_sides import is_known_back
from engine.inference.card_side import FindSide, find_side
from labeling.side_names import named_sides


def sort_sides(pictures: Sequence[Path], find: FindSide = find_side) -> tuple[Path, Path]:
    """The front and the back of one card; in the given order if neither name nor look tells them apart.

    Raises UserError unless there are two pictures, and BadPicture if the look is needed and one cannot be read.
    """
    if len(pictures) != 2:
        raise UserError(f"{len(pictures)} pictures were given; give two, the front and the back of one card")
    first, second = pictures
    by_name = _sides_by_name(first, second)
    if by_name is not None:
        return (first, second) if by_name == ("front", "back") else (second, first)
    is_back = [is_known_back(find(path).thumbnail) for path in pictures]
    return (second, first) if is_back == [True, False] else (first, second)


def _sides_by_name(first: Path, second: Path) -> tuple[str, str] | None:
    """The sides that the names give; None if they do not name one of each."""
    names = [Path(first.name), Path(second.name)]
    if names[0] == names[1]:
        return None
    named = named_sides(names, Path())
    sides = (named[names[0]].side, named[names[1]].side)
    return sides if set(sides) == {"front", "back"} else None
