"""Discovery of the cards at a path: a manifest, a folder with a manifest, a folder per grade, or a plain folder."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.cards.grades import BadGrade, parse_grade
from engine.cards.pairs import BadManifest, CardPair, Manifest, Refused, name_key, read_manifest
from engine.image.read import SUFFIXES
from labeling.side_names import SIDE_FOLDER, Side, named_sides

MANIFEST_NAMES = ("manifest.csv", "labels.csv")
TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".txt"})
UNREAD_TABLES = frozenset({*TABLE_SUFFIXES, ".xlsx", ".xls", ".ods", ".numbers"} - {".txt"})
RAW_SUFFIXES = frozenset({".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2"})  # camera raw files
TRUTH_FILE = "truth.jsonl"  # written by the simulator, marks its cards as synthetic
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "@eadir", "__macosx"})
# The first bytes of the picture formats that are read, wherever a format has a signature at its beginning.
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"BM")
HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
GRADE_FOLDER = re.compile(r"(?:psa)?[ _-]*(\d{1,2}(?:\.\d)?)", re.IGNORECASE)


# "card_b" beside "card": its back, a card of its own, or left out until the user says which.
Endings = Literal["back", "card", "left out"]
Progress = Callable[[int, int], None]


class ImportRefused(ValueError):
    """A path that cannot be imported as a whole; the message names it and the remedy."""


def cards_at(path: Path, *, endings: Endings = "left out", progress: Progress | None = None) -> Manifest:
    """List the cards at a path without decoding a picture; files that are not taken are in `refused`.

    endings   what a picture is that may be the back of another by the ending of its name
    progress  called with (rows read, total rows) of a manifest
    raises    ImportRefused if the path does not exist, is neither a folder nor a manifest, or holds no card
    """
    manifest = manifest_at(path)
    if manifest is None:
        return cards_in_folder(path, endings=endings)
    try:
        cards = read_manifest(manifest, progress=progress)
        if path != manifest:
            cards.refused.extend(_unlisted_pictures(path, manifest, cards))
        return _not_empty(cards, manifest)
    except BadManifest as error:
        hint = "" if manifest == path else "; if it only holds grades for the pictures, pass it as --labels"
        raise ImportRefused(f"{error}{hint}") from error


def manifest_at(path: Path) -> Path | None:
    """The manifest at a path: the table itself, or the one in the folder; None if there is none."""
    if not path.is_dir():
        return path if path.is_file() and path.suffix.lower() in TABLE_SUFFIXES else None
    files = {file.name.lower(): file for file in _entries(path) if file.is_file()}
    return next((files[name] for name in MANIFEST_NAMES if name in files), None)


def _unlisted_pictures(folder: Path, manifest: Path, cards: Manifest) -> list[Refused]:
    """The pictures of a folder, and of its subfolders, that its manifest does not name."""
    listed = {path.resolve() for pair in cards.pairs for path, _ in pair.sides}
    named = {name for refused in cards.refused for name in refused.pictures}
    reason = f"is not in {manifest.name}; add a line for its card"
    return [
        Refused(str(file), reason)
        for file in _pictures_below(folder.absolute())
        if file.resolve() not in listed and name_key(file.name) not in named
    ]


def cards_in_folder(root: Path, *, used: Collection[Path] = (), endings: Endings = "left out") -> Manifest:
    """List the cards in a folder with one subfolder per grade (psa1 .. psa10 or 1 .. 10), or in a plain folder.

    used     files of the folder that are used elsewhere, such as the table of labels
    endings  as in `cards_at`
    raises   ImportRefused if the folder does not exist, is not a folder, or holds no picture
    """
    if not root.exists():
        raise ImportRefused(f"{root}: there is no such file or folder; check the path")
    if not root.is_dir():
        raise ImportRefused(f"{root}: is neither a folder nor a CSV manifest; give one of these")
    try:
        cards = _not_empty(_cards_in_folder(_Folder(root.absolute(), endings)), root)
    except OSError as error:
        raise ImportRefused(f"{root}: cannot be read ({error.strerror}); check its permissions") from error
    used_paths = {str(path.absolute()) for path in used}
    return Manifest(cards.pairs, [refused for refused in cards.refused if refused.path not in used_paths])


def _not_empty(cards: Manifest, path: Path) -> Manifest:
    if not cards.pairs and not cards.refused:
        raise ImportRefused(f"{path}: holds no cards; give a folder with pictures, or a manifest that lists them")
    return cards


@dataclass(frozen=True)
class _Folder:
    """The folder that is imported."""

    root: Path
    endings: Endings


def has_grade_folders(root: Path) -> bool:
    """True if a folder has subfolders that are named after grades."""
    return any(GRADE_FOLDER.fullmatch(entry.name) for entry in _entries(root) if entry.is_dir())


def _cards_in_folder(imported: _Folder) -> Manifest:
    root = imported.root
    if not has_grade_folders(root):
        return _cards_of_one_folder(root, imported, None, "is a subfolder; import that folder separately")
    folders = [entry for entry in _entries(root) if entry.is_dir()]
    files = [entry for entry in _entries(root) if not entry.is_dir()]
    loose = [Refused(str(file), _loose_reason(file)) for file in files if file.name.lower() != TRUTH_FILE]
    return _merge([Manifest([], loose), *(_cards_in_grade_folder(folder, imported) for folder in folders)])


def _loose_reason(file: Path) -> str:
    return "is not in a grade folder; move it into one of them" if is_picture(file) else _unused_reason(file)


def _cards_in_grade_folder(folder: Path, imported: _Folder) -> Manifest:
    match = GRADE_FOLDER.fullmatch(folder.name)
    if match is None:
        reason = "the folder's name is not a grade; name it psa1 to psa10, or 1 to 10"
        return Manifest([], _refuse_folders([folder], reason))
    try:
        grade = parse_grade(match[1])
    except BadGrade as error:
        return Manifest([], [Refused(str(folder), str(error))])
    return _cards_of_one_folder(folder, imported, grade, "is a subfolder; move its pictures up")


def _cards_of_one_folder(folder: Path, imported: _Folder, grade: float | None, subfolder_reason: str) -> Manifest:
    """The cards of a folder's pictures, and of its subfolders named after a side ("fronts" and "backs")."""
    entries = _entries(folder)
    folders = [entry for entry in entries if entry.is_dir()]
    side_folders = [entry for entry in folders if SIDE_FOLDER.fullmatch(entry.name)]
    files = [file for file in entries if not file.is_dir()]
    files += [file for side_folder in side_folders for file in _entries(side_folder) if not file.is_dir()]
    others = [entry for entry in folders if entry not in side_folders]
    others += [entry for side_folder in side_folders for entry in _entries(side_folder) if entry.is_dir()]
    return _merge([_pair_up(files, imported, grade), Manifest([], _refuse_folders(others, subfolder_reason))])


