"""From a measured side to the line editor and back: its state, and the corrections that are saved from it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from app.grading.line_corrections import current_corrections, save_correction, withdraw_correction
from app.screens.html_component import picture_for_page
from app.screens.line_editor_state import (
    CenteringLines,
    LineEditorState,
    Lines,
    PictureFile,
    ShownFinding,
    centering_numbers,
)
from app.settings import DataFolder, UserError
from db.schema import Side
from db.session import Database
from engine.inference.card_side import CardSide, CardSides, open_side
from engine.measure.centering.centering import MeasuredCentering, NoCentering
from engine.measure.centering.line_correction import LineCorrection, with_card_from_edges
from engine.measure.findings.findings import MAX_CIRCLES, Finding, SideFindings
from engine.measure.side.measure_side import SideMeasurements
from engine.measure.surface.surface import NoSurface
from engine.storage import file_hash

JPEG_QUALITY = 92
# Positions of the handles that tilt a line, as fractions of the side; far enough apart for a finger.
HANDLE_FRACTIONS = {"physical": (0.14, 0.86), "printed": (0.28, 0.72)}
DEFAULT_BORDER_MM = 3.0


def editor_states(
    sides: CardSides, data: DataFolder, page_states: Iterable[LineEditorState | None] = (None, None)
) -> list[LineEditorState | None]:
    """States of the two line editors, front and back; None for a side without a picture.

    Writes each flat card into the upload folder, for the browser to load.

    page_states  states now on the page: one with unsaved line corrections of the same side and picture is kept
    """
    states = [None if side is None else editor_state(name, side, data) for name, side in sides.items()]
    return [
        page_state if state and page_state and page_state.unsaved and page_state.is_of_same_card(state) else state
        for state, page_state in zip(states, page_states, strict=True)
    ]


def editor_state(name: Side, side: CardSide, data: DataFolder) -> LineEditorState:
    """State of the line editor for a side; writes the flat card for the browser to load."""
    measurements, flat = side.measurements, side.measurements.flat
    measured = _lines(name, measurements, measurements.centering)
    is_corrected = side.correction is not None
    lines = _lines(name, measurements, side.centering) if is_corrected else measured
    picture = picture_for_page(Image.fromarray(flat.wide_rgb), data, "flat", quality=JPEG_QUALITY)
    return LineEditorState(
        side=name,
        sha256=side.sha256,
        quad=flat.quad.tolist(),
        picture_px=side.rgb.shape[:2],
        width_mm=flat.size.width_mm,
        height_mm=flat.size.height_mm,
        margin_mm=flat.wide_margin_mm.tolist(),
        px_per_mm=flat.px_per_mm,
        picture=PictureFile(path=str(picture)),
        physical=lines.physical,
        printed=lines.printed,
        numbers=lines.numbers,
        measured=measured,
        by_hand=is_corrected,
        is_stored=is_corrected,
        message="" if side.correction is None else saved_sentence(side.correction),
        findings=_shown_findings(side.findings),
        unread=_unmeasured_sentences(measurements),
    )


def _shown_findings(findings: SideFindings) -> list[ShownFinding]:
    """The listed findings, the worst of them circled, then the possible ones."""
    listed = [_shown(finding, finding.cost_text, finding.number <= MAX_CIRCLES) for finding in findings.listed]
    return listed + [_shown(finding, f"{finding.confidence:.0%} sure", False) for finding in findings.possible]


def _shown(finding: Finding, cost: str, is_circled: bool) -> ShownFinding:
    return ShownFinding(
        number=finding.number,
        place=finding.place,
        what=finding.description,
        cost=cost,
        at_mm=finding.at_mm,
        reach_mm=finding.radius_mm,
        points_mm=list(finding.points_mm),
        circled=is_circled,
    )


def save_lines(
    database: Database, data: DataFolder, state: LineEditorState, picture: Path | None, author: str = ""
) -> LineEditorState:
    """Save the line correction of a side and measure the side again with it.

    picture  the file now in the tab; if it is not the state's picture, the state is returned without measuring again
    raises   UserError, BadLines
    """
    message = save(database, state, author)
    if picture is None or file_hash.sha256(picture) != state.sha256:
        saved = {"message": message, "unsaved": False, "is_stored": state.by_hand}
        return state.model_copy(update=saved)
    side = open_side(picture, state.side, current_corrections(database))
    return editor_state(state.side, side, data).model_copy(update={"message": message})


def save(database: Database, state: LineEditorState, author: str = "") -> str:
    """Save the line correction of a state, or withdraw the saved one after a reset; returns a message.

    Raises BadLines if the lines enclose no frame.
    """
    if not state.by_hand:
        withdraw_correction(database, state.sha256, state.side, author)
        return "Measured lines restored."
    correction = with_card_from_edges(state.correction, state.picture_px)
    _ = correction.centering  # raises BadLines
    return saved_sentence(save_correction(database, state.sha256, state.side, correction, author))


def reset_lines(data: DataFolder, state: LineEditorState, picture: Path | None) -> LineEditorState:
    """Measure a side without its saved line correction; the correction stays stored until this is saved.

    Raises UserError if the tab now holds another picture.
    """
    if picture is None or file_hash.sha256(picture) != state.sha256:
        raise UserError(f"the {state.side} picture has changed; press Grade, then reset its lines")
    measured = editor_state(state.side, open_side(picture, state.side), data)
    return measured.model_copy(update={"is_stored": True, "unsaved": True})


def saved_sentence(correction: LineCorrection) -> str:
    """Sentence with the time of a saved correction."""
    when = f" on {correction.saved_at:%Y-%m-%d %H:%M} UTC" if correction.saved_at else ""
    return f"Corrected by hand{when}."


def _lines(name: Side, measurements: SideMeasurements, centering: MeasuredCentering | NoCentering) -> CenteringLines:
    """The eight lines to start with: those of the centering, else the card edges and a default frame."""
    if isinstance(centering, MeasuredCentering):
        physical, printed = centering.physical, centering.printed
    else:
        physical = measurements.outline
        inward = np.array([(0, 1), (-1, 0), (0, -1), (1, 0)], float)[:, None] * DEFAULT_BORDER_MM
        printed = physical + inward
    size = (measurements.flat.size.width_mm, measurements.flat.size.height_mm)
    return CenteringLines(
        physical=_handle_lines(physical, size, HANDLE_FRACTIONS["physical"]),
        printed=_handle_lines(printed, size, HANDLE_FRACTIONS["printed"]),
        numbers=centering_numbers(name, centering),
    )


def _handle_lines(lines: np.ndarray, size: tuple[float, float], fractions: tuple[float, float]) -> Lines:
    """The same four lines, each given by its two handle points, still clockwise."""
    points = np.empty((4, 2, 2))
    for side, (start, end) in enumerate(lines):
        axis = side % 2
        along = np.array(fractions if side < 2 else fractions[::-1]) * size[axis]
        points[side] = start + np.outer((along - start[axis]) / (end - start)[axis], end - start)
    return cast(Lines, np.round(points, 4).tolist())


def _unmeasured_sentences(measurements: SideMeasurements) -> list[str]:
    """One sentence for each reason why something could not be measured."""
    names_by_reason: dict[str, list[str]] = {}
    for corner in measurements.corners:
        names_by_reason.setdefault(corner.reason, []).append(f"{corner.name} corner")
    for edge in measurements.edges:
        names_by_reason.setdefault(edge.reason, []).append(f"{edge.name} edge")
    names_by_reason.pop("", None)
    total = len(measurements.corners) + len(measurements.edges)
    sentences = [
        f"Not measured at {'any corner or edge' if len(names) == total else 'the ' + ', '.join(names)}: {reason}."
        for reason, names in names_by_reason.items()
    ]
    if isinstance(measurements.surface, NoSurface):
        return [*sentences, f"Surface not measured: {measurements.surface.reason}."]
    if measurements.surface.patterned:
        sentences.append("The surface has a pattern that may be foil; lines in it are not counted.")
    return sentences
