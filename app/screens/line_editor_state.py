"""State of the line editor: the JSON value of a measured side that the page shows, edits and sends back.

The whole value is sent with each event, so that a correction is saved for the picture that was on the screen.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np

from app.grading.centering_ceiling import as_sentence, axes_of_side
from app.grading.findings import MAX_CIRCLES, findings_of
from app.grading.grade_card import SideAnalysis
from app.grading.line_corrections import (
    CORRECTED_SIZE_NAME,
    Correction,
    save_correction,
    with_card_from_edges,
    withdraw_correction,
)
from app.grading.measured_side import MeasuredSide
from app.settings import UserError
from db.schema import Side
from db.session import Database
from engine.cards.rubric import explain
from engine.errors import BadInput
from engine.image.rectify import CardSize
from engine.measure.centering.centering import MeasuredCentering, NoCentering, centering_from_lines
from engine.measure.flat_card import FlatCard, rectify_with_margin
from engine.measure.surface.surface import NoSurface

Value = dict[str, Any]

# Positions of the handles that tilt a line, as fractions of the side; far enough apart for a finger.
HANDLE_FRACTIONS = {"physical": (0.14, 0.86), "printed": (0.28, 0.72)}
DEFAULT_BORDER_MM = 3.0
# Edges can be dragged this far beyond the detected card; detecting a sleeve or frame instead of the card errs by less.
DRAG_MARGIN_MM = 8.0
MAX_COORDINATE_MM = 500.0
MAX_COORDINATE_PX = 1e6
NOT_SAVED = "Not saved yet."  # compared in line_editor.js too
INCOMPLETE_LINES = "the eight lines arrived incomplete; reload the page and correct them again"


def save(database: Database, value: Value, author: str = "") -> str:
    """Save the line correction of a value, or withdraw the saved one after a reset; returns a message.

    Raises UserError if the lines are incomplete, BadLines if they enclose no frame.
    """
    sha256, side = key_of(value)
    if not value.get("by_hand"):
        withdraw_correction(database, sha256, side, author)
        return "Measured lines restored."
    height, width = _array(value, "picture_px", shape=(2,), max_abs=MAX_COORDINATE_PX)
    correction = with_card_from_edges(correction_of(value), (int(height), int(width)))
    centering_from_lines(correction.physical, correction.printed)
    return saved_sentence(save_correction(database, sha256, side, correction, author))


def flat_with_margin(analysis: SideAnalysis) -> FlatCard:
    """The flat card in the millimeters of its measurements, with a margin to drag the edges into."""
    flat = analysis.measured.flat
    return rectify_with_margin(analysis.picture.rgb, flat.quad, flat.size, flat.kind, margin_mm=DRAG_MARGIN_MM)


def value_of(side: Side, analysis: SideAnalysis, flat: FlatCard, picture: Path) -> Value:
    """The line editor's value for a side.

    flat     the result of `flat_with_margin`
    picture  the file with the picture of `flat`
    """
    measured = analysis.measured
    measured_lines = _lines_and_numbers(side, measured, measured.measured_centering)
    by_hand = measured.correction is not None
    current_lines = _lines_and_numbers(side, measured, measured.centering) if by_hand else measured_lines
    return {
        "side": side,
        "sha256": analysis.sha256,
        "quad": flat.quad.tolist(),
        "picture_px": list(analysis.picture.rgb.shape[:2]),
        "width_mm": flat.size.width_mm,
        "height_mm": flat.size.height_mm,
        "margin_mm": flat.margin_mm.tolist(),
        "px_per_mm": flat.px_per_mm,
        "picture": {"path": str(picture), "meta": {"_type": "gradio.FileData"}},
        **current_lines,
        "found": measured_lines,
        "by_hand": by_hand,
        "kept": by_hand,
        "said": "" if measured.correction is None else saved_sentence(measured.correction),
        "findings": [
            {**finding.as_json(measured), "circled": finding.number <= MAX_CIRCLES} for finding in findings_of(measured)
        ],
        "unread": _unmeasured_sentences(measured),
    }


def _lines_and_numbers(side: Side, measured: MeasuredSide, centering: MeasuredCentering | NoCentering) -> Value:
    return {**_initial_lines(measured, centering), "numbers": centering_numbers(side, centering)}


def _unmeasured_sentences(measured: MeasuredSide) -> list[str]:
    """One sentence for each reason why something could not be measured."""
    names_by_reason: dict[str, list[str]] = {}
    for corner in measured.corners:
        names_by_reason.setdefault(corner.reason, []).append(f"{corner.name} corner")
    for edge in measured.edges:
        names_by_reason.setdefault(edge.reason, []).append(f"{edge.name} edge")
    names_by_reason.pop("", None)
    total = len(measured.corners) + len(measured.edges)
    sentences = [
        f"Not measured at {'any corner or edge' if len(names) == total else 'the ' + ', '.join(names)}: {reason}."
        for reason, names in names_by_reason.items()
    ]
    if isinstance(measured.surface, NoSurface):
        return [*sentences, f"Surface not measured: {measured.surface.reason}."]
    foil = (
        ["The surface has a pattern that may be foil; lines in it are not counted."]
        if measured.surface.patterned
        else []
    )
    return [*sentences, *foil]


def is_unsaved(value: Value | None, new_value: Value) -> bool:
    """True if `value` has unsaved line changes on the same side of the same picture as `new_value`."""
    return value is not None and value.get("said") == NOT_SAVED and key_of(value) == key_of(new_value)


def centering_numbers(side: Side, centering: MeasuredCentering | NoCentering) -> Value:
    """A side's centering for display: table `rows` by axis, a `sentence`, and `worst`, the worse axis in percent."""
    if isinstance(centering, NoCentering):
        return {
            "rows": [],
            "sentence": f"Not measured: {centering.reason}. If the card has a printed frame, drag the lines onto it.",
            "worst": None,
        }
    today = date.today()
    rows = [
        {
            "axis": axis.name,
            "mm": f"{axis.first_mm:.2f} + {axis.second_mm:.2f}",
            "share": axis.ratio_text,
            "uncertainty": f"± {axis.uncertainty:.1f}",
            "allows": axis.grade_text,
        }
        for axis in axes_of_side(side, centering, today)
    ]
    direction = "clockwise" if centering.tilt_deg > 0 else "counterclockwise"
    tilt = f"The print is turned {abs(centering.tilt_deg):.1f}° {direction}." if abs(centering.tilt_deg) >= 0.05 else ""
    worst = float(centering.worse_axis)
    sentence = as_sentence(explain(side, worst, today))
    return {"rows": rows, "sentence": f"{sentence} {tilt}".strip(), "worst": worst}


