"""Conversion of pictures in another color space, such as Display P3 or Adobe RGB, to sRGB.

A file embeds the profile of its color space, or names the space by the code points of ITU-T H.273: PNG in a cICP
chunk, HEIC in its nclx box.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

# Of a Pillow mode, the color space that its profile must have.
SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
# The many versions of the sRGB profile differ by this much, in levels; a picture with one of them is left unchanged.
SAME_LEVELS = 2
PROBE_LEVELS = np.linspace(0, 255, 9).round().astype(np.uint8)
# Columns of red, green and blue in XYZ relative to D50, by the code point of the primaries: BT.2020, Display P3.
PRIMARIES = {
    9: ((0.67349, 0.27904, -0.00193), (0.16566, 0.67534, 0.02998), (0.12505, 0.04561, 0.79686)),
    12: ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
}
# Transfer functions of pictures for a screen: BT.709, BT.601, sRGB, BT.2020. Not PQ and HLG, of high dynamic range.
SCREEN_TRANSFERS = frozenset({1, 6, 13, 14, 15})
D50 = (0.9642, 1.0, 0.8249)
CURVE_POINTS = 1024


@lru_cache
def named_profile(primaries: int, transfer: int) -> bytes | None:
    """Build the ICC profile of a color space named by code points of ITU-T H.273; None for sRGB and others.

    All transfer functions count as sRGB's: encoders write BT.709's for pictures that were drawn for a screen.
    """
    if primaries not in PRIMARIES or transfer not in SCREEN_TRANSFERS:
        return None
    values = np.linspace(0, 1, CURVE_POINTS)
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    points = np.round(linear * 65535).astype(">u2").tobytes()
    columns = zip((b"rXYZ", b"gXYZ", b"bXYZ"), PRIMARIES[primaries], strict=True)
    curve = b"curv" + bytes(4) + struct.pack(">I", CURVE_POINTS) + points
    tags = {name: b"XYZ " + bytes(4) + _fixed(column) for name, column in (*columns, (b"wtpt", D50))}
    return _icc_profile({**tags, **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)})


def _icc_profile(tags: Mapping[bytes, bytes]) -> bytes:
    """A display profile of RGB, ICC version 2, whose tags have lengths divisible by 4."""
    table, start = struct.pack(">I", len(tags)), 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        table += name + struct.pack(">II", start, len(body))
        start += len(body)
    header = struct.pack(">II4s12s", start, 0, b"\x02\x40\x00\x00", b"mntrRGB XYZ ").ljust(36, b"\x00") + b"acsp"
    return header.ljust(68, b"\x00") + _fixed(D50).ljust(60, b"\x00") + table + b"".join(tags.values())


def _fixed(values: tuple[float, ...]) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def to_srgb(rgb: np.ndarray, profile: bytes | None) -> np.ndarray:
    """Convert (H, W, 3) uint8 RGB with a color profile to sRGB; the same array without one that differs from sRGB.

    A damaged profile, or one of another color space, is ignored: the pixels are whole. 30 ns a pixel.
    """
    transform = None if profile is None else _transform(profile, "RGB")
    return rgb if transform is None else np.array(transform.apply(Image.fromarray(rgb)))


def gray_or_ink_to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert a picture of mode L or CMYK to sRGB, as `to_srgb` does; without a profile by Pillow's formula."""
    transform = None if profile is None else _transform(profile, picture.mode)
    return picture.convert("RGB") if transform is None else transform.apply(picture)


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != SPACES[mode]:
            return None
        transform = ImageCms.ImageCmsTransform(
            source,
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):  # a damaged profile
        return None
    probe = _probe(mode)
    change = np.abs(np.asarray(transform.apply(probe), np.int16) - np.asarray(probe.convert("RGB"), np.int16))
    return transform if change.max() > SAME_LEVELS else None


def _probe(mode: str) -> Image.Image:
    """A picture with a grid of colors, or of grays."""
    if mode != "RGB":
        return Image.fromarray(PROBE_LEVELS[None]).convert(mode)
    grid = np.stack(np.meshgrid(PROBE_LEVELS, PROBE_LEVELS, PROBE_LEVELS), axis=-1)
    return Image.fromarray(grid.reshape(len(PROBE_LEVELS), -1, 3))
