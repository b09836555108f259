"""Cache of a frozen encoder's features: several views of each picture, encoded once and used in every epoch.

Without it a run whose encoders are frozen would encode every picture again in every epoch, which takes nearly all of
its time on a CPU.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.config import Config
from engine.data.picture_cache import PREPARATION, MemmapCache, PixelCache
from engine.preprocessing.augmentation import augment_canvas, draw_augmentation
from engine.preprocessing.photographic_augmentation import vary_photograph

# (V, H, W, 3) uint8 canvases -> (V, F) features.
Encode = Callable[[np.ndarray], NDArray[np.floating]]


class FeatureCache(MemmapCache):
    """Features of one side's pictures, float16: view 0 unchanged, the others augmented."""

    def __init__(
        self,
        folder: Path,
        pictures: Sequence[Path],
        pixels: PixelCache,
        config: Config,
        encode: Encode,
        *,
        size: int,
        encoder_key: str,
    ) -> None:
        """Create the cache of the pictures, which are in `pixels`, a filled cache.

        size         number of features
        encoder_key  hash of the encoder's weights; other weights have another cache
        """
        self.size = size
        self._canvases, self._config, self._encode = pixels, config, encode
        self.views = config.cached_views if config.augment or config.vary_photograph else 1
        views = (config.augment, config.vary_photograph, self.views, config.seed)
        settings = (PREPARATION, encoder_key, config.pooling, config.canvas_shape, *views)
        name = f"features_{hashlib.sha256(repr(settings).encode()).hexdigest()[:16]}"
        super().__init__(folder, pictures, name, (self.views, 2 * size))

    def compute(self, path: Path) -> tuple[np.ndarray, dict[str, Any]]:
        """Encode all views of a picture; the picture and the seed determine their augmentations."""
        canvas = np.array(self._canvases[path])
        picture_key = int(self.content_hash(path)[:16], 16)
        views = [canvas]
        for view in range(1, self.views):
            random = np.random.default_rng((self._config.seed, picture_key, view))
            views.append(_augmented(canvas, self._config, random))
        return self._encode(np.stack(views)).astype(np.float16).view(np.uint8), {}

    def features(self, path: Path, view: int) -> NDArray[np.float32]:
        """Features of a view, (F,)."""
        return np.array(self[path][view]).view(np.float16).astype(np.float32)


def _augmented(canvas: np.ndarray, config: Config, random: np.random.Generator) -> np.ndarray:
    if config.augment:
        canvas = augment_canvas(canvas, draw_augmentation(random))
    return vary_photograph(canvas, random) if config.vary_photograph else canvas
