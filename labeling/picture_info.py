"""Picture files on import: content hash, size, perceptual hash and quality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
from PIL import Image

from engine.image.content_hash import ChangedPicture, check_content, content_hash, file_version, readable_hash
from engine.image.quality import picture_quality
from engine.image.read import BadPicture, picture_size, read_hashed, read_reduced, require_picture_file

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
    """A picture file with the hash of its bytes.

    content     None if the hash was known and the file not decoded
    version     of the file when it was hashed, see `file_version`
    is_only     the recorded path of the picture is another one, whose file is missing or has changed
    """

    path: Path
    sha256: str
    content: PictureContent | None
    size_bytes: int
    version: str | None = None
    is_only: bool = False


def load_picture_file(path: Path, *, recorded_paths: Mapping[str, str]) -> PictureFile:
    """Hash a picture file, and decode it unless its hash is recorded. Raises BadPicture.

    recorded_paths  paths of the recorded pictures by hash
    """
    version, size_bytes = file_version(path), require_picture_file(path)
    sha256 = content_hash(path)
    recorded = recorded_paths.get(sha256)
    if recorded is None:
        rgb, decoded_sha256 = read_hashed(path)
        # The file may have been replaced in the meantime, and put back.
        if decoded_sha256 != sha256:
            raise ChangedPicture(path)
        content = content_of(rgb)
        check_content(path, sha256)
        return PictureFile(path, sha256, content, size_bytes, version)
    is_only = recorded != str(path) and readable_hash(Path(recorded)) != sha256
    return PictureFile(path, sha256, None, size_bytes, version, is_only)


def content_of(rgb: np.ndarray) -> PictureContent:
    """The data of a decoded picture, (H, W, 3) uint8."""
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