def _pair_up(files: Iterable[Path], imported: _Folder, grade: float | None) -> Manifest:
    """Pair picture files into cards; one without a side in its name is a front."""
    sides: dict[str, dict[Side, Path]] = {}
    names: dict[str, str] = {}
    refused: list[Refused] = []
    pictures: list[Path] = []
    for file in files:
        if is_picture(file):
            pictures.append(file)
        elif file.name.lower() != TRUTH_FILE:
            refused.append(Refused(str(file), _unused_reason(file)))
    for file, named in named_sides(pictures, imported.root, endings_are_backs=imported.endings == "back").items():
        key = name_key(named.card)
        card_sides = sides.setdefault(key, {})
        names.setdefault(key, named.card)
        if named.is_back_of and imported.endings == "left out":
            back, front = f"{Path(named.is_back_of).name}_back{file.suffix}", f"{file.stem}_front{file.suffix}"
            reason = f"may be the back of card {named.is_back_of!r}: if it is, name it {back}, else name it {front}"
            refused.append(Refused(str(file), reason, may_be_back_of=named.is_back_of))
        elif named.side in card_sides:
            other = card_sides[named.side].name
            reason = f"card {names[key]!r} already has its {named.side}, {other}; rename one of the two"
            refused.append(Refused(str(file), reason))
        else:
            card_sides[named.side] = file
    pairs = [CardPair(names[key], s.get("front"), s.get("back"), grade) for key, s in sides.items() if s]
    return Manifest(pairs, refused)


def has_utf8_name(path: Path) -> bool:
    """True if a path is valid UTF-8, which the database requires of it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def is_picture(path: Path) -> bool:
    """True if a file is named as a picture that can be read, or if its first bytes are those of one."""
    if not path.is_file():
        return False
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        # A file of the system's own, as in /proc, has no size, and reading it may wait for ever.
        if path.stat().st_size == 0:
            return False
        with path.open("rb") as file:
            start = file.read(16)
    except OSError:  # named among the files that are not taken
        return False
    is_webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    is_heif = start[4:8] == b"ftyp" and start[8:12] in HEIF_BRANDS
    return start.startswith(SIGNATURES) or is_webp or is_heif


def _unused_reason(path: Path) -> str:
    """The reason why an entry that is neither a folder nor a picture is not taken."""
    suffix = path.suffix.lower()
    if path.is_symlink() and not path.exists():
        return "is a link to a file that does not exist; restore that file"
    if not path.exists() or is_picture(path):  # it was no picture a moment before
        return "was removed or replaced while the folder was read; import the folder again"
    if not path.is_file():
        return "is a pipe or a device, not a file; remove it"
    if suffix in UNREAD_TABLES:
        return "is a table that was not used; import it by its own path, or pass it as --labels"
    if suffix in RAW_SUFFIXES or (mimetypes.guess_type(path.name)[0] or "").startswith("image/"):
        return "cannot be read; use JPEG, PNG, WebP, TIFF, BMP or HEIC"
    return "is not a picture"


def _entries(folder: Path) -> list[Path]:
    """The files and folders in a folder, in order, without hidden ones and those that systems create."""
    entries = sorted(folder.iterdir())
    return [entry for entry in entries if not entry.name.startswith(".") and entry.name.lower() not in SYSTEM_FILES]


def _refuse_folders(folders: Iterable[Path], reason: str) -> list[Refused]:
    """Refuse the folders that contain pictures at any depth; others are ignored."""
    return [Refused(str(folder), reason) for folder in folders if _holds_picture(folder)]


def _holds_picture(folder: Path) -> bool:
    return any(_is_named_as_picture(file) or is_picture(file) for file in _files_below(folder))


def _is_named_as_picture(path: Path) -> bool:
    return (mimetypes.guess_type(path.name)[0] or "").startswith("image/")


def _pictures_below(folder: Path) -> list[Path]:
    return [file for file in _files_below(folder) if is_picture(file)]


def _files_below(folder: Path) -> Iterable[Path]:
    """The files in a folder and its subfolders; links to folders are not followed, because they may form a circle."""
    folders = [folder]  # not by recursion: folders may be nested more deeply than Python calls
    while folders:
        entries = _entries(folders.pop())
        folders += [entry for entry in reversed(entries) if entry.is_dir() and not entry.is_symlink()]
        yield from (entry for entry in entries if not entry.is_dir())


def _merge(parts: Iterable[Manifest]) -> Manifest:
    parts = list(parts)
    return Manifest([p for part in parts for p in part.pairs], [r for part in parts for r in part.refused])
