"""Picture files without their metadata: orientation and color profile are read, everything else is left out.

Camera data, comments and thumbnails are often damaged by the programs that copy them; they must not stop a picture
whose pixels are whole from being read.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Chunks that the pixels depend on; other critical chunks do not exist.
PNG_CHUNKS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"})
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# First column and row, and steps, of the passes of an interlaced picture.
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
INFLATE_BYTES = 1 << 20
CICP_BYTES = 4  # primaries, transfer function, matrix, range
WEBP_METADATA_FLAGS = 0x20 | 0x08 | 0x04  # ICC profile, EXIF, XMP
ORIENTATION_TAG = 0x0112
INTEGER_FORMATS = {1: "B", 3: "H", 4: "I"}
XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')
MAX_PROFILE_BYTES = 8_000_000


class DamagedFile(ValueError):
    """A picture file whose data are incomplete or inconsistent."""


@dataclass(frozen=True)
class PictureParts:
    """A picture file split into its pixels and the metadata that change them.

    content      the file without metadata
    orientation  1 to 8 as in EXIF; 1 if there is none or it is invalid
    icc_profile  embedded color profile, or None
    color_codes  code points of the primaries and the transfer function, which count more than a profile; or None
    """

    content: bytes
    orientation: int = 1
    icc_profile: bytes | None = None
    color_codes: tuple[int, int] | None = None


def exif_orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8, in EXIF data, which begin with a TIFF header; 1 if it is absent or invalid."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    try:
        if order is None:
            return 1
        (directory,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, directory)
        for entry in range(directory + 2, directory + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(order + "HH", exif, entry)
            if tag == ORIENTATION_TAG and kind in INTEGER_FORMATS:
                (value,) = struct.unpack_from(order + INTEGER_FORMATS[kind], exif, entry + 8)
                return value if value in range(1, 9) else 1
    except struct.error:  # damaged EXIF data
        return 1
    return 1


def xmp_orientation(xmp: bytes) -> int:
    """Return the orientation, 1 to 8, in XMP data; 1 if it is absent."""
    match = XMP_ORIENTATION.search(xmp)
    return int(match[1]) if match else 1


def split_png(content: bytes) -> PictureParts:
    """Leave out the ancillary chunks; raises DamagedFile if the checksum of another one is wrong or the end is missing.

    Only transparency is kept of them.
    """
    kept = [PNG_SIGNATURE]
    profile, named, orientation, xmp_turn = None, None, 1, 1
    for name, start, end in _png_chunks(content):
        body = content[start + 8 : end - 4]
        if name in PNG_CHUNKS:
            is_whole = zlib.crc32(content[start + 4 : end - 4]).to_bytes(4, "big") == content[end - 4 : end]
            if not is_whole and name != b"tRNS":
                raise DamagedFile("wrong checksum")
            kept += [content[start:end]] if is_whole else []
        elif name == b"iCCP":
            profile = _png_profile(body)
        elif name == b"cICP" and len(body) == CICP_BYTES:
            named = (body[0], body[1])
        elif name == b"eXIf":
            orientation = exif_orientation(body.removeprefix(b"Exif\x00\x00"))
        elif name == b"iTXt" and body.startswith(b"XML:com.adobe.xmp"):
            xmp_turn = xmp_orientation(body)
        if name == b"IEND":
            return PictureParts(b"".join(kept), orientation if orientation != 1 else xmp_turn, profile, named)
    raise DamagedFile("no end")


def require_all_png_rows(content: bytes) -> None:
    """Raise DamagedFile if the pixel data end before the last row, which Pillow leaves black.

    content  as returned by `split_png`
    """
    chunks = {name: content[start + 8 : end - 4] for name, start, end in _png_chunks(content) if name != b"IDAT"}
    width, height, depth, color, _, _, is_interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    bits = depth * PNG_CHANNELS[color]
    missing = 0
    for left, top, right_step, down_step in ADAM7 if is_interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // right_step), -(-(height - top) // down_step)
        missing += rows * (1 + (columns * bits + 7) // 8) if columns > 0 and rows > 0 else 0
    inflater = zlib.decompressobj()
    for name, start, end in _png_chunks(content):
        data = content[start + 8 : end - 4] if name == b"IDAT" else b""
        while data and not inflater.eof:
            missing -= len(inflater.decompress(data, INFLATE_BYTES))
            data = inflater.unconsumed_tail
    if missing > 0:
        raise DamagedFile("rows are missing")


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name, start and end of each whole chunk."""
    start = len(PNG_SIGNATURE)
    while start + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, start)
        end = start + length + 12
        if end > len(content):
            return
        yield name, start, end
        start = end


def _png_profile(body: bytes) -> bytes | None:
    """Decompress an iCCP chunk: a name, a zero, the compression method, the profile; None if it is damaged."""
    _, _, compressed = body.partition(b"\x00")
    try:
        return zlib.decompressobj().decompress(compressed[1:], MAX_PROFILE_BYTES)
    except zlib.error:
        return None


def split_webp(content: bytes) -> PictureParts:
    """Leave out the profile, EXIF and XMP chunks; raises DamagedFile if a chunk is cut short."""
    (size,) = struct.unpack_from("<I", content, 4)
    kept = []
    profile, orientation, xmp_turn = None, 1, 1
    start, stop = 12, min(8 + size, len(content))
    while start + 8 <= stop:
        name, length = struct.unpack_from("<4sI", content, start)
        end = start + 8 + length + length % 2
        body = content[start + 8 : start + 8 + length]
        if name == b"ICCP":
            profile = body
        elif name == b"EXIF":
            orientation = exif_orientation(body.removeprefix(b"Exif\x00\x00"))
        elif name == b"XMP ":
            xmp_turn = xmp_orientation(body)
        elif len(body) < length:
            raise DamagedFile("a chunk is cut short")
        elif name == b"VP8X" and body:
            kept.append(content[start : start + 8] + bytes([body[0] & ~WEBP_METADATA_FLAGS]) + content[start + 9 : end])
        else:
            kept.append(content[start:end])
        start = end
    chunks = b"".join(kept)
    whole = b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WEBP" + chunks
    return PictureParts(whole, orientation if orientation != 1 else xmp_turn, profile)
