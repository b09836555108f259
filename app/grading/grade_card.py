"""One card from its picture files to what is known of it: looked at, measured and, where a model can, graded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from app.grading.annotate import drawn
from app.grading.line_corrections import Corrections
from app.grading.measured_side import Measured, measure
from app.grading.model_registry import identity, open_grader
from db.schema import Side
from engine.cards.grades import GRADES
from engine.evaluation.calibration import Calibration
from engine.evaluation.intervals import Interval
from engine.experiments import run_folder
from engine.image.rectify import canvas_window
from engine.inference.grad_cam import Evidence, explain, overlay
from engine.inference.loaded_model import Model
from engine.inference.model_card import card_of
from engine.inference.predict import Prediction, View, inputs_of, look, predict

NO_MODEL = "no model yet: train one in the Train tab and make it the grading model"
NO_PLACE = "to the model no place on the card counts more than another, so the overlays are blank"
NO_EVIDENCE = Evidence(None, None)
SHOWN_SIDE = 720
QUAD_COLOUR = (255, 64, 64)


@dataclass(frozen=True)
class Looked:
    """One side: its picture's hash, the card found in it, and what that measures."""

    sha256: str
    view: View
    measured: Measured


@dataclass(frozen=True)
class Graded:
    """A card as looked at, measured and, where there is a model and the pictures allow it, graded.

    widest  how many grades the interval may span before the program abstains from the grade that stands in it
    missed  the sides that the model looks at and was given no picture of
    """

    sides: Mapping[Side, Looked | None]
    reasons: list[str] = field(default_factory=list)
    model: dict[str, str] | None = None
    prediction: Prediction | None = None
    evidence: Evidence = NO_EVIDENCE
    calibration: Calibration | None = None
    widest: int = len(GRADES)
    missed: tuple[Side, ...] = ()

    @property
    def too_wide(self) -> bool:
        """Whether the model has graded the card but is not sure enough for that to count."""
        return self.prediction is not None and self.prediction.interval.width > self.widest

    @property
    def abstained(self) -> bool:
        """Whether no grade is given: none could be told, or it is too unsure."""
        return self.prediction is None or self.too_wide

    def evidence_of(self, side: Side) -> np.ndarray | None:
        """The side's Grad-CAM map, where there is one; blank for a side that the model did not look at."""
        evidence = self.evidence.front if side == "front" else self.evidence.back
        if evidence is None and self.prediction is not None:
            return np.zeros((1, 1), np.float32)
        return evidence


def grade_card(
    front: Path | None,
    back: Path | None,
    model: Path | None,
    corrections: Corrections | None = None,
    widest: int | None = None,
    *,
    explained: bool = True,
    opened: Callable[[Path], tuple[Model, str]] = open_grader,
) -> Graded:
    """Look at a card's pictures, measure it and ask the model. Raises BadPicture, BadModel.

    corrections  lines that a person laid over these pictures hold in place of the measured ones
    widest       how many grades the interval may span, 1 to 10; None: as many as the model's calibration recommends
    explained    whether the overlays are wanted: they cost several times what the grade does
    opened       gives the model of a file and the file's SHA-256
    """
    paths: dict[Side, Path | None] = {"front": front, "back": back}
    sides = {side: look_at(side, path, corrections or {}) if path else None for side, path in paths.items()}
    views = {side: looked.view if looked else None for side, looked in sides.items()}
    reasons = [f"{side}: {reason}" for side, view in views.items() if view is not None for reason in _concerns(view)]
    if model is None:
        return Graded(sides, [NO_MODEL, *reasons])
    loaded, digest = opened(model)
    card = card_of(model, digest)
    said_by = identity(loaded, digest, card)
    if card is not None:
        reasons = [card.reason, *reasons]
    if any(view is not None and view.quality.verdict == "refuse" for view in views.values()):
        return Graded(sides, reasons, said_by)
    missed = tuple(side for side, learned in zip(views, loaded.sides, strict=True) if learned and views[side] is None)
    reasons = [*_of_sides(loaded, views, missed), *reasons]
    measured = [looked.measured if looked else None for looked in sides.values()]
    inputs = inputs_of(loaded, views["front"], views["back"], measured)
    if not inputs.present.any():
        return Graded(sides, reasons, said_by)
    evidence = explain(loaded, inputs) if explained else NO_EVIDENCE
    if explained and evidence.is_blank:
        reasons = [*reasons, NO_PLACE]
    said, most = predict(loaded, inputs), widest or widest_allowed(loaded.calibration)
    if said.interval.width > most:
        reasons = [_too_wide(said.interval, most), *reasons]
    return Graded(sides, reasons, said_by, said, evidence, loaded.calibration, most, missed)


