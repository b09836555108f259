"""JPEG files: their metadata, a check that no scan is missing, and decoding that refuses damaged data."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import simplejpeg

from engine.image.metadata import DamagedFile, PictureParts, exif_orientation, xmp_orientation

SIGNATURE = b"\xff\xd8\xff"
SCAN, END, COMMENT = 0xDA, 0xD9, 0xFE
APP0, APP1, APP2, APP14, APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
SEQUENTIAL, PROGRESSIVE = frozenset({0xC0, 0xC1}), frozenset({0xC2, 0xCA})
# Markers without a segment: TEM, the restart markers and another start.
STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
JFIF_SEGMENT = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
ADOBE_TRANSFORMS = frozenset({0, 1, 2})
EXIF, XMP, ICC = b"Exif\x00\x00", b"http://ns.adobe.com/xap/1.0/\x00", b"ICC_PROFILE\x00"
SEQUENTIAL_PARAMETERS = b"\x00\x3f\x00"  # all coefficients, in one step
# A marker after the data of a scan: within them a zero is stuffed after every 255, and restart markers occur.
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# An encoder writes about ten. Every scan visits all blocks, so a small file with thousands would decode for hours.
MAX_SCANS = 100


def split(content: bytes) -> PictureParts:
    """Leave out comments and application segments, except the two that state the color space.

    Values that some cameras write wrongly, and that a decoder ignores with a warning, are corrected, so that a warning
    of the decoder means damage. Raises DamagedFile if the file ends before the first scan.
    """
    kept, profile_chunks = [SIGNATURE[:2]], dict[int, bytes]()
    orientation = xmp_turn = 1
    is_sequential = False
    for marker, start, end in _segments(content, 2):
        body = content[start + 4 : end]
        if marker == SCAN:
            scan = content[start : end - 3] + SEQUENTIAL_PARAMETERS if is_sequential else content[start:end]
            profile = b"".join(profile_chunks[number] for number in sorted(profile_chunks))
            turn = orientation if orientation != 1 else xmp_turn
            return PictureParts(b"".join([*kept, scan, content[end:]]), turn, profile or None)
        if marker == APP0:
            kept += [JFIF_SEGMENT] if body.startswith(b"JFIF\x00") and JFIF_SEGMENT not in kept else []
        elif marker == APP1 and body.startswith(EXIF):
            orientation = exif_orientation(body[len(EXIF) :])
        elif marker == APP1 and body.startswith(XMP):
            xmp_turn = xmp_orientation(body)
        elif marker == APP2 and body.startswith(ICC) and len(body) > len(ICC) + 2:
            profile_chunks.setdefault(body[len(ICC)], body[len(ICC) + 2 :])
        elif marker == APP14 and body.startswith(b"Adobe") and len(body) >= 12 and body[11] in ADOBE_TRANSFORMS:
            kept.append(content[start:end])
        elif not APP0 <= marker <= APP15 and marker != COMMENT:
            is_sequential |= marker in SEQUENTIAL
            kept.append(content[start:end])
    raise DamagedFile("the file ends before the first scan")


def _segments(content: bytes, position: int) -> Iterator[tuple[int, int, int]]:
    """Yield the marker, start and end of each segment, including those after a scan; other bytes are skipped."""
    while match := MARKER.search(content, position):
        marker, start = content[match.end() - 1], match.start()
        position = match.end()
        if marker in STANDALONE:
            continue
        if marker == END:
            return
        end = position + int.from_bytes(content[position : position + 2], "big")
        if end < position + 2 or end > len(content):
            raise DamagedFile("a segment is cut short")
        yield marker, start, end
        position = end


def require_all_scans(content: bytes) -> None:
    """Raise DamagedFile if coefficients of the picture are not in any scan: the data end early, between two scans.

    content  as returned by `split`
    """
    is_progressive = False
    missing: dict[int, int] = {}
    scans = 0
    for marker, start, end in _segments(content, 2):
        body = content[start + 4 : end]
        if marker in FRAMES:
            is_progressive = marker in PROGRESSIVE
            # Bit masks of the coefficients whose last bit is still to come, by component.
            missing = dict.fromkeys(body[6 : 6 + 3 * body[5] : 3], (1 << 64) - 1) if len(body) > 5 else {}
        if marker != SCAN:
            continue
        scans += 1
        if scans > MAX_SCANS or len(body) < 4 + 2 * body[0]:
            raise DamagedFile("invalid scans")
        components = body[1 : 1 + 2 * body[0] : 2]
        first, last, precision = body[1 + 2 * body[0] :][:3]
        if not is_progressive:
            first, last, precision = 0, 63, 0
            if scans == 1 and len(components) == len(missing):
                return
        if precision & 15 == 0:
            covered = ((1 << (last + 1)) - 1) & ~((1 << first) - 1)
            missing |= {component: missing.get(component, 0) & ~covered for component in components}
    if any(missing.values()):
        raise DamagedFile("scans are missing")


def decode(content: bytes, size: tuple[int, int]) -> np.ndarray:
    """Decode a color JPEG, (H, W, 3) uint8 RGB, at the smallest scale of at least (height, width) `size`.

    Raises ValueError if data are missing or inconsistent, which libjpeg itself only warns of.
    """
    height, width = size
    return simplejpeg.decode_jpeg(content, "RGB", min_height=height, min_width=width)


def require_whole_data(content: bytes, mode: str) -> None:
    """Raise ValueError if data of a gray or CMYK JPEG are missing or inconsistent."""
    if is_decodable(content):
        simplejpeg.decode_jpeg(content, "CMYK" if mode == "CMYK" else "GRAY")


def is_decodable(content: bytes) -> bool:
    """Return False for unusual chroma subsampling, which this decoder does not know."""
    try:
        simplejpeg.decode_jpeg_header(content, strict=False)
    except ValueError:
        return False
    return True
