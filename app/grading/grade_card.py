"""Grading pipeline of one card: find it in its pictures, measure it and, with a model, grade it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from app.grading.annotate import annotated_picture
from app.grading.centering_ceiling import (
    AppliedCeiling,
    SureCeiling,
    contradiction_reason,
    moved_probability_reason,
    sure_ceiling,
)
from app.grading.line_corrections import Corrections
from app.grading.measured_side import MeasuredSide, measure_side
from app.grading.model_registry import model_identity, open_grader
from db.schema import Side
from engine.cards.grades import GRADES
from engine.detection.card_sides import card_thumbnail, is_known_back, show_same_side
from engine.evaluation.calibration import Calibration
from engine.evaluation.conformal import Interval
from engine.evaluation.grade_ceiling import is_credible
from engine.image.read import BadPicture
from engine.image.rectify import canvas_window
from engine.inference.grad_cam import SaliencyMaps, explain, overlay
from engine.inference.load_model import LoadedModel
from engine.inference.model_card import read_model_card
from engine.inference.predict import (
    PictureWithDetection,
    Prediction,
    build_inputs,
    open_picture,
    predict,
    what_is_given,
    with_ceiling,
    with_probabilities,
)
from engine.storage import file_hash

NO_MODEL = "no model yet: train one in the Train tab and make it the grading model"
FLAT_SALIENCY = "no heat map: no single area stands out on this card"
SAME_SIDE = "{} and {}: are the same picture of one side; give one picture of the front and one of the back"
EXCHANGED_SIDES = "{} and {}: front and back are exchanged; give the front first"
BACK_AS_FRONT = "front: this is the back of a card, so the grade is not reliable; give it as the back"
MISSING_SIDE = "without the {}, the range may miss the true grade more often"
UNCHECKED_RANGE = "the range was not checked on cards given like this: it is as wide as the widest"
UNFAMILIAR = "{}: unlike the cards that the model was checked on; do not rely on its grade"
KNOWN_CARD = "the model was trained on this very card; the grade is that of models that were not"
SIDES: tuple[Side, ...] = ("front", "back")
# A smaller probability that a ceiling moved is zero percent to a reader.
MIN_STATED_PROBABILITY = 0.005
NO_SALIENCY = SaliencyMaps(None, None)
CANVAS_SIDE_PX = 720
QUAD_COLOR = (255, 64, 64)


@dataclass(frozen=True)
class SideAnalysis:
    """One side of a card: SHA-256 of the picture file, the picture with its detection, and the measurements."""

    sha256: str
    picture: PictureWithDetection
    measured: MeasuredSide


@dataclass(frozen=True)
class GradedCard:
    """A measured card with its prediction, if there is a model and the pictures are good enough.

    max_interval_width  the program abstains if the prediction interval spans more grades
    missing_sides       sides that the model uses but that have no picture
    ceiling             the centering ceiling that the prediction takes into account, if one is sure and binds
    """

    sides: Mapping[Side, SideAnalysis | None]
    reasons: list[str] = field(default_factory=list)
    model: dict[str, str] | None = None
    prediction: Prediction | None = None
    saliency: SaliencyMaps = NO_SALIENCY
    calibration: Calibration | None = None
    max_interval_width: int = len(GRADES)
    missing_sides: tuple[Side, ...] = ()
    ceiling: AppliedCeiling | None = None

    @property
    def interval_too_wide(self) -> bool:
        """True if the prediction interval spans more grades than allowed."""
        return self.prediction is not None and self.prediction.interval.width > self.max_interval_width

    @property
    def abstained(self) -> bool:
        """True if no grade is given: there is no prediction, or its interval is too wide."""
        return self.prediction is None or self.interval_too_wide

    def saliency_of(self, side: Side) -> np.ndarray | None:
        """The side's Grad-CAM map, or None without a prediction; blank for a side that the model does not use."""
        saliency_map = self.saliency.front if side == "front" else self.saliency.back
        if saliency_map is None and self.prediction is not None:
            return np.zeros((1, 1), np.float32)
        return saliency_map


