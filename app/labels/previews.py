"""Previews of card pictures for the browser: upright, without metadata, at screen size."""

from __future__ import annotations

import threading
from pathlib import Path

from PIL import Image

from app.settings import DataFolder
from db.schema import Picture
from engine.image.read import BadPicture, read_picture
from engine.storage.atomic import atomic_write

MAX_SIDE_PX = 1600
JPEG_QUALITY = 92
# A page that is loaded with its tab open requests each preview twice at once; the second request reuses the first.
_preview_lock = threading.Lock()


def preview_file(picture: Picture | None, data: DataFolder) -> tuple[str | None, str]:
    """Return the preview file of a picture, made on first use, and an error message if it cannot be read."""
    if picture is None:
        return None, ""
    target = data.cache / "shown" / f"{picture.sha256}.jpg"
    with _preview_lock:
        if not target.exists():
            try:
                _write_preview(Path(picture.path), target)
            except BadPicture as error:
                return None, str(error)
    return str(target), ""


def _write_preview(path: Path, target: Path) -> None:
    image = Image.fromarray(read_picture(path))
    image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as part:
        image.save(part, "JPEG", quality=JPEG_QUALITY)
