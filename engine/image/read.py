"""Reading of picture files as upright uint8 sRGB; the only module that opens them."""

from __future__ import annotations

import io
import logging
import stat
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
from PIL import Image, UnidentifiedImageError

from engine.errors import BadInput
from engine.image import heif, jpeg, metadata, tiff
from engine.image.color_profile import gray_or_ink_to_srgb, named_profile, to_srgb
from engine.image.metadata import PictureParts
from engine.storage.file_hash import sha256_of_bytes

MAX_PIXELS = 100_000_000
# Room for 100 megapixels of three bytes without compression.
MAX_FILE_BYTES = 320_000_000
# A long strip is no picture of a card, and the narrowest phone panorama is less than four times as wide as high.
MAX_ASPECT = 20
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".heif"})
# Detected from the content; the suffix is ignored. MPO is a JPEG followed by more pictures.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "HEIF")
MODES_16_BIT = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I"})
REDUCTIONS = (1, 2, 4, 8)
ROWS_AT_ONCE = 256
# Pages of a TIFF file smaller than this fraction of the first are reduced copies.
MIN_PAGE_FRACTION = 0.5
MAX_PAGES = 20
REDUCED_OR_MASK = 1 | 4  # bits of TIFF's NewSubfileType
NEW_SUBFILE_TYPE = 254
_open_lock = threading.Lock()


class BadPicture(BadInput):
    """A picture that cannot be used; the message names the file and the remedy."""


def read_picture(path: Path) -> np.ndarray:
    """Decode a picture upright; its metadata (location, camera) is dropped, its color profile is applied.

    returns  (H, W, 3) uint8, sRGB, EXIF orientation applied; 16-bit values are rounded to 8 bits, transparency is
             composited on white
    raises   BadPicture if the file is missing, not a picture, truncated or damaged, over 100 megapixels, a strip, or
             a TIFF with several pages
    """
    return read_reduced(path, max_reduction=1)[0]


def read_hashed(path: Path) -> tuple[np.ndarray, str]:
    """Decode a picture as `read_picture` does; returns the SHA-256 of the bytes that it was decoded from as well.

    A file that is replaced all the time has another content whenever it is read.
    """
    content = read_bytes(path)
    rgb, profile, _ = _decode_upright(path, 1, content)
    return to_srgb(rgb, profile), sha256_of_bytes(content)


def read_reduced(path: Path, *, max_reduction: float) -> tuple[np.ndarray, int]:
    """Decode a picture as `read_picture` does, a JPEG at 1/2, 1/4 or 1/8 of its size if allowed, which is faster.

    max_reduction  largest allowed factor by which the picture is reduced
    returns        the picture and its reduction factor n: pixel i covers pixels n * i .. n * (i + 1) of the full
                   picture. libjpeg drops the frequencies that the smaller picture cannot represent; except on
                   noise, the result is within 45 dB of averaging.
    """
    rgb, profile, reduction = _decode_upright(path, max_reduction)
    return to_srgb(rgb, profile), reduction


def read_unconverted(path: Path, content: bytes | None = None) -> tuple[np.ndarray, bytes | None]:
    """Decode a picture as `read_picture` does, but leave its RGB values as stored; returns its color profile as well.

    `to_srgb` converts them. Cards are searched before the conversion, on which no outline depends.

    content  the bytes of the file if they have been read already
    """
    rgb, profile, _ = _decode_upright(path, 1, content)
    return rgb, profile


def picture_size(path: Path) -> tuple[int, int]:
    """Read the height and width of the upright picture from the header; raises BadPicture as `read_picture` does."""
    with _open_picture(path) as (picture, parts):
        width, height = picture.size
        return (width, height) if parts.orientation >= 5 else (height, width)


