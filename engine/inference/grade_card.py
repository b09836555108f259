"""Grade a card: from the pictures of its front and back and a model to a `GradedCard`.

    pictures -> sides found, quality -> network -> verdict -> measured, the centering ceiling binds -> saliency maps

`grade_card` does all of it; `grade_in_stages` yields the card after each stage, so that a page can show the verdict
first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import numpy as np

from engine.cards.grades import GRADES
from engine.cards.rubric import Side
from engine.data.inputs import Inputs
from engine.detection.card_sides import is_known_back, show_same_side
from engine.evaluation.calibration import Calibration
from engine.evaluation.conformal import Interval
from engine.evaluation.grade_ceiling import is_credible
from engine.image.read import BadPicture
from engine.image.rectify import UNUSUAL_SIZE
from engine.inference.card_side import (
    NO_CORRECTIONS,
    NO_OUTLINES,
    CardSides,
    FindSide,
    Outlines,
    find_side,
    measure_sides,
    open_sides,
)
from engine.inference.faithfulness import Faithfulness, measure_faithfulness
from engine.inference.grad_cam import MapMethod, SaliencyMaps, explain_by_each_method
from engine.inference.load_model import LoadedModel
from engine.inference.predict import (
    Prediction,
    encode,
    picture_inputs,
    predict,
    what_is_given,
    with_ceiling,
    with_measurements,
    with_probabilities,
)
from engine.measure.centering.ceiling import (
    AppliedCeiling,
    SureCeiling,
    contradiction_reason,
    moved_probability_reason,
    sure_ceiling,
)
from engine.measure.centering.centering import MeasuredCentering, NoCentering
from engine.measure.centering.line_correction import Corrections
from engine.model.dual_branch import CardMaps

NO_MODEL = "no model yet: train one in the Train tab and make it the grading model"
FLAT_SALIENCY = "no heat map: no single area stands out on this card"
SAME_SIDE = "{} and {}: are the same picture of one side; give one picture of the front and one of the back"
EXCHANGED_SIDES = "{} and {}: front and back are exchanged; give the front first"
BACK_AS_FRONT = "front: this is the back of a card, so the grade is not reliable; give it as the back"
MISSING_SIDE = "without the {}, the range may miss the true grade more often"
UNCHECKED_RANGE = "the range was not checked on cards given like this: it is as wide as the widest"
UNFAMILIAR = "{}: unlike the cards that the model was checked on; do not rely on its grade"
BY_MEASUREMENTS = "{}: unlike the cards that the model was checked on: graded by measured wear alone; do not rely on it"
NO_SALIENCY = "no heat map: this card was graded by its measurements, not by its pixels"
UNUSUAL_SIZE_NOTE = "{}: not the size of a standard card; millimeters are relative, to a longer side taken as 88 mm"
KNOWN_CARD = "the model was trained on this very card; the grade is that of models that were not"
SIDES: tuple[Side, Side] = ("front", "back")
# A smaller probability that a ceiling moved is zero percent to a reader.
MIN_STATED_PROBABILITY = 0.005


@dataclass(frozen=True)
class GradedCard:
    """A card with its prediction, if there is a model and the pictures are good enough.

    notes               on the pictures and on what is given to the model
    inputs              of the network, if it was applied
    encoded             the encoders' maps of these inputs, for the saliency maps; None if onnxruntime keeps them
    max_interval_width  the program abstains if the prediction interval spans more grades
    ceiling             the centering ceiling that the prediction takes into account, if one is sure and binds
    ceiling_notes       on that ceiling, or on why a sure one does not bind
    maps                saliency maps by each method; empty if they were not computed
    """

    sides: CardSides
    notes: tuple[str, ...] = ()
    model: LoadedModel | None = None
    inputs: Inputs | None = None
    encoded: CardMaps | None = None
    prediction: Prediction | None = None
    max_interval_width: int = len(GRADES)
    ceiling: AppliedCeiling | None = None
    ceiling_notes: tuple[str, ...] = ()
    maps: Mapping[MapMethod, SaliencyMaps] = field(default_factory=dict)

    @property
    def saliency(self) -> SaliencyMaps | None:
        """The maps by the default method; None if the maps were not computed."""
        return self.maps.get("hires_cam")

    @property
    def reasons(self) -> list[str]:
        """Reasons for no grade, then what the grade takes into account, then notes on the pictures."""
        too_wide = []
        if self.prediction is not None and self.interval_too_wide:
            too_wide = [_too_wide_reason(self.prediction.interval, self.max_interval_width)]
        flat = [FLAT_SALIENCY] if self.saliency is not None and self.saliency.is_blank else []
        return [*too_wide, *self.ceiling_notes, *self.notes, *flat]

    @property
    def interval_too_wide(self) -> bool:
        """True if the prediction interval spans more grades than allowed."""
        return self.prediction is not None and self.prediction.interval.width > self.max_interval_width

    @property
    def abstained(self) -> bool:
        """True if no grade is given: there is no prediction, or its interval is too wide."""
        return self.prediction is None or self.interval_too_wide

    @property
    def calibration(self) -> Calibration | None:
        """The model's calibration, if there is a model and it is calibrated."""
        return None if self.model is None else self.model.calibration

    @property
    def missing_sides(self) -> tuple[Side, ...]:
        """Sides that the model would use for this grade but that have no picture."""
        return () if self.model is None or self.prediction is None else _missing_sides(self.model, self.sides)

    @property
    def centerings(self) -> dict[Side, MeasuredCentering | NoCentering]:
        """The centering in effect of each side that has a picture."""
        return {name: side.centering for name, side in self.sides.items() if side is not None}

    @property
    def unfamiliar_sides(self) -> list[Side]:
        """Sides unlike the pictures that the model was checked on."""
        if self.prediction is None:
            return []
        return [side for side, known in zip(SIDES, self.prediction.is_familiar, strict=True) if known is False]

    @property
    def unfamiliar_notes(self) -> list[str]:
        """One note on each unfamiliar side: what its grade is worth."""
        by_measurements = self.prediction is not None and self.prediction.from_measurements
        note = BY_MEASUREMENTS if by_measurements else UNFAMILIAR
        return [note.format(side) for side in self.unfamiliar_sides]

    def saliency_of(self, side: Side) -> np.ndarray | None:
        """The side's Grad-CAM map, or None without maps; blank for a side that the model does not use."""
        if self.saliency is None:
            return None
        saliency_map = self.saliency.front if side == "front" else self.saliency.back
        return np.zeros((1, 1), np.float32) if saliency_map is None else saliency_map


