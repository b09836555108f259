"""Any picture file to upright uint8 RGB; the only place where picture files are opened."""

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
# By content, whatever the suffix says.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "HEIF")
# MPO is what many cameras write under .jpg: a JPEG with more pictures behind the first.
JPEG_FORMATS = frozenset({"JPEG", "MPO"})
DEPTH_16 = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I"})
ORIENTATION = 0x0112
REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_opening = threading.Lock()


class BadPicture(BadInput):
    """A picture that cannot be used; the message names the file and the remedy."""


def read_picture(path: Path) -> np.ndarray:
    """Decode a picture upright, with its metadata (place, camera, colour profile) dropped.

    returns  (H, W, 3) uint8, RGB, EXIF orientation applied; 16-bit values are rounded to 8 bits, what is
             transparent is laid on white
    raises   BadPicture where the file is missing, no picture, cut short, or over 100 megapixels
    """
    return read_reduced(path, shrink=1)[0]


def read_reduced(path: Path, *, shrink: float) -> tuple[np.ndarray, int]:
    """read_picture, but a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, which is faster.

    shrink   how many times smaller the picture may be at most
    returns  the picture and how many times smaller it is: pixel i of it covers pixels times * i .. times * (i + 1)
             of the whole. libjpeg leaves out the frequencies that the smaller picture cannot show; but for noise
             that is within 45 dB of averaging.
    """
    with _opened(path) as (picture, content):
        times = max(n for n in REDUCED if n <= max(shrink, 1))
        if picture.format in JPEG_FORMATS and picture.mode == "RGB" and _is_complete_jpeg(content):
            return _decode_jpeg(picture, content, times), times
        return _as_rgb(ImageOps.exif_transpose(picture), path.name), 1


def picture_size(path: Path) -> tuple[int, int]:
    """Height and width of the upright picture, from the file's header alone; raises BadPicture like read_picture."""
    with _opened(path) as (picture, _):
        width, height = picture.size
        return (width, height) if _orientation(picture) >= 5 else (height, width)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Image.Image, bytes]]:
    """The picture with its header read, and the file's bytes; what goes wrong inside becomes a BadPicture."""
    try:
        content = path.read_bytes()
        with _open(content) as picture:
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
        raise BadPicture(f"{path.name}: may not be read; change its permissions or copy it") from error
    except UnidentifiedImageError as error:
        raise BadPicture(
            f"{path.name}: is not a picture, whatever its name says; use JPEG, PNG, WebP, TIFF, BMP or HEIC"
        ) from error
    except Image.DecompressionBombError as error:
        raise BadPicture(f"{path.name}: is more than 100 megapixels; scale it down") from error
    # What Pillow's decoders raise on broken files is not narrower than this.
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, RuntimeError) as error:
        raise BadPicture(f"{path.name}: is damaged or cut short; copy or export it again") from error


def _open(content: bytes) -> Image.Image:
    _know_formats()
    # Pillow warns from 89 megapixels on; ours is the limit that counts. Warning filters belong to the whole
    # process, hence the lock; only the header is read in it.
    with _opening, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(content), formats=FORMATS)


@cache
def _know_formats() -> None:
    """Teach Pillow its formats and HEIC; done at the first picture, since nothing happens at import."""
    Image.init()
    pillow_heif.register_heif_opener()


def _orientation(picture: Image.Image) -> int:
    return int(picture.getexif().get(ORIENTATION, 1))


def _is_complete_jpeg(content: bytes) -> bool:
    """Whether the last scan is followed by its end; a file cut short goes to Pillow, which says so.

    Neither marker can stand inside a scan: libjpeg stuffs a zero behind every 255.
    """
    return content.rfind(b"\xff\xd9") > content.rfind(b"\xff\xda")


def _decode_jpeg(picture: Image.Image, content: bytes, times: int) -> np.ndarray:
    """The same libjpeg as Pillow's, without Pillow's copies: a fifth faster."""
    flags = REDUCED[times] | cv2.IMREAD_IGNORE_ORIENTATION
    bgr = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    if bgr is None:
        raise ValueError("libjpeg cannot decode it")
    return _upright(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr), _orientation(picture))


def _upright(rgb: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an EXIF orientation: 2 to 4 mirror or turn by a half, 5 to 8 exchange height and width."""
    if orientation in {5, 6, 7, 8}:
        rgb = cv2.transpose(rgb)
    # After the transposition 6 is left mirrored across, 8 upside down, 7 both.
    flips = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}
    return cv2.flip(rgb, flips[orientation]) if orientation in flips else rgb


def _as_rgb(picture: Image.Image, name: str) -> np.ndarray:
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return np.array(picture)
    if picture.mode in DEPTH_16:
        values = np.clip(np.asarray(picture).astype(np.int64), 0, 65535)
        return np.repeat(((values + 128) // 257).astype(np.uint8)[..., None], 3, axis=2)
    if picture.mode == "F":
        raise BadPicture(f"{name}: has floating-point pixels; save it with 8 or 16 bits a channel")
    if picture.has_transparency_data:
        clear = picture.convert("RGBA")
        return np.array(Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB"))
    return np.array(picture.convert("RGB"))