def numbers_of_lines(value: Value) -> Value:
    """The same for a value with edited lines; invalid lines are reported in the sentence."""
    try:
        (_, side), correction = key_of(value), correction_of(value)
        return centering_numbers(side, centering_from_lines(correction.physical, correction.printed))
    except (BadInput, UserError) as error:
        return {"rows": [], "sentence": f"Not measured: {error}.", "worst": None}


def correction_of(value: Value) -> Correction:
    """The line correction of a value from the browser. Raises UserError if the eight lines are incomplete."""
    size = _array(value, "width_mm", "height_mm", shape=(2,), max_abs=MAX_COORDINATE_MM)
    quad = _array(value, "quad", shape=(4, 2), max_abs=MAX_COORDINATE_PX)
    if (size <= 0).any() or not cv2.isContourConvex(quad.astype(np.float32)):
        raise UserError(INCOMPLETE_LINES)
    return Correction(
        quad=quad,
        size=CardSize(float(size[0]), float(size[1]), CORRECTED_SIZE_NAME),
        physical=_array(value, "physical", shape=(4, 2, 2), max_abs=MAX_COORDINATE_MM),
        printed=_array(value, "printed", shape=(4, 2, 2), max_abs=MAX_COORDINATE_MM),
    )


def checked_value(value: Any) -> Value | None:
    """A value as the browser sends it, if it is a side with its eight lines; None for anything else.

    A component that is not on the page comes back as an empty string. The picture is taken by its path alone: with an
    address beside it, Gradio would send the picture of that address in place of ours.
    """
    if not isinstance(value, dict) or not isinstance(picture := value.get("picture"), dict):
        return None
    try:
        key_of(value)
        correction_of(value)
    except UserError:
        return None
    picture = {key: picture[key] for key in ("path", "meta") if key in picture}
    return {**value, "picture": picture, "numbers": numbers_of_lines(value)}


def required(value: Value | None) -> Value:
    """The value. Raises UserError if there is none."""
    if value is None:
        raise UserError(INCOMPLETE_LINES)
    return value


def key_of(value: Value) -> tuple[str, Side]:
    """The picture hash and the side of a value. Raises UserError if they are missing."""
    sha256, side = value.get("sha256"), value.get("side")
    if not isinstance(sha256, str) or len(sha256) != 64 or side not in ("front", "back"):
        raise UserError(INCOMPLETE_LINES)
    return sha256, cast(Side, side)


def _array(value: Value, *names: str, shape: tuple[int, ...], max_abs: float = np.inf) -> np.ndarray:
    fields = [value.get(name) for name in names]
    try:
        array = np.array(fields if len(fields) > 1 else fields[0], np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(INCOMPLETE_LINES) from error
    if array.shape != shape or not np.isfinite(array).all() or (np.abs(array) > max_abs).any():
        raise UserError(INCOMPLETE_LINES)
    return array


def saved_sentence(correction: Correction) -> str:
    """Sentence with the time of a saved correction."""
    when = f" on {correction.saved_at:%Y-%m-%d %H:%M} UTC" if correction.saved_at else ""
    return f"Corrected by hand{when}."


def _initial_lines(measured: MeasuredSide, centering: MeasuredCentering | NoCentering) -> Value:
    """The eight lines to start with: those of the centering, else the card edges and a default frame."""
    if isinstance(centering, MeasuredCentering):
        physical, printed = centering.physical, centering.printed
    else:
        physical = measured.outline
        inward = np.array([(0, 1), (-1, 0), (0, -1), (1, 0)], float)[:, None] * DEFAULT_BORDER_MM
        printed = physical + inward
    size = (measured.flat.size.width_mm, measured.flat.size.height_mm)
    return {
        "physical": [_handle_points(line, side, size, "physical") for side, line in enumerate(physical)],
        "printed": [_handle_points(line, side, size, "printed") for side, line in enumerate(printed)],
    }


def _handle_points(line: np.ndarray, side: int, size: tuple[float, float], kind: str) -> list[list[float]]:
    """The same line given by its two handle points, still clockwise."""
    axis = side % 2
    fractions = HANDLE_FRACTIONS[kind] if side < 2 else HANDLE_FRACTIONS[kind][::-1]
    (start, end), direction = line, line[1] - line[0]
    points = [start + direction * (fraction * size[axis] - start[axis]) / (end - start)[axis] for fraction in fractions]
    return [[round(float(x), 4), round(float(y), 4)] for x, y in points]