def grade_card(
    front: Path | None,
    back: Path | None,
    model: LoadedModel | None,
    corrections: Corrections = NO_CORRECTIONS,
    *,
    max_interval_width: int | None = None,
    ceiling_binds: bool = True,
    with_saliency: bool = True,
) -> GradedCard:
    """Find, measure and grade a card. Raises BadPicture, also for one side twice or exchanged sides, and BadModel.

    corrections         line corrections that replace the measured lines of these pictures
    max_interval_width  grades that the interval may span, 1 to 10; None: the calibration's recommendation
    ceiling_binds       rule out the grades that a surely measured centering does not allow
    with_saliency       compute the saliency maps too; they cost several times as much as the grade
    """
    sides = open_card(front, back, corrections)
    graded = limit_by_centering(predict_grade(sides, model, max_interval_width), binds=ceiling_binds)
    return with_saliency_maps(graded) if with_saliency else graded


def grade_in_stages(
    front: Path | None,
    back: Path | None,
    model: LoadedModel | None,
    corrections: Corrections = NO_CORRECTIONS,
    outlines: Outlines = NO_OUTLINES,
    find: FindSide = find_side,
) -> Iterator[GradedCard]:
    """Grade a card as `grade_card` does; yields it with the network's grade, then measured, then with saliency maps.

    The `measurements` of the first card's sides are computed by who asks for them, or by the next stage.
    """
    yield (graded := predict_grade(open_card(front, back, corrections, outlines, find), model))
    yield (graded := limit_by_centering(graded))
    yield with_saliency_maps(graded)


def open_card(
    front: Path | None,
    back: Path | None,
    corrections: Corrections = NO_CORRECTIONS,
    outlines: Outlines = NO_OUTLINES,
    find: FindSide = find_side,
) -> CardSides:
    """Find the card in both pictures. Raises BadPicture, also if both are one side, or exchanged.

    outlines  corners that the user laid, in place of those found
    find      reads a picture and finds the card in it
    """
    sides = open_sides(front, back, corrections, outlines, find)
    if front is not None and back is not None:
        _require_two_sides(front, back, sides)
    return sides


def predict_grade(sides: CardSides, model: LoadedModel | None, max_interval_width: int | None = None) -> GradedCard:
    """The verdict of the network alone, without the centering ceiling; no grade without a model. Raises BadModel."""
    notes = tuple(_picture_notes(sides))
    if model is None:
        return GradedCard(sides, (NO_MODEL, *notes))
    if model.card is not None:
        notes = (model.card.caveat, *notes)
    if any(side is not None and side.quality.verdict == "refuse" for side in sides.values()):
        return GradedCard(sides, notes, model)
    notes = (*_side_notes(model, sides), *notes)
    front, back = (sides[side] for side in SIDES)
    inputs = picture_inputs(model, front, back)
    if not inputs.present.any():
        return GradedCard(sides, notes, model)
    # The network computes while Python measures.
    with ThreadPoolExecutor(1) as pool:
        encoding = pool.submit(encode, model, inputs)
        if model.config.use_measurements:
            measure_sides(sides)
        encoded = encoding.result()
    inputs = with_measurements(inputs, model, front, back)
    given = what_is_given(model, front, back)
    prediction = predict(model, inputs, given, encoded)
    known = _out_of_fold(model, sides)
    if known is not None:
        prediction = with_probabilities(prediction, known, model.calibration, given)
        notes = (KNOWN_CARD, *notes)
    max_width = max_interval_width or default_max_interval_width(model.calibration)
    graded = GradedCard(sides, notes, model, inputs, encoded, prediction, max_width)
    notes = (*graded.unfamiliar_notes, *notes)
    if model.calibration is not None and not model.calibration.is_calibrated_for(given):
        notes = (UNCHECKED_RANGE, *notes)
    return replace(graded, notes=notes)


