"""What the browser is told of a measured side so that a person can drag its eight lines, and what comes back.

The value travels to the page and back with each event: what a person saves is the picture that was on their screen.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, cast

import numpy as np

from app.grading.centering_ceiling import axes_of, in_words
from app.grading.findings import MOST_CIRCLED, findings_of
from app.grading.grade_card import Looked
from app.grading.line_corrections import BY_HAND, Correction, keep, settled, take_back
from app.grading.measured_side import Measured
from app.settings import Trouble
from db.schema import Side
from db.session import Database
from engine.cards.rubric import explain
from engine.errors import BadInput
from engine.image.rectify import CardSize
from engine.measure.centering.centering import Centering, NoCentering, from_lines
from engine.measure.flat_card import Flat, lay_flat
from engine.measure.surface.surface import NoSurface

Value = dict[str, Any]

# Where along a side, in shares of its length, a line is held to tilt it: apart, so that no finger takes both.
HELD_AT = {"physical": (0.14, 0.86), "printed": (0.28, 0.72)}
FIRST_GUESS_MM = 3.0
# How far beyond a found card its edges can be dragged: a finder that took a sleeve or a frame for it errs by less.
REACH_MM = 8.0
MOST_MM = 500.0
NOT_SAVED = "Not saved yet."  # line_editor.js knows it by these words
NO_LINES = "the eight lines did not arrive whole; reload the page and lay them again"


def save(database: Database, value: Value) -> str:
    """Keep the lines of a value, or take the kept ones back where it was reset; returns what was done, for a person.

    Raises Trouble where no eight lines came, BadLines where they bound no frame.
    """
    sha256, side = key_of(value)
    if not value.get("by_hand"):
        take_back(database, sha256, side)
        return "What was measured holds again."
    height, width = _array(value, "picture_px", shape=(2,))
    laid = settled(correction_of(value), (int(height), int(width)))
    from_lines(laid.physical, laid.printed)
    return kept_when(keep(database, sha256, side, laid))


def laid_out(looked: Looked) -> Flat:
    """The card as it lies before a person: on the same millimetres as it was measured, with more around it."""
    flat = looked.measured.flat
    return lay_flat(looked.view.rgb, flat.quad, flat.size, flat.kind, margin_mm=REACH_MM)


def value_of(side: Side, looked: Looked, flat: Flat, picture: Path) -> Value:
    """A side for the browser.

    flat     as `laid_out` gives it
    picture  a file that shows it
    """
    measured = looked.measured
    found = {**_lines(measured, measured.found), "numbers": numbers(side, measured.found)}
    by_hand = measured.correction is not None
    shown = {**_lines(measured, measured.centering), "numbers": numbers(side, measured.centering)} if by_hand else found
    listed = findings_of(measured)
    return {
        "side": side,
        "sha256": looked.sha256,
        "quad": flat.quad.tolist(),
        "picture_px": list(looked.view.rgb.shape[:2]),
        "width_mm": flat.size.width_mm,
        "height_mm": flat.size.height_mm,
        "margin_mm": flat.margin_mm.tolist(),
        "px_per_mm": flat.px_per_mm,
        "picture": {"path": str(picture), "meta": {"_type": "gradio.FileData"}},
        **shown,
        "found": found,
        "by_hand": by_hand,
        "kept": by_hand,
        "said": "" if measured.correction is None else kept_when(measured.correction),
        "findings": [{**finding.as_json(measured), "circled": finding.number <= MOST_CIRCLED} for finding in listed],
        "unread": _unread(measured),
    }


def _unread(measured: Measured) -> list[str]:
    """What could not be measured: a sentence for each reason."""
    places: dict[str, list[str]] = {}
    for corner in measured.corners:
        places.setdefault(corner.reason, []).append(f"{corner.name} corner")
    for edge in measured.edges:
        places.setdefault(edge.reason, []).append(f"{edge.name} edge")
    places.pop("", None)
    everywhere = len(measured.corners) + len(measured.edges)
    said = [
        f"Not measured at {'any corner or edge' if len(names) == everywhere else 'the ' + ', '.join(names)}: {reason}."
        for reason, names in places.items()
    ]
    if isinstance(measured.surface, NoSurface):
        return [*said, f"The surface was not looked at: {measured.surface.reason}."]
    foil = ["Its pattern may be foil: lines within it are not counted."] if measured.surface.patterned else []
    return [*said, *foil]


def is_unsaved(value: Value | None, of: Value) -> bool:
    """Whether a value holds lines that a person has moved on the same side of the same picture and not saved yet."""
    return value is not None and value.get("said") == NOT_SAVED and key_of(value) == key_of(of)


def numbers(side: Side, centering: Centering | NoCentering) -> Value:
    """A side's centering in words: `rows` of a table, one a pair of borders, a `sentence`, and the `worst` share."""
    if isinstance(centering, NoCentering):
        return {"rows": [], "sentence": f"Not measured: {centering.reason}.", "worst": None}
    today = date.today()
    rows = [
        {
            "axis": axis.name,
            "mm": f"{axis.first_mm:.2f} + {axis.second_mm:.2f}",
            "share": axis.written,
            "uncertainty": f"± {axis.uncertainty:.1f}",
            "allows": axis.allows,
        }
        for axis in axes_of(side, centering, today)
    ]
    way = "clockwise" if centering.tilt_deg > 0 else "anticlockwise"
    tilt = f"The print is turned {abs(centering.tilt_deg):.1f}° {way}." if abs(centering.tilt_deg) >= 0.05 else ""
    worst = float(centering.worst)
    sentence = in_words(explain(side, worst, today))
    return {"rows": rows, "sentence": f"{sentence}. {tilt}".strip(), "worst": worst}


