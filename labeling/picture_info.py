"""What import notes of a picture file: its content hash, size, perceptual hash and quality."""

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

# pHash looks at 32 x 32 pixels: eight times as many lines decoded leave it as it is to two bits.
LEAST_FOR_PHASH = 256


@dataclass(frozen=True)
class Content:
    """What decoding a picture told: upright size in pixels, pHash as 16 hex, quality as plain values."""

    width: int
    height: int
    phash: str
    quality: dict[str, Any]


@dataclass(frozen=True)
class PictureFile:
    """A picture file and the hash of its bytes; without content where those bytes were known and not decoded again."""

    path: Path
    sha256: str
    content: Content | None


def look_at(path: Path, *, known: Set[str]) -> PictureFile:
    """Hash a picture file, and decode it unless its hash is among `known`. Raises BadPicture."""
    sha256 = _sha256(path)
    return PictureFile(path, sha256, None if sha256 in known else look_into(path))


def look_into(path: Path) -> Content:
    """Decode a picture file and note what it shows. Raises BadPicture."""
    rgb = read_picture(path)
    height, width = rgb.shape[:2]
    phash = str(imagehash.phash(Image.fromarray(rgb)))
    return Content(width, height, phash, asdict(picture_quality(rgb)))


def phash_of(path: Path) -> str | None:
    """The perceptual hash alone, of a JPEG decoded no larger than it needs; None for what cannot be read."""
    try:
        rgb, _ = read_reduced(path, shrink=min(picture_size(path)) / LEAST_FOR_PHASH)
    except BadPicture:  # whoever uses the picture says so
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
