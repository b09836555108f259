"""What a run wants beside the canvases of its cards: their regions and what is measured on them, prepared once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import numpy as np

from engine.config import Config
from engine.data.dataset import Beside
from engine.data.measurement_cache import FEATURES, TARGETS, MeasuredSides
from engine.data.picture_cache import PixelCache
from engine.data.region_cache import RegionCache
from engine.data.selection import Trainable
from engine.events import Notice, Progress
from engine.measure.side.targets import AuxiliaryTargets

Preparing = Generator[Progress | Notice, None, Beside | None]


def beside_pixels(
    cards: Sequence[Trainable],
    pixels: PixelCache,
    config: Config,
    folder: Path,
    stop: Callable[[], bool],
    *,
    learning: bool = True,
) -> Preparing:
    """Prepare what the config asks for, in the folder of the pixel cache, which is filled.

    learning  without it no targets are measured: they are for losses alone
    stop      asked after every chunk; when it says yes, None is returned
    """
    pictures = [side for card in cards for side in (card.pair.front, card.pair.back) if side and side in pixels]
    regions = RegionCache(folder, pictures, pixels) if config.regions else None
    # A control sees no card, so it is not taught what a card's borders measure.
    wanted = (
        learning
        and config.seen == "card"
        and config.measured_targets
        and (config.beta_edge > 0 or config.beta_center > 0)
    )
    targets = MeasuredSides(TARGETS, folder, pictures, pixels) if wanted else None
    features = MeasuredSides(FEATURES, folder, pictures, pixels) if config.measured_inputs else None
    for step, filled in (("regions", regions), ("measuring", targets), ("measuring", features)):
        for done, total in filled.fill() if filled is not None else ():
            yield Progress(step, 0, done, total)
            if stop():
                return None
    if targets is not None:
        yield Notice(_measured(cards, pixels, targets))
    return Beside(regions, targets, features)


def _measured(cards: Sequence[Trainable], pixels: PixelCache, targets: MeasuredSides) -> str:
    """On how many cards each target was measured, on one side at least."""
    measured = [
        [AuxiliaryTargets(*targets[side]) for side in (card.pair.front, card.pair.back) if side and side in pixels]
        for card in cards
    ]
    edge = sum(any(not np.isnan(side.edge_damage) for side in sides) for sides in measured)
    centering = sum(any(not np.isnan(side.left_share) for side in sides) for sides in measured)
    return f"of {len(cards)} cards edge damage was measured on {edge}, centering on {centering}; only those teach it"