def numbers_of_lines(value: Value) -> Value:
    """The same for lines as they lie in the browser; lines that bound no frame are told so in the sentence."""
    try:
        (_, side), correction = key_of(value), correction_of(value)
        return numbers(side, from_lines(correction.physical, correction.printed))
    except (BadInput, Trouble) as error:
        return {"rows": [], "sentence": f"Not measured: {error}.", "worst": None}


def correction_of(value: Value) -> Correction:
    """The lines that come from the browser. Raises Trouble where they are not four and four lines on a card."""
    size = _array(value, "width_mm", "height_mm", shape=(2,))
    if (size <= 0).any():
        raise Trouble(NO_LINES)
    return Correction(
        quad=_array(value, "quad", shape=(4, 2)),
        size=CardSize(float(size[0]), float(size[1]), BY_HAND),
        physical=_array(value, "physical", shape=(4, 2, 2), most=MOST_MM),
        printed=_array(value, "printed", shape=(4, 2, 2), most=MOST_MM),
    )


def key_of(value: Value) -> tuple[str, Side]:
    """The picture and the side that a value is of. Raises Trouble where it names none."""
    sha256, side = value.get("sha256"), value.get("side")
    if not isinstance(sha256, str) or len(sha256) != 64 or side not in ("front", "back"):
        raise Trouble(NO_LINES)
    return sha256, cast(Side, side)


def _array(value: Value, *names: str, shape: tuple[int, ...], most: float = np.inf) -> np.ndarray:
    given = [value.get(name) for name in names]
    try:
        numbers = np.array(given if len(given) > 1 else given[0], np.float64)
    except (TypeError, ValueError) as error:
        raise Trouble(NO_LINES) from error
    if numbers.shape != shape or not np.isfinite(numbers).all() or (np.abs(numbers) > most).any():
        raise Trouble(NO_LINES)
    return numbers


def kept_when(correction: Correction) -> str:
    """When lines were laid, for a person."""
    when = f" on {correction.made_at:%Y-%m-%d %H:%M} UTC" if correction.made_at else ""
    return f"Laid by hand{when}."


def _lines(measured: Measured, centering: Centering | NoCentering) -> Value:
    """Eight lines to begin with: the ones the centering was told from, else the edges and a frame to be dragged."""
    if isinstance(centering, Centering):
        physical, printed = centering.physical, centering.printed
    else:
        physical = measured.outline
        inward = np.array([(0, 1), (-1, 0), (0, -1), (1, 0)], float)[:, None] * FIRST_GUESS_MM
        printed = physical + inward
    size = (measured.flat.size.width_mm, measured.flat.size.height_mm)
    return {
        "physical": [_held(line, side, size, "physical") for side, line in enumerate(physical)],
        "printed": [_held(line, side, size, "printed") for side, line in enumerate(printed)],
    }


def _held(line: np.ndarray, side: int, size: tuple[float, float], kind: str) -> list[list[float]]:
    """The same straight line by the two points a person holds it at, still clockwise."""
    axis = side % 2
    shares = HELD_AT[kind] if side < 2 else HELD_AT[kind][::-1]
    (start, end), way = line, line[1] - line[0]
    points = [start + way * (share * size[axis] - start[axis]) / (end - start)[axis] for share in shares]
    return [[round(float(x), 4), round(float(y), 4)] for x, y in points]
