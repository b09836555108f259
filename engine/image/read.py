"""Reading of picture files as upright uint8 RGB; the only module that opens them."""

from __future__ import annotations

import io
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
from PIL import Image, ImageOps, UnidentifiedImageError

from engine.errors import BadInput

MAX_PIXELS = 100_000_000
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".heif"})
# Detected from the content; the suffix is ignored.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "HEIF")
# Many cameras write MPO under .jpg: a JPEG followed by more pictures.
JPEG_FORMATS = frozenset({"JPEG", "MPO"})
MODES_16_BIT = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I"})
ORIENTATION_TAG = 0x0112
REDUCED_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_open_lock = threading.Lock()


class BadPicture(BadInput):
    """A picture that cannot be used; the message names the file and the remedy."""


def read_picture(path: Path) -> np.ndarray:
    """Decode a picture upright; its metadata (location, camera, color profile) is dropped.

    returns  (H, W, 3) uint8, RGB, EXIF orientation applied; 16-bit values are rounded to 8 bits, transparency is
             composited on white
    raises   BadPicture if the file is missing, not a picture, truncated, or over 100 megapixels
    """
    return read_reduced(path, max_reduction=1)[0]


def read_reduced(path: Path, *, max_reduction: float) -> tuple[np.ndarray, int]:
    """Decode a picture as `read_picture` does, a JPEG at 1/2, 1/4 or 1/8 of its size if allowed, which is faster.

    max_reduction  largest allowed factor by which the picture is reduced
    returns        the picture and its reduction factor n: pixel i covers pixels n * i .. n * (i + 1) of the full
                   picture. libjpeg drops the frequencies that the smaller picture cannot represent; except on
                   noise, the result is within 45 dB of averaging.
    """
    with _open_picture(path) as (picture, content):
        reduction = max(n for n in REDUCED_FLAGS if n <= max(max_reduction, 1))
        if picture.format in JPEG_FORMATS and picture.mode == "RGB" and _is_complete_jpeg(content):
            return _decode_jpeg(picture, content, reduction), reduction
        return _as_rgb(ImageOps.exif_transpose(picture), path.name), 1


def picture_size(path: Path) -> tuple[int, int]:
    """Read the height and width of the upright picture from the header; raises BadPicture as `read_picture` does."""
    with _open_picture(path) as (picture, _):
        width, height = picture.size
        return (width, height) if _orientation(picture) >= 5 else (height, width)


@contextmanager
def _open_picture(path: Path) -> Iterator[tuple[Image.Image, bytes]]:
    """Yield the opened picture and the bytes of the file; errors inside the context become BadPicture."""
    try:
        content = path.read_bytes()
        with _read_header(content) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise BadPicture(f"{path.name}: {width} x {height} pixels are more than 100 megapixels; scale it down")
            yield picture, content
    except BadPicture:
        raise
    except FileNotFoundError as error:
        raise BadPicture(f"{path.name}: there is no such file; check the path") from error
    except IsADirectoryError as error:
        raise BadPicture(f"{path.name}: is a folder; name one picture in it") from error
    except PermissionError as error:
        raise BadPicture(f"{path.name}: permission denied; change the file's permissions or copy it") from error
    except UnidentifiedImageError as error:
        raise BadPicture(
            f"{path.name}: is not a picture in a supported format; use JPEG, PNG, WebP, TIFF, BMP or HEIC"
        ) from error
    except Image.DecompressionBombError as error:
        raise BadPicture(f"{path.name}: is more than 100 megapixels; scale it down") from error
    # Pillow's decoders raise all of these on broken files.
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, RuntimeError) as error:
        raise BadPicture(f"{path.name}: is damaged or cut short; copy or export it again") from error


def _read_header(content: bytes) -> Image.Image:
    _register_formats()
    # Pillow warns above 89 megapixels; our limit is 100. Warning filters are global to the process, hence the lock,
    # under which only the header is read.
    with _open_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(content), formats=FORMATS)


@cache
def _register_formats() -> None:
    """Register Pillow's formats and HEIC, once, at the first picture instead of at import."""
    Image.init()
    pillow_heif.register_heif_opener()


def _orientation(picture: Image.Image) -> int:
    return int(picture.getexif().get(ORIENTATION_TAG, 1))


def _is_complete_jpeg(content: bytes) -> bool:
    """Return True if an end marker follows the last scan; truncated files go to Pillow, which raises an error.

    Neither marker can occur inside a scan: a zero byte is stuffed after every 255.
    """
    return content.rfind(b"\xff\xd9") > content.rfind(b"\xff\xda")


def _decode_jpeg(picture: Image.Image, content: bytes, reduction: int) -> np.ndarray:
    """Decode with OpenCV: the same libjpeg as Pillow's without Pillow's copies, a fifth faster."""
    flags = REDUCED_FLAGS[reduction] | cv2.IMREAD_IGNORE_ORIENTATION
    bgr = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    if bgr is None:
        raise ValueError("libjpeg cannot decode it")
    return _upright(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr), _orientation(picture))


def _upright(rgb: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an EXIF orientation: 2 to 4 mirror or rotate by 180 degrees, 5 to 8 exchange height and width."""
    if orientation in {5, 6, 7, 8}:
        rgb = cv2.transpose(rgb)
    # After transposing, 6 remains to be mirrored left to right, 8 top to bottom, 7 both.
    flips = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}
    return cv2.flip(rgb, flips[orientation]) if orientation in flips else rgb


def _as_rgb(picture: Image.Image, name: str) -> np.ndarray:
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return np.array(picture)
    if picture.mode in MODES_16_BIT:
        values = np.clip(np.asarray(picture).astype(np.int64), 0, 65535)
        return np.repeat(((values + 128) // 257).astype(np.uint8)[..., None], 3, axis=2)
    if picture.mode == "F":
        raise BadPicture(f"{name}: has floating-point pixels; save it with 8 or 16 bits a channel")
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        return np.array(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB"))
    return np.array(picture.convert("RGB"))
