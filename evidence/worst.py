"""The ten worst errors of a model, laid flat side by side, to be looked at and explained by a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from engine.cards.grades import GRADES
from engine.cards.pairs import CardPair
from engine.detection.read_and_find import read_and_find
from engine.errors import BadInput
from engine.evaluation.predictions import Predictions
from engine.image.rectify import rectify

COUNT, COLUMNS = 10, 5
SIDE_PX, CAPTION_PX, GAP_PX, WHITE = (420, 300), 44, 8, 255


def worst(said: Predictions) -> NDArray[np.int64]:
    """Places of the cards whose expected grade lies furthest from the true one, the furthest first."""
    expected = said.probabilities @ GRADES
    return np.argsort(-np.abs(expected - said.truth), kind="stable")[:COUNT]


def sheet(said: Predictions, pairs: Sequence[CardPair], path: Path) -> None:
    """Draw the worst errors, each with what is true and what was said; `pairs` holds their pictures."""
    pair_of = {pair.card_id: pair for pair in pairs}
    cells = [_cell(said, int(place), number, pair_of) for number, place in enumerate(worst(said), 1)]
    cells += [np.full_like(cells[0], WHITE)] * (-len(cells) % COLUMNS)
    rows = [np.hstack(cells[start : start + COLUMNS]) for start in range(0, len(cells), COLUMNS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.vstack(rows)).save(path, quality=80)


def _cell(said: Predictions, place: int, number: int, pair_of: dict[str, CardPair]) -> NDArray[np.uint8]:
    pair = pair_of[said.cards[place]]
    sides = [_side(pair.front), _side(pair.back)]
    gap = np.full((SIDE_PX[0], GAP_PX, 3), WHITE, np.uint8)
    pictures = np.hstack([part for side in sides for part in (side, gap)])
    caption = Image.new("RGB", (pictures.shape[1], CAPTION_PX), "white")
    words = f"{number}: is {said.truth[place]}, expected {said.probabilities[place] @ GRADES:.1f}"
    ImageDraw.Draw(caption).text((6, 8), words, "black", ImageFont.load_default(24))
    return np.vstack([np.asarray(caption), pictures])


def _side(picture: Path | None) -> NDArray[np.uint8]:
    """The card laid flat; white where the side is missing or its card is not found."""
    if picture is not None:
        try:
            rgb, found = read_and_find(picture)
            return rectify(rgb, found.quad, size=SIDE_PX)
        except BadInput:  # shown as what the model saw of it: nothing
            pass
    return np.full((*SIDE_PX, 3), WHITE, np.uint8)