def require_picture_file(path: Path) -> int:
    """Size in bytes of a regular file that is not too large to read, found without opening it. Raises BadPicture.

    Opening a pipe would wait for its writer, and reading a device may never end.
    """
    with _clear_errors(path):
        information = path.stat()
        if stat.S_ISDIR(information.st_mode):
            raise BadPicture(f"{path.name}: is a folder; name one picture in it")
        if not stat.S_ISREG(information.st_mode):
            raise BadPicture(f"{path.name}: is a pipe or a device, not a file; save the picture in a file")
        if information.st_size > MAX_FILE_BYTES:
            _refuse_size(path)
    return information.st_size


def _refuse_size(path: Path) -> None:
    limit = f"{MAX_FILE_BYTES / 1e6:.0f} MB"
    raise BadPicture(f"{path.name}: is larger than {limit}, too large for a picture of a card; save it as JPEG or PNG")


def read_bytes(path: Path) -> bytes:
    """The bytes of a picture file. Raises BadPicture."""
    require_picture_file(path)
    with _clear_errors(path), path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:  # a file of the system, whose size is not known before
        _refuse_size(path)
    return content


@contextmanager
def _open_picture(path: Path, content: bytes | None = None) -> Iterator[tuple[Image.Image, PictureParts]]:
    """Yield the opened picture and its parts; errors inside the context become BadPicture.

    content  the bytes of the file if they have been read already
    """
    content = read_bytes(path) if content is None else content
    with _clear_errors(path):
        parts = _split(content)
        with _read_header(parts.content) as picture:
            _require_usable_shape(picture, path.name)
            yield picture, parts


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    """Turn the errors of opening and decoding a picture into BadPicture."""
    try:
        yield
    except BadPicture:
        raise
    except FileNotFoundError as error:
        raise BadPicture(f"{path.name}: there is no such file; check the path") from error
    except PermissionError as error:
        raise BadPicture(f"{path.name}: permission denied; change the file's permissions or copy it") from error
    except UnidentifiedImageError as error:
        raise BadPicture(
            f"{path.name}: is not a picture in a supported format; use JPEG, PNG, WebP, TIFF, BMP or HEIC"
        ) from error
    except Image.DecompressionBombError as error:
        raise BadPicture(f"{path.name}: is more than 100 megapixels; scale it down") from error
    # The decoders raise all of these on broken files; an error of the file system has a number.
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, RuntimeError, ArithmeticError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise BadPicture(f"{path.name}: cannot be read ({error.strerror}); check the path and the disk") from error
        raise BadPicture(f"{path.name}: is damaged or cut short; copy or export it again") from error


def _split(content: bytes) -> PictureParts:
    if content.startswith(jpeg.SIGNATURE):
        return jpeg.split(content)
    if content.startswith(metadata.PNG_SIGNATURE):
        return metadata.split_png(content)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return metadata.split_webp(content)
    if content.startswith(tiff.SIGNATURES):
        return tiff.split(content)
    if heif.is_heif(content):
        heif.require_whole_data(content)
    # libheif turns the picture itself; a bitmap has no orientation.
    return PictureParts(content)


def _require_usable_shape(picture: Image.Image, name: str) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise BadPicture(f"{name}: {width} x {height} pixels are more than 100 megapixels; scale it down")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise BadPicture(f"{name}: is a strip of {width} x {height} pixels; give a picture that shows a whole card")
    pages = _page_count(picture) if picture.format == "TIFF" else 1
    if pages > 1:
        raise BadPicture(f"{name}: holds {pages} pages; save the front and the back as a picture each")


def _page_count(picture: Image.Image) -> int:
    """Return the number of pages of an open TIFF, without reduced copies and masks; the first stays selected."""
    with _quiet():
        pixels = picture.width * picture.height
        pages = 1
        try:
            for number in range(1, MAX_PAGES):
                picture.seek(number)
                kind = picture.tag_v2.get(NEW_SUBFILE_TYPE, 0)  # type: ignore[attr-defined]
                is_copy = isinstance(kind, int) and bool(kind & REDUCED_OR_MASK)
                pages += not is_copy and picture.width * picture.height > MIN_PAGE_FRACTION * pixels
        except (EOFError, OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):
            pass  # the end, or a directory of which nothing can be read
        picture.seek(0)
        # Read here, where its warnings are suppressed, and not when the pixels are loaded.
        picture.getexif()
        return pages


