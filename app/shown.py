"""A card's pictures as the browser gets them: upright, without metadata, of a size a screen can use."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from app.settings import DataFolder
from db.schema import Picture
from engine.image.read import BadPicture, read_picture

LONGEST_SIDE = 1600
JPEG_QUALITY = 92


def shown(picture: Picture | None, data: DataFolder) -> tuple[str | None, str]:
    """The file to show for a picture, made on first sight, and a sentence where it cannot be shown."""
    if picture is None:
        return None, ""
    target = data.cache / "shown" / f"{picture.sha256}.jpg"
    if not target.exists():
        try:
            small = Image.fromarray(read_picture(Path(picture.path)))
        except BadPicture as error:
            return None, str(error)
        small.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_suffix(f".{os.getpid()}.part")
        small.save(aside, "JPEG", quality=JPEG_QUALITY)
        aside.replace(target)
    return str(target), ""