def grade_card(
    front: Path | None,
    back: Path | None,
    model: Path | None,
    corrections: Corrections | None = None,
    max_interval_width: int | None = None,
    *,
    with_saliency: bool = True,
    ceiling_binds: bool = True,
    load_model: Callable[[Path], tuple[LoadedModel, str]] = open_grader,
) -> GradedCard:
    """Find, measure and grade a card. Raises BadPicture, also for one side twice or exchanged sides, and BadModel.

    corrections         line corrections that replace the measured lines of these pictures
    max_interval_width  grades that the interval may span, 1 to 10; None: the calibration's recommendation
    with_saliency       compute the saliency maps too; they cost several times as much as the grade
    ceiling_binds       rule out the grades that a surely measured centering does not allow
    load_model          returns the model of a file and the file's SHA-256
    """
    paths: dict[Side, Path | None] = {"front": front, "back": back}
    sides = _analyze_sides(paths, corrections or {})
    pictures = {side: analysis.picture if analysis else None for side, analysis in sides.items()}
    reasons = _side_notes(paths, sides)
    reasons += [
        f"{side}: {reason}"
        for side, picture in pictures.items()
        if picture is not None
        for reason in _picture_reasons(picture)
    ]
    if model is None:
        return GradedCard(sides, [NO_MODEL, *reasons])
    loaded, digest = load_model(model)
    card = read_model_card(model, digest)
    identity = model_identity(loaded, digest, card)
    if card is not None:
        reasons = [card.caveat, *reasons]
    if any(picture is not None and picture.quality.verdict == "refuse" for picture in pictures.values()):
        return GradedCard(sides, reasons, identity)
    missing_sides = tuple(
        side for side, is_used in zip(pictures, loaded.sides, strict=True) if is_used and pictures[side] is None
    )
    reasons = [*_side_reasons(loaded, pictures, missing_sides), *reasons]
    measured = [analysis.measured if analysis else None for analysis in sides.values()]
    inputs = build_inputs(loaded, pictures["front"], pictures["back"], measured)
    if not inputs.present.any():
        return GradedCard(sides, reasons, identity)
    saliency = explain(loaded, inputs) if with_saliency else NO_SALIENCY
    if with_saliency and saliency.is_blank:
        reasons = [*reasons, FLAT_SALIENCY]
    given = what_is_given(loaded, pictures["front"], pictures["back"])
    prediction = predict(loaded, inputs, given)
    known = _out_of_fold(loaded, sides)
    if known is not None:
        prediction = with_probabilities(prediction, known, loaded.calibration, given)
        reasons = [KNOWN_CARD, *reasons]
    reasons = [*_unfamiliar_sides(prediction), *reasons]
    if loaded.calibration is not None and not loaded.calibration.is_calibrated_for(given):
        reasons = [UNCHECKED_RANGE, *reasons]
    applied = None
    ceiling = ceiling_of_sides(sides) if ceiling_binds else None
    if ceiling is not None:
        prediction, applied, ceiling_reasons = limit_prediction(prediction, ceiling, loaded.calibration)
        reasons = [*ceiling_reasons, *reasons]
    max_width = max_interval_width or default_max_interval_width(loaded.calibration)
    if prediction.interval.width > max_width:
        reasons = [_too_wide_reason(prediction.interval, max_width), *reasons]
    return GradedCard(
        sides, reasons, identity, prediction, saliency, loaded.calibration, max_width, missing_sides, applied
    )


def limit_prediction(
    prediction: Prediction, ceiling: SureCeiling, calibration: Calibration | None
) -> tuple[Prediction, AppliedCeiling | None, list[str]]:
    """Apply a ceiling unless the model contradicts it: the prediction, the ceiling if it binds, and the reasons."""
    moved = float(prediction.probabilities[ceiling.grade :].sum())
    if not ceiling.by_hand and not is_credible(prediction.probabilities[None], np.array([ceiling.grade]))[0]:
        return prediction, None, [contradiction_reason(ceiling, 1 - moved)]
    limited = with_ceiling(prediction, ceiling.grade, is_calibrated=calibration is not None)
    reasons = [moved_probability_reason(ceiling, moved)] if moved >= MIN_STATED_PROBABILITY else []
    return limited, AppliedCeiling(ceiling.grade, moved), reasons


def ceiling_of_sides(sides: Mapping[Side, SideAnalysis | None]) -> SureCeiling | None:
    """The best grade that the measured centering of both sides surely leaves in reach today, if not all."""
    present = {side: analysis for side, analysis in sides.items() if analysis is not None}
    centerings = {side: analysis.measured.centering for side, analysis in present.items()}
    whole_pictures = {side: analysis.picture.detection.whole_picture for side, analysis in present.items()}
    return sure_ceiling(centerings, whole_pictures, date.today())


def _side_notes(paths: Mapping[Side, Path | None], sides: Mapping[Side, SideAnalysis | None]) -> list[str]:
    """A note if the front is the back of a card; raises BadPicture if both are one side, or exchanged."""
    front, back = sides["front"], sides["back"]
    if front is None:
        return []
    front_thumbnail = card_thumbnail(front.picture.rgb, front.picture.detection.quad)
    shows_back = is_known_back(front_thumbnail)
    if back is not None:
        names = [path.name for path in paths.values() if path is not None]
        back_thumbnail = card_thumbnail(back.picture.rgb, back.picture.detection.quad)
        if front.sha256 == back.sha256 or show_same_side(front_thumbnail, back_thumbnail):
            raise BadPicture(SAME_SIDE.format(*names))
        if shows_back and not is_known_back(back_thumbnail):
            raise BadPicture(EXCHANGED_SIDES.format(*names))
    return [BACK_AS_FRONT] if shows_back else []


