"""The corners and edges of pictures in a second growing map beside the canvases, cut where those found the card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.data.picture_cache import PREPARATION, PictureMap, PixelCache
from engine.image.read import read_picture
from engine.preprocessing.crops import PIECE_PIXELS, PIECES, side_pieces

# Part of the map's name: raise it when cutting changes what the pieces are.
CUTTING = 1


class RegionCache(PictureMap):
    """The pieces of a set of pictures as `side_pieces` cuts them, (8, 9216, 3) uint8: 221 kB a side."""

    def __init__(self, folder: Path, pictures: Sequence[Path], pixels: PixelCache) -> None:
        """`pixels` is filled and holds every one of the pictures."""
        self._cards = pixels
        super().__init__(folder, pictures, f"regions_{PREPARATION}_{CUTTING}", (PIECES, PIECE_PIXELS, 3))

    def _identify(self, path: Path) -> None:
        """By what the filled cache has read already."""
        self._hash_of[path] = self._cards.content(path)

    def made(self, path: Path) -> tuple[np.ndarray, dict[str, Any]]:
        """The picture's pieces."""
        return side_pieces(read_picture(path), self._cards.quad(path)), {}
