"""Predict the grade of one card: detect it in its pictures, build the network's input, apply the model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from engine.cards.grades import GRADES
from engine.data.dataset import PictureBatch
from engine.data.inputs import Inputs, model_input
from engine.evaluation.calibration import Calibration, apply_calibration
from engine.evaluation.conformal import Interval
from engine.evaluation.grade_ceiling import apply_ceilings
from engine.evaluation.strata import EVERYTHING, Given, sides_given
from engine.evaluation.uncertainty import CalibratedPredictions
from engine.inference.card_side import CardSide
from engine.inference.familiarity import Familiarity, FamiliarPixels, needs_no_pixels
from engine.inference.load_model import LoadedModel
from engine.measure.side.features import FEATURE_NAMES, feature_vector
from engine.model.dual_branch import CardMaps
from engine.model.measurement_branch import with_missing_mask
from engine.preprocessing.crops import REGION_COUNT, REGION_PIXELS
from engine.storage.checkpoint import BadModel


@dataclass(frozen=True)
class Prediction:
    """A model's prediction for one card, calibrated if the model is.

    is_familiar        as `Familiarity` defines it
    from_measurements  True if the pictures are so unfamiliar that their pixels were not used
    """

    grade: int
    expected: float
    probabilities: np.ndarray  # (10,) float64, grades 1 to 10, sum 1
    interval: Interval
    is_familiar: Familiarity = (None, None)
    from_measurements: bool = False

    @property
    def in_domain(self) -> bool | None:
        """False if a side is unfamiliar, None if no side could be checked."""
        checked = [familiar for familiar in self.is_familiar if familiar is not None]
        return all(checked) if checked else None


def build_inputs(model: LoadedModel, front: CardSide | None, back: CardSide | None) -> Inputs:
    """Build the network's input for one card, (1, ...) each. A side is missing if it is None or untrained."""
    return with_measurements(picture_inputs(model, front, back), model, front, back)


def picture_inputs(model: LoadedModel, front: CardSide | None, back: CardSide | None) -> Inputs:
    """The input without the measurements."""
    size = model.config.canvas_shape
    sides = [side if used else None for side, used in zip((front, back), model.sides, strict=True)]
    canvases = [np.zeros((*size, 3), np.uint8) if side is None else side.canvas(size) for side in sides]
    batch: PictureBatch = {
        "canvases": torch.from_numpy(np.stack(canvases)[None]),
        "present": torch.tensor([[side is not None for side in sides]]),
    }
    if model.config.regions:
        blank = np.zeros((REGION_COUNT, REGION_PIXELS, 3), np.uint8)
        crops = [blank if side is None else side.crops() for side in sides]
        batch["regions"] = torch.from_numpy(np.stack(crops)[None])
    return model_input(batch, model.config, model.phase, model.device)


def with_measurements(inputs: Inputs, model: LoadedModel, front: CardSide | None, back: CardSide | None) -> Inputs:
    """The input with the measurements, if the model uses any."""
    if not model.config.use_measurements:
        return inputs
    features = torch.from_numpy(np.stack([_features(side) for side in (front, back)])[None])
    return inputs._replace(measured=with_missing_mask(features, inputs.present.cpu()).to(model.device))


def encode(model: LoadedModel, inputs: Inputs) -> CardMaps | None:
    """The encoders' maps of one card; None for a model that onnxruntime computes, which keeps them to itself."""
    if model.forward_module is model.onnx:
        return None
    with torch.no_grad():
        return model.network.card_maps(inputs.front, inputs.back, inputs.present)


def _features(side: CardSide | None) -> np.ndarray:
    """Features of a side's measurements, with the centering in effect; all NaN for a missing side."""
    if side is None:
        return np.full(len(FEATURE_NAMES), np.nan, np.float32)
    return feature_vector(side.measurements_in_effect)


def what_is_given(model: LoadedModel, front: CardSide | None, back: CardSide | None) -> Given:
    """Sides and resolution given of a card with at least one picture of a side that the model uses."""
    used = [side if is_used else None for side, is_used in zip((front, back), model.sides, strict=True)]
    present = [side for side in used if side is not None]
    resolution = min(side.px_per_mm for side in present)
    is_clear = not any(side.quality.hides_wear for side in present)
    return Given(sides_given(*(side is not None for side in used)), resolution, in_domain=is_clear)


def predict(model: LoadedModel, inputs: Inputs, given: Given = EVERYTHING, maps: CardMaps | None = None) -> Prediction:
    """Predict the grade of one card. Raises BadModel if a probability is not finite.

    given  selects the thresholds of its interval
    maps   of the encoders, if they are computed already
    """
    is_familiar: Familiarity = (None, None)
    with torch.inference_mode():
        if model.forward_module is model.onnx:
            scores = model.forward_module(*inputs)
        else:
            scores, (is_familiar,) = FamiliarPixels(model.network, model.domains).score(inputs, maps)
        uncalibrated = model.network.grade.log_probabilities(scores.grade).double().softmax(dim=1).cpu().numpy()
    _check_finite(model, uncalibrated)
    given = given._replace(in_domain=given.in_domain and False not in is_familiar)
    calibrated = _calibrated(uncalibrated, model.calibration, given)
    _check_finite(model, calibrated["probabilities"])
    from_measurements = False in is_familiar and needs_no_pixels(model.network)
    return Prediction(**calibrated, is_familiar=is_familiar, from_measurements=from_measurements)


def _check_finite(model: LoadedModel, probabilities: np.ndarray) -> None:
    if not np.isfinite(probabilities).all():
        raise BadModel(
            f"{model.name}: its probabilities for this card are not finite numbers: the model is damaged, or was "
            "trained at too high a learning rate; use another model"
        )


def with_probabilities(
    prediction: Prediction, uncalibrated: np.ndarray, calibration: Calibration | None, given: Given
) -> Prediction:
    """The prediction with other probabilities of the ten grades, (10,), calibrated as those of the network."""
    given = given._replace(in_domain=given.in_domain and prediction.in_domain is not False)
    return replace(prediction, **_calibrated(uncalibrated[None], calibration, given))


def _calibrated(uncalibrated: np.ndarray, calibration: Calibration | None, given: Given) -> dict[str, Any]:
    """Grade, expected grade, probabilities and interval from the network's probabilities, (1, 10)."""
    return _of_one_card(apply_calibration(uncalibrated, calibration, [given]))


def with_ceiling(prediction: Prediction, ceiling: int, *, is_calibrated: bool) -> Prediction:
    """The prediction if grades above the ceiling, 1 to 10, are out of reach."""
    interval = prediction.interval
    low, high = np.array([[interval.low], [interval.high]])
    predictions = CalibratedPredictions(prediction.probabilities[None], low, high, interval.coverage)
    limited = apply_ceilings(predictions, np.array([ceiling]), is_calibrated=is_calibrated)
    return replace(prediction, **_of_one_card(limited))


def _of_one_card(predictions: CalibratedPredictions) -> dict[str, Any]:
    """Grade, expected grade, probabilities and interval of the only card."""
    probabilities = predictions.probabilities[0]
    return {
        "grade": int(predictions.grades[0]),
        "expected": float(probabilities @ GRADES),
        "probabilities": probabilities,
        "interval": Interval(predictions.coverage, int(predictions.low[0]), int(predictions.high[0])),
    }