def _of_sides(model: Model, views: Mapping[Side, View | None], missed: Sequence[Side]) -> Iterator[str]:
    """What is to be known of sides that the model does not look at, and of those that it would and was not given."""
    for side, learned in zip(views, model.sides, strict=True):
        if views[side] is not None and not learned:
            yield f"{side}: not looked at, the model has learned from no {side}"
    if model.calibration is not None:
        # The starter's ranges hold the grade of 92 % of whole cards, and of 80 % of their fronts alone.
        yield from (f"without the {side} the range may hold the grade less often than it says" for side in missed)


def widest_allowed(calibration: Calibration | None) -> int:
    """How many grades an interval may span where nothing else is asked: without a calibration all of them."""
    return len(GRADES) if calibration is None else calibration.widest


def _too_wide(interval: Interval, most: int) -> str:
    return (
        f"the interval spans {interval.width} grades ({interval.low} to {interval.high}), more than the {most} allowed"
    )


def look_at(side: Side, path: Path, corrections: Corrections) -> Looked:
    """Find and measure the card in one picture. Raises BadPicture."""
    view, sha256 = look(path), run_folder.sha256(path)
    return Looked(sha256, view, measure(view, corrections.get((sha256, side))))


def _concerns(view: View) -> list[str]:
    note = [view.found.note] if view.found.note else []
    return [*note, *view.quality.reasons]


def pictures_of(graded: Graded, side: Side) -> dict[str, np.ndarray]:
    """What a person is shown of a side, uint8 RGB by name.

    `quad` (the outline on the picture), `card`, and `overlay` where there is one.
    """
    looked = graded.sides[side]
    if looked is None:
        return {}
    view = looked.view
    window = canvas_window(view.found.quad, view.rgb.shape[:2], SHOWN_SIDE)
    canvas = view.canvas(SHOWN_SIDE)
    shown = {"quad": _with_outline(view), "card": canvas[window]}
    evidence = graded.evidence_of(side)
    if evidence is not None:
        heat = Image.fromarray(evidence).resize((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.BILINEAR)
        shown["overlay"] = overlay(canvas, np.asarray(heat).clip(0, 1))[window]
    return shown


def _with_outline(view: View) -> np.ndarray:
    picture = Image.fromarray(view.rgb)
    corners = [tuple(corner) for corner in view.found.quad]
    width = max(2, round(max(picture.size) / 300))
    ImageDraw.Draw(picture).line([*corners, corners[0]], fill=QUAD_COLOUR, width=width, joint="curve")
    picture.thumbnail((1600, 1600))
    return np.asarray(picture)


def write_pictures(graded: Graded, folder: Path) -> dict[Side, dict[str, Path]]:
    """Write both sides' pictures as PNG into `folder`; returns their absolute paths by side and name.

    Those of `pictures_of`, and `measured`: the card laid flat with its lines and its findings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[Side, dict[str, Path]] = {}
    for side, looked in graded.sides.items():
        measured = {} if looked is None else {"measured": drawn(looked.measured)}
        written[side] = {}
        for name, picture in {**pictures_of(graded, side), **measured}.items():
            written[side][name] = (folder / f"{side}_{name}.png").absolute()
            Image.fromarray(picture).save(written[side][name])
    return written
