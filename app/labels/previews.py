"""A card's pictures as the browser gets them: upright, without metadata, of a size a screen can use."""

from __future__ import annotations

import threading
from pathlib import Path

from PIL import Image

from app.settings import DataFolder
from db.schema import Picture
from engine.image.read import BadPicture, read_picture
from engine.storage.atomic import aside

LONGEST_SIDE = 1600
JPEG_QUALITY = 92
# A page that is loaded with its tab open asks twice at once: the second finds what the first has made.
_making = threading.Lock()


def shown(picture: Picture | None, data: DataFolder) -> tuple[str | None, str]:
    """The file to show for a picture, made on first sight, and a sentence where it cannot be shown."""
    if picture is None:
        return None, ""
    target = data.cache / "shown" / f"{picture.sha256}.jpg"
    with _making:
        if not target.exists():
            try:
                _make(Path(picture.path), target)
            except BadPicture as error:
                return None, str(error)
    return str(target), ""


def _make(path: Path, target: Path) -> None:
    small = Image.fromarray(read_picture(path))
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    target.parent.mkdir(parents=True, exist_ok=True)
    with aside(target) as part:
        small.save(part, "JPEG", quality=JPEG_QUALITY)
