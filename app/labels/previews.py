"""Previews of card pictures for the browser: upright, without metadata, at screen size."""

from __future__ import annotations

import threading
from pathlib import Path

from PIL import Image

from app.settings import DataFolder
from db.schema import Picture
from engine.image.content_hash import check_content
from engine.image.read import BadPicture, read_picture
from engine.storage.atomic import atomic_write
from labeling.picture_files import PictureLocation

MAX_SIDE_PX = 1600
JPEG_QUALITY = 92
# A page that is loaded with its tab open requests each preview twice at once; the second request reuses the first.
_preview_lock = threading.Lock()


def preview_file(
    picture: Picture, location: PictureLocation, data: DataFolder, *, full_size: bool = False
) -> tuple[str | None, str]:
    """Return the preview file of a picture, made on first use, and a sentence if its file cannot be used.

    A preview made before its file changed or went missing still shows the picture that was labelled.

    full_size  with all its pixels, to zoom into
    """
    target = data.shown / f"{picture.sha256}{'-full' if full_size else ''}.jpg"
    with _preview_lock:
        if not target.exists():
            if location.reason:
                return None, location.reason
            try:
                _write_preview(location.path, picture.sha256, target, full_size=full_size)
            except BadPicture as error:
                return None, str(error)
    return str(target), location.reason


def _write_preview(path: Path, sha256: str, target: Path, *, full_size: bool) -> None:
    image = Image.fromarray(read_picture(path))
    check_content(path, sha256)  # after reading: the preview must show what its name says
    if not full_size:
        image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as part:
        image.save(part, "JPEG", quality=JPEG_QUALITY)
