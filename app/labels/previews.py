"""Previews of card pictures for the browser: upright, without metadata, at screen size."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Literal

from PIL import Image

from app.settings import DataFolder
from db.schema import Picture
from engine.image.content_hash import check_content
from engine.image.read import BadPicture, picture_size, read_reduced
from engine.storage.atomic import atomic_write
from labeling.picture_files import PictureLocation

PreviewSize = Literal["screen", "full", "thumbnail"]
# Of the longer side; a full preview has all pixels, to zoom into.
MAX_SIDE_PX: dict[PreviewSize, int | None] = {"screen": 1600, "full": None, "thumbnail": 320}
SUFFIXES: dict[PreviewSize, str] = {"screen": "", "full": "-full", "thumbnail": "-thumbnail"}
JPEG_QUALITY = 92
# A page that is loaded with its tab open requests each preview twice at once; the second request reuses the first.
_preview_lock = threading.Lock()


def preview_file(
    picture: Picture, location: PictureLocation, data: DataFolder, *, size: PreviewSize = "screen"
) -> tuple[str | None, str]:
    """Return the preview file of a picture, made on first use, and a sentence if its file cannot be used.

    A preview made before its file changed or went missing still shows the picture that was labelled.
    """
    target = data.shown / f"{picture.sha256}{SUFFIXES[size]}.jpg"
    with _preview_lock:
        if not target.exists():
            if location.reason:
                return None, location.reason
            try:
                _write_preview(location.path, picture.sha256, target, MAX_SIDE_PX[size])
            except BadPicture as error:
                return None, str(error)
    return str(target), location.reason


def made_thumbnail(picture: Picture, data: DataFolder) -> str | None:
    """The thumbnail of a picture if it was made before, whatever has become of its file since."""
    target = data.shown / f"{picture.sha256}{SUFFIXES['thumbnail']}.jpg"
    return str(target) if target.exists() else None


def _write_preview(path: Path, sha256: str, target: Path, max_side_px: int | None) -> None:
    # A JPEG is decoded at the size that is needed, which is several times as fast for a thumbnail.
    reduction = 1.0 if max_side_px is None else max(picture_size(path)) / max_side_px
    rgb, _ = read_reduced(path, max_reduction=max(reduction, 1.0))
    image = Image.fromarray(rgb)
    check_content(path, sha256)  # after reading: the preview must show what its name says
    if max_side_px is not None:
        image.thumbnail((max_side_px, max_side_px))
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as part:
        image.save(part, "JPEG", quality=JPEG_QUALITY)
