"""Any picture file to upright uint8 RGB; the only place where picture files are opened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from engine.errors import BadInput

MAX_PIXELS = 100_000_000
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})


class BadPicture(BadInput):
    """A picture that cannot be used; the message names the file and the remedy."""


def read_picture(path: Path) -> np.ndarray:
    """Decode a picture upright, with its metadata dropped.

    returns  (H, W, 3) uint8, RGB, EXIF orientation applied
    raises   BadPicture where the file is missing, no picture, cut short, or over 100 megapixels
    """
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise BadPicture(f"{path.name}: {width} x {height} pixels are more than 100 megapixels; scale it down")
            upright = ImageOps.exif_transpose(picture)
            return np.array(upright.convert("RGB"))
    except FileNotFoundError as error:
        raise BadPicture(f"{path.name}: there is no such file; check the path") from error
    except UnidentifiedImageError as error:
        raise BadPicture(f"{path.name}: is not a picture; use JPEG, PNG, WebP, TIFF or BMP") from error
    except Image.DecompressionBombError as error:
        raise BadPicture(f"{path.name}: is more than 100 megapixels; scale it down") from error
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, BadPicture):
            raise
        raise BadPicture(f"{path.name}: is damaged or cut short; copy or export it again") from error
