"""Discovery of the cards at a path: a manifest, a folder with a manifest, a folder per grade, or a plain folder."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable
from pathlib import Path

from engine.cards.grades import BadGrade, parse_grade
from engine.cards.pairs import BadManifest, CardPair, Manifest, Refused, read_manifest
from engine.image.read import SUFFIXES

MANIFEST_NAMES = ("manifest.csv", "labels.csv")
GRADE_FOLDER = re.compile(r"(?:psa)?[ _-]*(\d{1,2}(?:\.\d)?)", re.IGNORECASE)
# Matches a whole word: "card_front", "front-2", but not "quarterback" or "frontier".
SIDE_WORD = re.compile(r"[ _-]*(?<![a-z])(front|back)(?![a-z])", re.IGNORECASE)


class ImportRefused(ValueError):
    """A path that cannot be imported as a whole; the message names it and the remedy."""


def cards_at(path: Path) -> Manifest:
    """List the cards at a path without opening a picture; entries that are not cards are in `refused`.

    Raises ImportRefused if the path does not exist, is neither a folder nor a manifest, or holds no card.
    """
    manifest = manifest_at(path)
    if manifest is None:
        return cards_in_folder(path)
    try:
        return _not_empty(read_manifest(manifest), manifest)
    except BadManifest as error:
        hint = "" if manifest == path else "; if it only holds grades for the pictures, pass it as --labels"
        raise ImportRefused(f"{error}{hint}") from error


def manifest_at(path: Path) -> Path | None:
    """The manifest at a path: the CSV itself, or the one in the folder; None if there is none."""
    if path.is_file() and path.suffix.lower() == ".csv":
        return path
    return next((path / name for name in MANIFEST_NAMES if (path / name).is_file()), None)


def cards_in_folder(root: Path) -> Manifest:
    """List the cards in a folder with one subfolder per grade (psa1 .. psa10 or 1 .. 10), or in a plain folder.

    Raises ImportRefused if the folder does not exist, is not a folder, or holds no picture.
    """
    if not root.exists():
        raise ImportRefused(f"{root}: there is no such file or folder; check the path")
    if not root.is_dir():
        raise ImportRefused(f"{root}: is neither a folder nor a CSV manifest; give one of these")
    try:
        return _not_empty(_cards_in_folder(root.absolute()), root)
    except OSError as error:
        raise ImportRefused(f"{root}: cannot be read ({error.strerror}); check its permissions") from error


def _not_empty(cards: Manifest, path: Path) -> Manifest:
    if not cards.pairs and not cards.refused:
        raise ImportRefused(f"{path}: holds no cards; give a folder with pictures, or a manifest that lists them")
    return cards


def _cards_in_folder(root: Path) -> Manifest:
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not any(GRADE_FOLDER.fullmatch(folder.name) for folder in folders):
        return _merge(
            [_pair_up(root, root, None), _refuse_pictures(folders, "is a subfolder; import that folder separately")]
        )
    loose = _refuse_pictures(_files(root), "is not in a grade folder; move it into one of them")
    return _merge([loose, *(_cards_in_grade_folder(folder, root) for folder in folders)])


def _cards_in_grade_folder(folder: Path, root: Path) -> Manifest:
    match = GRADE_FOLDER.fullmatch(folder.name)
    if match is None:
        return _refuse_pictures([folder], "the folder's name is not a grade; name it psa1 to psa10, or 1 to 10")
    try:
        grade = parse_grade(match[1])
    except BadGrade as error:
        return Manifest([], [Refused(str(folder), str(error))])
    subfolders = [entry for entry in folder.iterdir() if entry.is_dir()]
    return _merge([_pair_up(folder, root, grade), _refuse_pictures(subfolders, "is a subfolder; move its pictures up")])


def _pair_up(folder: Path, root: Path, grade: float | None) -> Manifest:
    """Pair the pictures of a folder into cards; a picture without "front" or "back" in its name is a front."""
    sides: dict[str, dict[str, Path]] = {}
    names: dict[str, str] = {}
    refused: list[Refused] = []
    for file in _files(folder):
        if file.suffix.lower() not in SUFFIXES:
            refused += _refuse_pictures([file], "cannot be read; use JPEG, PNG, WebP, TIFF, BMP or HEIC").refused
            continue
        name, side = name_and_side(file, root)
        key = name.casefold()
        card_sides = sides.setdefault(key, {})
        names.setdefault(key, name)
        if side in card_sides:
            reason = f"card {names[key]!r} already has its {side}, {card_sides[side].name}; rename one of the two"
            refused.append(Refused(str(file), reason))
        else:
            card_sides[side] = file
    pairs = [CardPair(names[key], s.get("front"), s.get("back"), grade) for key, s in sides.items()]
    return Manifest(pairs, refused)


def name_and_side(file: Path, root: Path) -> tuple[str, str]:
    """The card name and the side of a picture file: "psa4/ab_Front.jpg" -> ("psa4/ab", "front").

    The name is the path relative to `root` without suffix and side word, or the folder for a file such as "front.jpg".
    The last of several side words counts.
    """
    words = list(SIDE_WORD.finditer(file.stem))
    side = words[-1][1].lower() if words else "front"
    stem = (file.stem[: words[-1].start()] + file.stem[words[-1].end() :]) if words else file.stem
    folder = file.parent.relative_to(root)
    card_stem = stem.strip(" _-")
    if card_stem:
        return (folder / card_stem).as_posix(), side
    return (folder.as_posix() if folder.parts else root.name), side


def _files(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith("."))


def _refuse_pictures(paths: Iterable[Path], reason: str) -> Manifest:
    """Refuse the paths that are or contain pictures; other files are ignored."""
    return Manifest([], [Refused(str(path), reason) for path in paths if _has_picture(path)])


def _has_picture(path: Path) -> bool:
    if path.is_dir():
        return any(_has_picture(file) for file in _files(path))
    guess = mimetypes.guess_type(path.name)[0] or ""
    return guess.startswith("image/") or path.suffix.lower() in SUFFIXES


def _merge(parts: Iterable[Manifest]) -> Manifest:
    parts = list(parts)
    return Manifest([p for part in parts for p in part.pairs], [r for part in parts for r in part.refused])
