"""Predict the grade of one card: detect it in its pictures, build the network's input, apply the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from engine.cards.grades import GRADES
from engine.data.dataset import PictureBatch
from engine.data.inputs import Inputs, model_input
from engine.detection.read_and_find import read_and_find
from engine.evaluation.calibration import apply_calibration
from engine.evaluation.conformal import Interval
from engine.image.detection import Detection
from engine.image.quality import Quality, card_quality
from engine.image.rectify import CanvasSize, card_canvas, card_size, px_per_mm
from engine.inference.load_model import LoadedModel
from engine.measure.side.features import FEATURE_NAMES, SideMeasurementsLike, feature_vector
from engine.measure.side.measure_side import SideMeasurements, measure_detected_side
from engine.preprocessing.crops import REGION_COUNT, REGION_PIXELS, region_crops


@dataclass(frozen=True)
class PictureWithDetection:
    """A picture of one side of a card, with the detected card and the picture's quality."""

    rgb: np.ndarray  # (H, W, 3) uint8, the upright picture
    detection: Detection
    quality: Quality
    px_per_mm: float

    def canvas(self, size: CanvasSize) -> np.ndarray:
        """The rectified card on a square canvas, (size, size, 3) uint8."""
        return card_canvas(self.rgb, self.detection.quad, size=size)

    def crops(self) -> np.ndarray:
        """Region crops of its corners and edges, (8, 9216, 3) uint8."""
        return region_crops(self.rgb, self.detection.quad)

    def measure(self) -> SideMeasurements:
        """Measure centering, wear and surface."""
        return measure_detected_side(self.rgb, self.detection.quad, self.detection.kind)


@dataclass(frozen=True)
class Prediction:
    """A model's prediction for one card, calibrated if the model is."""

    grade: int
    expected: float
    probabilities: np.ndarray  # (10,) float64, grades 1 to 10, sum 1
    interval: Interval


def open_picture(path: Path) -> PictureWithDetection:
    """Read a picture and detect the card in it. Raises BadPicture with one sentence naming the file."""
    rgb, detection = read_and_find(path)
    quality = card_quality(rgb, detection)
    return PictureWithDetection(rgb, detection, quality, px_per_mm(detection.quad, card_size(detection.quad)))


def build_inputs(
    model: LoadedModel,
    front: PictureWithDetection | None,
    back: PictureWithDetection | None,
    measurements: Sequence[SideMeasurementsLike | None] | None = None,
) -> Inputs:
    """Build the network's input for one card, (1, ...) each. A side is missing if it is None or untrained.

    measurements  of front and back, if already taken, possibly with line corrections; otherwise they are taken here if
                  the network uses measurements
    """
    size = model.config.canvas_shape
    pictures = [picture if used else None for picture, used in zip((front, back), model.sides, strict=True)]
    canvases = [np.zeros((*size, 3), np.uint8) if picture is None else picture.canvas(size) for picture in pictures]
    batch: PictureBatch = {
        "canvases": torch.from_numpy(np.stack(canvases)[None]),
        "present": torch.tensor([[picture is not None for picture in pictures]]),
    }
    if model.config.regions:
        blank = np.zeros((REGION_COUNT, REGION_PIXELS, 3), np.uint8)
        crops = [blank if picture is None else picture.crops() for picture in pictures]
        batch["regions"] = torch.from_numpy(np.stack(crops)[None])
    if model.config.use_measurements:
        sides = measurements or [None if picture is None else picture.measure() for picture in pictures]
        missing = np.full(len(FEATURE_NAMES), np.nan, np.float32)
        features = [missing if side is None else feature_vector(side) for side in sides]
        batch["measured"] = torch.from_numpy(np.stack(features)[None])
    return model_input(batch, model.config, model.phase, model.device)


def predict(model: LoadedModel, inputs: Inputs) -> Prediction:
    """Predict the grade of one card."""
    with torch.inference_mode():
        scores = model.forward_module(*inputs)
        uncalibrated = model.network.grade.log_probabilities(scores.grade).double().softmax(dim=1).cpu().numpy()
    predictions = apply_calibration(uncalibrated, model.calibration)
    probabilities = predictions.probabilities[0]
    return Prediction(
        grade=int(predictions.grades[0]),
        expected=float(probabilities @ GRADES),
        probabilities=probabilities,
        interval=Interval(predictions.coverage, int(predictions.low[0]), int(predictions.high[0])),
    )