def limit_by_centering(graded: GradedCard, *, binds: bool = True) -> GradedCard:
    """Measure both sides, and rule out the grades that a sure centering does not allow, if it `binds`."""
    measure_sides(graded.sides)
    graded = replace(graded, notes=(*graded.notes, *_size_notes(graded.sides)))
    ceiling = ceiling_of_sides(graded.sides) if binds else None
    if graded.prediction is None or ceiling is None:
        return graded
    prediction, applied, notes = limit_prediction(graded.prediction, ceiling, graded.calibration)
    return replace(graded, prediction=prediction, ceiling=applied, ceiling_notes=tuple(notes))


def with_saliency_maps(graded: GradedCard) -> GradedCard:
    """The card with its saliency maps, if the network was applied."""
    if graded.model is None or graded.inputs is None:
        return graded
    if graded.prediction is not None and graded.prediction.from_measurements:
        return replace(graded, notes=(*graded.notes, NO_SALIENCY))
    return replace(graded, maps=explain_by_each_method(graded.model, graded.inputs, graded.encoded))


def check_map(graded: GradedCard, method: MapMethod) -> dict[Side, Faithfulness]:
    """The faithfulness of the maps of a method; empty for a card without maps."""
    if graded.model is None or graded.inputs is None or method not in graded.maps:
        return {}
    return measure_faithfulness(graded.model, graded.inputs, graded.maps[method])


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


def ceiling_of_sides(sides: CardSides) -> SureCeiling | None:
    """The best grade that the measured centering of both sides surely leaves in reach today, if not all."""
    present = {name: side for name, side in sides.items() if side is not None}
    centerings = {name: side.centering for name, side in present.items()}
    whole_pictures = {name: side.detection.whole_picture for name, side in present.items()}
    return sure_ceiling(centerings, whole_pictures, date.today())


def default_max_interval_width(calibration: Calibration | None) -> int:
    """The interval width that a calibration recommends as a limit; without a calibration, all ten grades."""
    return len(GRADES) if calibration is None else calibration.widest


def _require_two_sides(front: Path, back: Path, sides: CardSides) -> None:
    """Raise BadPicture if the pictures are of one side, or exchanged."""
    first, second = sides["front"], sides["back"]
    assert first is not None, "the front was opened"
    assert second is not None, "the back was opened"
    if first.sha256 == second.sha256 or show_same_side(first.thumbnail, second.thumbnail):
        raise BadPicture(SAME_SIDE.format(front.name, back.name))
    if is_known_back(first.thumbnail) and not is_known_back(second.thumbnail):
        raise BadPicture(EXCHANGED_SIDES.format(front.name, back.name))


def _picture_notes(sides: CardSides) -> Iterator[str]:
    """Notes on the pictures themselves."""
    front = sides["front"]
    if front is not None and is_known_back(front.thumbnail):
        yield BACK_AS_FRONT
    for name, side in sides.items():
        if side is not None:
            notes = [side.detection.note] if side.detection.note else []
            yield from (f"{name}: {note}" for note in (*notes, *side.quality.reasons))


def _size_notes(sides: CardSides) -> Iterator[str]:
    """Notes on sides whose card has no standard size; sides must be measured."""
    for name, side in sides.items():
        if side is not None and side.is_certain and side.measurements.flat.size.name == UNUSUAL_SIZE:
            yield UNUSUAL_SIZE_NOTE.format(name)


def _side_notes(model: LoadedModel, sides: CardSides) -> Iterator[str]:
    """Notes on sides that the model does not use, and on sides that it uses but that are missing."""
    for side, is_used in zip(SIDES, model.sides, strict=True):
        if sides[side] is not None and not is_used:
            yield f"{side}: not used, the model was not trained on any {side}"
    if model.calibration is not None and not model.calibration.strata:
        # A range fitted on whole cards contained the grade of 92 % of them, and of 80 % of fronts without a back.
        yield from map(MISSING_SIDE.format, _missing_sides(model, sides))


def _missing_sides(model: LoadedModel, sides: Mapping[Side, object]) -> tuple[Side, ...]:
    return tuple(side for side, is_used in zip(SIDES, model.sides, strict=True) if is_used and sides[side] is None)


def _out_of_fold(model: LoadedModel, sides: CardSides) -> np.ndarray | None:
    """Predictions for a card that the model was trained on, by models that were not; None for any other card."""
    if model.out_of_fold is None:
        return None
    front, back = (None if side is None else side.sha256 for side in sides.values())
    return model.out_of_fold.probabilities(front, back)


def _too_wide_reason(interval: Interval, max_width: int) -> str:
    limit = "1 grade" if max_width == 1 else f"{max_width} grades"
    return f"the range is too wide for a grade: {interval.low} to {interval.high}, more than {limit}"
