"""State of the line editor: what the page shows of a measured side, lets the user edit and sends back.

The whole state is sent with each event, so that a correction is saved for the picture that was on the screen.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from app.settings import UserError
from db.schema import Side
from engine.cards.rubric import explain
from engine.errors import BadInput
from engine.image.rectify import CardSize
from engine.measure.centering.ceiling import as_sentence, axes_of_side
from engine.measure.centering.centering import MeasuredCentering, NoCentering
from engine.measure.centering.line_correction import CORRECTED_SIZE_NAME, LineCorrection

INCOMPLETE_LINES = "the eight lines arrived incomplete; reload the page and correct them again"
MIN_TILT_DEG = 0.05
MAX_SAME_PLACE_PX = 0.1

Length = Annotated[float, Field(ge=-500, le=500, allow_inf_nan=False)]
Size = Annotated[float, Field(gt=0, le=500, allow_inf_nan=False)]
Pixel = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Point = tuple[Length, Length]
Line = tuple[Point, Point]
Lines = tuple[Line, Line, Line, Line]  # top, right, bottom, left; two points (x, y) each in mm, clockwise
Corner = tuple[Pixel, Pixel]


class _Shown(BaseModel):
    """A value that the page gets as JSON and may send back."""

    model_config = ConfigDict(frozen=True)


class CenteringRow(_Shown):
    """One axis in the table of the centering."""

    axis: str
    mm: str
    share: str
    uncertainty: str
    allows: str


class CenteringNumbers(_Shown):
    """A side's centering for display; `worst` is the larger border of the worse axis in percent.

    is_trusted  a person laid the lines, or they can be those of one printed frame
    """

    rows: list[CenteringRow] = []
    sentence: str
    worst: Annotated[float, Field(ge=50, le=100)] | None = None
    is_trusted: bool = True


class CenteringLines(_Shown):
    """The eight lines and the centering that they give."""

    physical: Lines
    printed: Lines
    numbers: CenteringNumbers


class ShownFinding(_Shown):
    """A finding in the list below the card, with a circle on it if it is certain enough and among the worst.

    cost  what it costs, or how unsure it is
    """

    number: int
    place: str
    what: str
    cost: str
    at_mm: Point
    reach_mm: Size
    points_mm: list[Point]
    circled: bool


class PictureFile(_Shown):
    """A file that the browser loads; an address beside the path is dropped, since Gradio would fetch it instead."""

    path: str
    meta: dict[str, str] = {"_type": "gradio.FileData"}


class EditedLines(_Shown):
    """The eight lines on a picture: what a correction is made of.

    picture_px  (height, width) of the upright picture
    quad        corners of the card in it, clockwise from the top left; millimeters count on them
    by_hand     the user laid the lines
    """

    side: Side
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    picture_px: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]
    quad: tuple[Corner, Corner, Corner, Corner]
    width_mm: Size
    height_mm: Size
    physical: Lines
    printed: Lines
    by_hand: bool

    @field_validator("quad")
    @classmethod
    def _check_quad(cls, quad: tuple[Corner, Corner, Corner, Corner]) -> tuple[Corner, Corner, Corner, Corner]:
        if not cv2.isContourConvex(np.array(quad, np.float32)):
            raise ValueError("the corners enclose no card")
        return quad

    @property
    def correction(self) -> LineCorrection:
        """The lines as a correction that is not saved."""
        return LineCorrection(
            quad=np.array(self.quad, np.float64),
            size=CardSize(self.width_mm, self.height_mm, CORRECTED_SIZE_NAME),
            physical=np.array(self.physical, np.float64),
            printed=np.array(self.printed, np.float64),
        )

    @property
    def centering_numbers(self) -> CenteringNumbers:
        """The centering of the lines; invalid lines are reported in the sentence."""
        try:
            return centering_numbers(self.side, self.correction.centering)
        except BadInput as error:
            return CenteringNumbers(sentence=f"Not measured: {error}.")


class LineEditorState(EditedLines):
    """One side in the line editor.

    margin_mm  (x, y) margin around the card in the picture
    numbers    centering of the lines
    measured   the lines as measured, to return to
    is_stored  the database has a correction of this picture
    unsaved    the user changed the lines, or returned to the measured ones, and has not saved that
    message    on what was saved
    findings   worst first, then the less certain ones
    unread     one sentence for each reason why something could not be measured
    """

    margin_mm: Point
    px_per_mm: Size
    picture: PictureFile
    numbers: CenteringNumbers
    measured: CenteringLines
    is_stored: bool
    unsaved: bool = False
    message: str = ""
    findings: list[ShownFinding]
    unread: list[str]

    def is_of_same_card(self, other: LineEditorState) -> bool:
        """True if both are of one side of one picture, with the card in the same place."""
        same_place = np.allclose(self.quad, other.quad, atol=MAX_SAME_PLACE_PX)
        return (self.sha256, self.side) == (other.sha256, other.side) and same_place


def state_from_page(value: Any) -> LineEditorState | None:
    """The state that the browser sends; None if there is none, or if it is not complete.

    A component that is not on the page comes back as an empty string. The numbers of lines laid by hand are computed
    again; lines that nobody moved have the measured ones, if any.
    """
    try:
        state = LineEditorState.model_validate(value)
    except ValidationError:
        return None
    numbers = state.centering_numbers if state.by_hand else state.measured.numbers
    return state.model_copy(update={"numbers": numbers})


def required(state: LineEditorState | None) -> LineEditorState:
    """The state. Raises UserError if there is none."""
    if state is None:
        raise UserError(INCOMPLETE_LINES)
    return state


def numbers_of_lines(value: Any) -> CenteringNumbers:
    """The centering of lines that are being dragged in the browser."""
    try:
        return EditedLines.model_validate(value).centering_numbers
    except ValidationError:
        return CenteringNumbers(sentence=f"Not measured: {INCOMPLETE_LINES}.")


def centering_numbers(side: Side, centering: MeasuredCentering | NoCentering) -> CenteringNumbers:
    """A side's centering for display."""
    if isinstance(centering, NoCentering):
        advice = "If the card has a printed frame, drag the lines onto it."
        return CenteringNumbers(sentence=f"Not measured: {centering.reason}. {advice}")
    today, worst = date.today(), float(centering.worse_axis)
    rows = [
        CenteringRow(
            axis=axis.name,
            mm=f"{axis.first_mm:.2f} + {axis.second_mm:.2f}",
            share=axis.ratio_text,
            uncertainty=f"± {axis.uncertainty:.1f}",
            allows=axis.grade_text,
        )
        for axis in axes_of_side(side, centering, today)
    ]
    sentences = [as_sentence(explain(side, worst, today))]
    if abs(centering.tilt_deg) >= MIN_TILT_DEG:
        direction = "clockwise" if centering.tilt_deg > 0 else "counterclockwise"
        sentences.append(f"The print is turned {abs(centering.tilt_deg):.1f}° {direction}.")
    return CenteringNumbers(rows=rows, sentence=" ".join(sentences), worst=worst, is_trusted=centering.is_trusted)