def _read_header(content: bytes) -> Image.Image:
    _register_formats()
    with _quiet():
        return Image.open(io.BytesIO(content), formats=FORMATS)


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress Pillow's warnings: of more than 89 megapixels, as our limit is 100, and of damaged metadata.

    Warning filters are global to the process, hence the lock, under which only headers are read.
    """
    with _open_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@cache
def _register_formats() -> None:
    """Register Pillow's formats and HEIC, once, at the first picture instead of at import."""
    # Pillow logs what it then raises; without a handler, Python would write it to the terminal.
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    Image.init()
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


def _upright(rgb: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an EXIF orientation: 2 to 4 mirror or rotate by 180 degrees, 5 to 8 exchange height and width."""
    if orientation in {5, 6, 7, 8}:
        rgb = cv2.transpose(rgb)
    # After transposing, 6 remains to be mirrored left to right, 8 top to bottom, 7 both.
    flips = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}
    return cv2.flip(rgb, flips[orientation]) if orientation in flips else rgb


def _decode_upright(
    path: Path, max_reduction: float, content: bytes | None = None
) -> tuple[np.ndarray, bytes | None, int]:
    """Decode a picture; returns the RGB values as stored, the profile to convert them by, and the reduction."""
    with _open_picture(path, content) as (picture, parts):
        if picture.format == "JPEG":
            jpeg.require_all_scans(parts.content)
            if picture.mode == "RGB" and jpeg.is_decodable(parts.content):
                reduction = max(n for n in REDUCTIONS if n <= max(max_reduction, 1))
                width, height = (-(-side // reduction) for side in picture.size)
                rgb = jpeg.decode(parts.content, (height, width))
                return _upright(rgb, parts.orientation), parts.icc_profile, reduction
            jpeg.require_whole_data(parts.content, picture.mode)
        rgb, profile = _decode(picture, path.name, parts)
        return _upright(rgb, parts.orientation), profile, 1


def _decode(picture: Image.Image, name: str, parts: PictureParts) -> tuple[np.ndarray, bytes | None]:
    """Decode with Pillow; returns (H, W, 3) uint8 RGB and its profile, None if it is sRGB."""
    if picture.mode == "F":
        raise BadPicture(f"{name}: has floating-point pixels; save it with 8 or 16 bits a channel")
    picture.load()
    if picture.format == "PNG" and (picture.info.get("interlace") or not np.asarray(picture)[-1].any()):
        metadata.require_all_png_rows(parts.content)
    profile = _profile(picture, parts)
    if picture.mode in MODES_16_BIT:
        picture = Image.fromarray(_eight_bits(np.asarray(picture)))
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        opaque = Image.fromarray(to_srgb(np.asarray(rgba.convert("RGB")), profile))
        opaque.putalpha(rgba.getchannel("A"))
        return np.array(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), opaque).convert("RGB")), None
    if picture.mode in {"L", "CMYK"}:
        return np.array(gray_or_ink_to_srgb(picture, profile)), None
    return np.array(picture.convert("RGB")), profile


def _profile(picture: Image.Image, parts: PictureParts) -> bytes | None:
    """The color profile of an opened picture: the one that it names, or else the one that it embeds."""
    if parts.color_codes is not None:
        return named_profile(*parts.color_codes)
    embedded = parts.icc_profile or picture.info.get("icc_profile")
    nclx = picture.info.get("nclx_profile")
    if embedded or nclx is None:
        return embedded
    return named_profile(nclx["color_primaries"], nclx["transfer_characteristics"])


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Round (H, W) values from 0 to 65535 to uint8, in blocks of rows, which bounds the memory."""
    rounded = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), ROWS_AT_ONCE):
        block = np.clip(values[start : start + ROWS_AT_ONCE].astype(np.int64), 0, 65535)
        rounded[start : start + ROWS_AT_ONCE] = (block + 128) // 257
    return rounded
