"""Contact sheet of a model's ten worst errors, to be explained by hand."""

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


def worst_errors(predictions: Predictions) -> NDArray[np.int64]:
    """Indices of the cards with the largest error of the expected grade, the largest first."""
    expected = predictions.probabilities @ GRADES
    return np.argsort(-np.abs(expected - predictions.truth), kind="stable")[:COUNT]


def draw_worst(predictions: Predictions, pairs: Sequence[CardPair], path: Path) -> None:
    """Draw the worst errors, captioned with the true and the expected grade; `pairs` has their pictures."""
    pair_by_id = {pair.card_id: pair for pair in pairs}
    cells = [
        _cell(predictions, int(index), number, pair_by_id) for number, index in enumerate(worst_errors(predictions), 1)
    ]
    cells += [np.full_like(cells[0], WHITE)] * (-len(cells) % COLUMNS)
    rows = [np.hstack(cells[start : start + COLUMNS]) for start in range(0, len(cells), COLUMNS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.vstack(rows)).save(path, quality=80)


def _cell(predictions: Predictions, index: int, number: int, pair_by_id: dict[str, CardPair]) -> NDArray[np.uint8]:
    pair = pair_by_id[predictions.cards[index]]
    sides = [_rectified(pair.front), _rectified(pair.back)]
    gap = np.full((SIDE_PX[0], GAP_PX, 3), WHITE, np.uint8)
    pictures = np.hstack([part for side in sides for part in (side, gap)])
    caption = Image.new("RGB", (pictures.shape[1], CAPTION_PX), "white")
    expected = predictions.probabilities[index] @ GRADES
    text = f"{number}: is {predictions.truth[index]}, expected {expected:.1f}"
    ImageDraw.Draw(caption).text((6, 8), text, "black", ImageFont.load_default(24))
    return np.vstack([np.asarray(caption), pictures])


def _rectified(picture: Path | None) -> NDArray[np.uint8]:
    """The rectified card; white if the side is missing or no card is found."""
    if picture is not None:
        try:
            rgb, detection = read_and_find(picture)
            return rectify(rgb, detection.quad, size=SIDE_PX)
        except BadInput:  # the model had no input for this side either
            pass
    return np.full((*SIDE_PX, 3), WHITE, np.uint8)
