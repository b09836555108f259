"""Sides in file names: "ab_Front.jpg" is the front of the card "ab"."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.cards.pairs import name_key

Side = Literal["front", "back"]

SIDES: dict[str, Side] = {
    **dict.fromkeys(("front", "fronts", "recto", "obverse", "obv", "a", "f"), "front"),
    **dict.fromkeys(("back", "backs", "verso", "reverse", "rev", "b"), "back"),
}
# Matches a whole word: "card_front", "front-2", "frontside", but not "quarterback" or "frontier".
SIDE_WORD = re.compile(r"[ _-]*(?<![a-z])(front|back|recto|verso)(?:[ _-]?side)?(?![a-z])", re.IGNORECASE)
SIDE_FOLDER = re.compile(r"(fronts?|backs?|recto|verso)", re.IGNORECASE)
# Endings that mean a side only if the other side is there too: a "reverse" holo, or the card "b" of a page, is no back.
PAIRED_ENDINGS = (
    # 0001a, card_b, card (f); the letters of other cards of a series match as well
    re.compile(r"(?P<card>.*?)(?:[ _.-]+|(?<=\d))\(?(?P<side>[a-z])\)?", re.IGNORECASE),
    re.compile(r"(?P<card>.*?)[ _.-]+\(?(?P<side>obverse|reverse)\)?", re.IGNORECASE),
    re.compile(r"(?P<card>.*?)[ _.-]+\(?(?P<side>obv|rev)\)?", re.IGNORECASE),
    re.compile(r"(?P<card>.*[^\W_])(?P<side>front|back)", re.IGNORECASE),  # CardFront, cardback
)
ENDING_PAIRS = (("a", "b"), ("f", "b"), ("obverse", "reverse"), ("obv", "rev"), ("front", "back"))


@dataclass(frozen=True)
class NamedSide:
    """Card and side of a picture file.

    is_back_of  name of a card that the file is perhaps the back of, which its name leaves open; "" if it is clear
    """

    card: str
    side: Side
    is_back_of: str = ""


def name_and_side(file: Path, root: Path) -> tuple[str, Side]:
    """The card name and the side of a picture file by its own name: "psa4/ab_Front.jpg" -> ("psa4/ab", "front").

    The name is the path relative to `root` without suffix and side word, or the folder for a file such as "front.jpg".
    The last of several side words counts. A folder named "fronts" or "backs" gives the side of its files.
    """
    words = list(SIDE_WORD.finditer(file.stem))
    folder = file.parent
    side_folder = SIDE_FOLDER.fullmatch(folder.name) if folder != root else None
    if side_folder:
        folder = folder.parent
    side: Side = SIDES[words[-1][1].lower()] if words else SIDES[side_folder[1].lower()] if side_folder else "front"
    stem = (file.stem[: words[-1].start()] + file.stem[words[-1].end() :]) if words else file.stem
    return _card_name(stem, folder, root), side


def _card_name(stem: str, folder: Path, root: Path) -> str:
    relative = folder.relative_to(root)
    if card_stem := stem.strip(" _-"):
        return (relative / card_stem).as_posix()
    return relative.as_posix() if relative.parts else root.name


def named_sides(files: Iterable[Path], root: Path, *, endings_are_backs: bool = False) -> dict[Path, NamedSide]:
    """Card and side of each picture file; endings such as _a and _b are sides if both sides of a card have them.

    endings_are_backs  "card_b" is the back of "card"; else it has `is_back_of`
    """
    files = list(files)
    sides = {file: NamedSide(*name_and_side(file, root)) for file in files}
    plain = [file for file in files if not SIDE_WORD.search(file.stem) and not _is_in_side_folder(file, root)]
    card_of = {name_key(sides[file].card): sides[file].card for file in plain}
    for pattern in PAIRED_ENDINGS:
        for card, file_of in _by_card(pattern, plain, root).items():
            if pair := _side_pair(file_of.keys()):
                sides |= {file_of[ending]: NamedSide(card, SIDES[ending]) for ending in pair}
            elif len(file_of) == 1:
                ((ending, file),) = file_of.items()
                if SIDES.get(ending) == "back" and (front := card_of.get(name_key(card))):
                    unclear = NamedSide(sides[file].card, "front", is_back_of=front)
                    sides[file] = NamedSide(front, "back") if endings_are_backs else unclear
    return sides


def _is_in_side_folder(file: Path, root: Path) -> bool:
    return file.parent != root and SIDE_FOLDER.fullmatch(file.parent.name) is not None


def _by_card(pattern: re.Pattern[str], files: Iterable[Path], root: Path) -> dict[str, dict[str, Path]]:
    """Card name -> ending -> file, of the files whose names match a pattern of PAIRED_ENDINGS."""
    cards: dict[str, str] = {}
    endings: dict[str, dict[str, Path]] = defaultdict(dict)
    for file in files:
        if match := pattern.fullmatch(file.stem):
            name = _card_name(match["card"], file.parent, root)
            card = cards.setdefault(name_key(name), name)
            endings[card].setdefault(match["side"].lower(), file)
    return endings


def _side_pair(endings: Collection[str]) -> tuple[str, str] | None:
    """The two endings that are sides; None if there are not two, or if more letters make the files a series."""
    return next((pair for pair in ENDING_PAIRS if set(pair) == set(endings)), None)
