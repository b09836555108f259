"""Cache of region crops: corners and edges of each card at native resolution."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.data.picture_cache import PREPARATION, MemmapCache, PixelCache
from engine.image.read import read_picture
from engine.preprocessing.crops import REGION_COUNT, REGION_PIXELS, region_crops

# Part of the cache's name: increase it when a change of the cropping changes the crops.
CROPS_VERSION = 1


class RegionCache(MemmapCache):
    """Region crops of a set of pictures by `region_crops`, (8, 9216, 3) uint8: 221 kB per side."""

    def __init__(self, folder: Path, pictures: Sequence[Path], pixels: PixelCache) -> None:
        """Create the cache; `pixels` is filled and contains all of the pictures."""
        self._pixel_cache = pixels
        super().__init__(folder, pictures, f"regions_{PREPARATION}_{CROPS_VERSION}", (REGION_COUNT, REGION_PIXELS, 3))

    def _identify(self, path: Path) -> None:
        """Take the hash from the filled cache instead of reading the file again."""
        self._hash_of[path] = self._pixel_cache.content_hash(path)

    def compute(self, path: Path) -> tuple[np.ndarray, dict[str, Any]]:
        """Region crops of the picture."""
        return region_crops(read_picture(path), self._pixel_cache.quad(path)), {}
