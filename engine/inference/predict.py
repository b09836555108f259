"""One card's pictures to a grade: look at each side, then ask the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from engine.cards.grades import GRADES
from engine.data.dataset import Pictures
from engine.data.inputs import Inputs, model_input
from engine.detection.read_and_find import read_and_find
from engine.evaluation.calibration import said_of
from engine.evaluation.intervals import Interval
from engine.image.detection import Found
from engine.image.quality import Quality, assess
from engine.image.rectify import card_canvas, card_size, px_per_mm
from engine.inference.loaded_model import Model
from engine.measure.side.features import FEATURES, MeasuredSide, features_of
from engine.measure.side.measure_side import SideMeasured, measure_found
from engine.preprocessing.crops import PIECE_PIXELS, PIECES, side_pieces


@dataclass(frozen=True)
class View:
    """One side of a card as the program sees it."""

    rgb: np.ndarray  # (H, W, 3) uint8, the upright picture
    found: Found
    quality: Quality
    px_per_mm: float

    def canvas(self, size: int) -> np.ndarray:
        """The upright card on its square, (size, size, 3) uint8."""
        return card_canvas(self.rgb, self.found.quad, size=size)

    def pieces(self) -> np.ndarray:
        """Its corners and edges, (8, 9216, 3) uint8."""
        return side_pieces(self.rgb, self.found.quad)

    def measured(self) -> SideMeasured:
        """All that is measured on it."""
        return measure_found(self.rgb, self.found.quad, self.found.kind)


@dataclass(frozen=True)
class Prediction:
    """What a model says of one card, calibrated where the model is."""

    grade: int
    expected: float
    probabilities: np.ndarray  # (10,) float64, grades 1 to 10, sum 1
    interval: Interval


def look(path: Path) -> View:
    """Read a picture and find the card in it. Raises BadPicture with one sentence naming the file."""
    rgb, found = read_and_find(path)
    return View(rgb, found, assess(rgb, found), px_per_mm(found.quad, card_size(found.quad)))


def inputs_of(
    model: Model, front: View | None, back: View | None, measured: Sequence[MeasuredSide | None] | None = None
) -> Inputs:
    """The network's input for one card, (1, ...) each; None is a missing side, and so is one never learned from.

    measured  front and back, where they are measured already, perhaps along lines that a person laid; else a network
              that reads measurements has them made here
    """
    size = model.config.image_size
    views = [view if seen else None for view, seen in zip((front, back), model.sides, strict=True)]
    canvases = [np.zeros((size, size, 3), np.uint8) if view is None else view.canvas(size) for view in views]
    pictures: Pictures = {
        "canvases": torch.from_numpy(np.stack(canvases)[None]),
        "present": torch.tensor([[view is not None for view in views]]),
    }
    if model.config.regions:
        nothing = np.zeros((PIECES, PIECE_PIXELS, 3), np.uint8)
        pieces = [nothing if view is None else view.pieces() for view in views]
        pictures["regions"] = torch.from_numpy(np.stack(pieces)[None])
    if model.config.measured_inputs:
        known = measured or [None if view is None else view.measured() for view in views]
        told = [np.full(len(FEATURES), np.nan, np.float32) if side is None else features_of(side) for side in known]
        pictures["measured"] = torch.from_numpy(np.stack(told)[None])
    return model_input(pictures, model.config, model.phase, model.device)


def predict(model: Model, inputs: Inputs) -> Prediction:
    """Grade one card."""
    with torch.inference_mode():
        scores = model.reads(*inputs)
        own = model.network.grade.log_probabilities(scores.grade).double().softmax(dim=1).cpu().numpy()
    said = said_of(own, model.calibration)
    probabilities = said.probabilities[0]
    return Prediction(
        grade=int(said.grades[0]),
        expected=float(probabilities @ GRADES),
        probabilities=probabilities,
        interval=Interval(said.coverage, int(said.low[0]), int(said.high[0])),
    )
