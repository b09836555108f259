"""Sample card to try the app with: drawn by the simulator, no real card."""

from __future__ import annotations

from pathlib import Path

from engine.simulate.cards import CardSimulator, SimulationConfig
from engine.storage.atomic import write_bytes

# A photographed card with a few worn corners and edges, chosen among the first ones.
SAMPLE_SEED, SAMPLE_INDEX = 3, 1


def sample_card(folder: Path) -> tuple[Path, Path]:
    """Draw the front and the back into a folder, the same each time; returns their paths. Takes about a second."""
    paths = folder / "sample-card_front.jpg", folder / "sample-card_back.jpg"
    if not all(path.is_file() for path in paths):
        folder.mkdir(parents=True, exist_ok=True)
        card = CardSimulator(SimulationConfig(seed=SAMPLE_SEED, kinds=(("photo", 1.0),))).card(SAMPLE_INDEX)
        for path, picture in zip(paths, (card.front, card.back), strict=True):
            write_bytes(path, picture.jpeg())
    return paths