def _side_reasons(
    model: LoadedModel, pictures: Mapping[Side, PictureWithDetection | None], missing_sides: Sequence[Side]
) -> Iterator[str]:
    """Notes on sides that the model does not use, and on sides that it uses but that are missing."""
    for side, is_used in zip(pictures, model.sides, strict=True):
        if pictures[side] is not None and not is_used:
            yield f"{side}: not used, the model was not trained on any {side}"
    if model.calibration is not None and not model.calibration.strata:
        # A range fitted on whole cards contained the grade of 92 % of them, and of 80 % of fronts without a back.
        yield from map(MISSING_SIDE.format, missing_sides)


def default_max_interval_width(calibration: Calibration | None) -> int:
    """The interval width that a calibration recommends as a limit; without a calibration, all ten grades."""
    return len(GRADES) if calibration is None else calibration.widest


def _too_wide_reason(interval: Interval, max_width: int) -> str:
    limit = "1 grade" if max_width == 1 else f"{max_width} grades"
    return f"the range is too wide for a grade: {interval.low} to {interval.high}, more than {limit}"


def _analyze_sides(paths: Mapping[Side, Path | None], corrections: Corrections) -> dict[Side, SideAnalysis | None]:
    """Find and measure the card in both pictures, at the same time. Raises BadPicture, of the front first."""
    with ThreadPoolExecutor(len(paths)) as pool:
        analyses = {side: pool.submit(analyze_side, side, path, corrections) for side, path in paths.items() if path}
    return {side: analyses[side].result() if side in analyses else None for side in paths}


def _out_of_fold(model: LoadedModel, sides: Mapping[Side, SideAnalysis | None]) -> np.ndarray | None:
    """Predictions for a card that the model was trained on, by models that were not; None for any other card."""
    if model.out_of_fold is None:
        return None
    front, back = (None if analysis is None else analysis.sha256 for analysis in sides.values())
    return model.out_of_fold.probabilities(front, back)


def _unfamiliar_sides(prediction: Prediction) -> Iterator[str]:
    for side, is_familiar in zip(SIDES, prediction.is_familiar, strict=True):
        if is_familiar is False:
            yield UNFAMILIAR.format(side)


def analyze_side(side: Side, path: Path, corrections: Corrections) -> SideAnalysis:
    """Find and measure the card in one picture. Raises BadPicture."""
    picture, sha256 = open_picture(path), file_hash.sha256(path)
    return SideAnalysis(sha256, picture, measure_side(picture, corrections.get((sha256, side))))


def _picture_reasons(picture: PictureWithDetection) -> list[str]:
    note = [picture.detection.note] if picture.detection.note else []
    return [*note, *picture.quality.reasons]


def pictures_of(graded: GradedCard, side: Side) -> dict[str, np.ndarray]:
    """The pictures of a side to show, uint8 RGB by name.

    `quad` (the input picture with the card's outline), `card` (rectified), and `overlay` (heat map) if there is one.
    """
    analysis = graded.sides[side]
    if analysis is None:
        return {}
    picture = analysis.picture
    window = canvas_window(picture.detection.quad, picture.rgb.shape[:2], CANVAS_SIDE_PX)
    canvas = picture.canvas(CANVAS_SIDE_PX)
    pictures = {"quad": _with_outline(picture), "card": canvas[window]}
    saliency_map = graded.saliency_of(side)
    if saliency_map is not None:
        heat = Image.fromarray(saliency_map).resize((CANVAS_SIDE_PX, CANVAS_SIDE_PX), Image.Resampling.BILINEAR)
        pictures["overlay"] = overlay(_gray(canvas), np.asarray(heat).clip(0, 1))[window]
    return pictures


def _gray(rgb: np.ndarray) -> np.ndarray:
    """The picture in gray, (H, W, 3), so that only the heat map has color."""
    return cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def _with_outline(picture: PictureWithDetection) -> np.ndarray:
    image = Image.fromarray(picture.rgb)
    corners = [tuple(corner) for corner in picture.detection.quad]
    width = max(2, round(max(image.size) / 120))
    ImageDraw.Draw(image).line([*corners, corners[0]], fill=QUAD_COLOR, width=width, joint="curve")
    image.thumbnail((1600, 1600))
    return np.asarray(image)


def write_pictures(graded: GradedCard, folder: Path) -> dict[Side, dict[str, Path]]:
    """Write both sides' pictures as PNG into `folder`; returns their absolute paths by side and name.

    The pictures are those of `pictures_of`, and `measured`: the flat card with its lines and findings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths: dict[Side, dict[str, Path]] = {}
    for side, analysis in graded.sides.items():
        measured = {} if analysis is None else {"measured": annotated_picture(analysis.measured)}
        paths[side] = {}
        for name, picture in {**pictures_of(graded, side), **measured}.items():
            paths[side][name] = (folder / f"{side}_{name}.png").absolute()
            Image.fromarray(picture).save(paths[side][name])
    return paths
