"""Picture files on import: content hash, size, perceptual hash and quality."""

from __future__ import annotations

import hashlib
from collections.abc import Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import imagehash
from PIL import Image

from engine.image.quality import picture_quality
from engine.image.read import BadPicture, picture_size, read_picture, read_reduced

# pHash uses 32 x 32 pixels; decoding eight times as many per side changes it by two bits at most.
MIN_PHASH_SIDE_PX = 256


@dataclass(frozen=True)
class PictureContent:
    """Data of a decoded picture: upright size in pixels, pHash as 16 hex digits, quality as plain values."""

    width: int
    height: int
    phash: str
    quality: dict[str, Any]


@dataclass(frozen=True)
class PictureFile:
    """A picture file with the hash of its bytes; `content` is None if the hash was known and the file not decoded."""

    path: Path
    sha256: str
    content: PictureContent | None


def load_picture_file(path: Path, *, known_hashes: Set[str]) -> PictureFile:
    """Hash a picture file, and decode it unless its hash is among `known_hashes`. Raises BadPicture."""
    sha256 = _sha256(path)
    return PictureFile(path, sha256, None if sha256 in known_hashes else decode_content(path))


def decode_content(path: Path) -> PictureContent:
    """Decode a picture file and compute its data. Raises BadPicture."""
    rgb = read_picture(path)
    height, width = rgb.shape[:2]
    phash = str(imagehash.phash(Image.fromarray(rgb)))
    return PictureContent(width, height, phash, asdict(picture_quality(rgb)))


def phash_of(path: Path) -> str | None:
    """The perceptual hash of a picture, decoded at reduced size if possible; None if unreadable."""
    try:
        rgb, _ = read_reduced(path, max_reduction=min(picture_size(path)) / MIN_PHASH_SIDE_PX)
    except BadPicture:  # reported by the code that uses the picture
        return None
    return str(imagehash.phash(Image.fromarray(rgb)))


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise BadPicture(f"{path.name}: there is no such file; check the path") from error
    except OSError as error:
        raise BadPicture(
            f"{path.name}: cannot be read ({error.strerror}); check the file and its permissions"
        ) from error
