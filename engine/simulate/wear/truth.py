"""What is known of a simulated card: the lines of truth.jsonl, and reading them back.

Lengths are millimetres and areas square millimetres on the card, measured from the top left corner of the side's own
print (x to the right, y down). Pixels are those of the upright picture, whole numbers at pixel centres.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.cards.rubric import larger_share
from engine.errors import BadInput
from engine.simulate.print.games import Layout

CaptureKind = Literal["scan", "photo", "slab", "sleeve"]
SideName = Literal["front", "back"]
Attribute = Literal["centering", "corners", "edges", "surface"]
DefectKind = Literal[
    "corner_whitening",
    "corner_rounding",
    "corner_fray",
    "corner_bend",
    "edge_whitening",
    "edge_chip",
    "missing_piece",
    "scratch",
    "print_line",
    "dimple",
    "crease",
    "stain",
    "ink",
    "gloss_loss",
    "miscut",
]
CORNERS = ("top left", "top right", "bottom right", "bottom left")
PLACES = 4  # decimals of a millimetre that are written

Point = tuple[float, float]


class BadTruth(BadInput):
    """A truth file that cannot be read; the message names the file, the line and the remedy."""


class Record(BaseModel):
    """A part of the truth: immutable, and nothing in it that is not named here."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Defect(Record):
    """One flaw: what, where and how much."""

    kind: DefectKind
    at_mm: Point
    """Its middle."""
    points_mm: list[Point]
    """Its outline where it has an area (closed, first point not repeated), else the line it follows."""
    length_mm: float = 0.0
    """Along the line, the corner's rim or the edge; 0 for dimples, stains and gloss."""
    width_mm: float = 0.0
    """Across a line; 0 for areas."""
    area_mm2: float = 0.0
    """Of the outline; 0 for lines."""
    depth_mm: float = 0.0
    """How far it reaches in from the card's edge; for rounding, the radius above the norm; 0 for the surface."""
    strength: float = 1.0
    """How visible it is, 0 .. 1: opacity of whitening and ink, contrast of a line or a shade."""
    through: bool = False
    """Goes through the paper: the same defect, mirrored, is on the other side."""
    corner: int | None = None
    """Which corner of this side: 0 top left, 1 top right, 2 bottom right, 3 bottom left."""
    edge: int | None = None
    """Which edge of this side: 0 top, 1 right, 2 bottom, 3 left."""


class Centering(Record):
    """Where the print's frame lies on the card."""

    left_mm: float
    """Border at the middle of that side; negative where the cut runs inside the frame."""
    right_mm: float
    top_mm: float
    bottom_mm: float
    tilt_deg: float
    """Of the print on the card, clockwise as seen on it."""
    frame_mm: list[Point]
    """The frame's four corners, clockwise from its top left."""
    lr: float
    """Left border in percent of left and right, at mid-height."""
    tb: float
    """Top border in percent of top and bottom, at mid-width."""
    worst_lr: float
    """The larger share in percent at the worse end of the frame: what the rubric counts."""
    worst_tb: float

    @property
    def worst(self) -> float:
        """The larger share in percent of the worse axis."""
        return max(self.worst_lr, self.worst_tb)


class CornerTruth(Record):
    """What one corner of one side lost."""

    whitening_mm2: float = 0.0
    rounding_mm: float = 0.0
    """Radius above the norm of the game's corners."""
    fray_mm: float = 0.0
    """Length of the rim that frays."""
    bend_mm: float = 0.0
    """Length of the line the corner was bent along."""


class EdgeTruth(Record):
    """What one edge of one side lost."""

    whitening_mm: float = 0.0
    """Total length."""
    chipping_mm: float = 0.0
    """Total length."""
    missing_mm2: float = 0.0
    """Total area of pieces that are gone."""
    worst_mm: Point | None = None
    """Where it is deepest; None for an edge without a flaw."""


class SurfaceTruth(Record):
    """What one side's surface shows, summed over its defects."""

    scratch_mm: float = 0.0
    print_line_mm: float = 0.0
    dimple_mm2: float = 0.0
    crease_mm: float = 0.0
    stain_mm2: float = 0.0
    ink_mm: float = 0.0
    gloss_loss: float = 0.0
    """Share of the side's area, 0 .. 1."""


class SideWear(Record):
    """A side's centering and flaws, as the grade is told from them."""

    centering: Centering | None
    centering_reason: str = ""
    """Why there is no centering; empty where there is."""
    defects: list[Defect]
    corners: list[CornerTruth]
    """Four, clockwise from the top left."""
    edges: list[EdgeTruth]
    """Four: top, right, bottom, left."""
    surface: SurfaceTruth


class SideTruth(SideWear):
    """One side's wear and the picture that shows it."""

    picture: str
    """File, relative to truth.jsonl."""
    kind: CaptureKind
    quad: list[Point]
    """Pixels: the corners of the card as cut, its sides prolonged through rounded corners, clockwise from the printed
    top left."""
    width_px: int
    """Of the upright picture."""
    height_px: int
    exif_orientation: int
    """What the file says and read_picture undoes, 1 to 8."""
    px_per_mm: float
    """Mean over the card's area."""


class Seeds(Record):
    """All that is needed to draw this card again."""

    seed: int
    index: int
    design: int


class CardTruth(Record):
    """One simulated card: a line of truth.jsonl."""

    card_id: str
    group: str
    grade: int
    """What the worst attribute gives under the rubric of `graded_on`."""
    label: int
    """What the manifest and a slab's label say: the grade, with the grader's noise."""
    graded_on: date
    attributes: dict[Attribute, int]
    """Each attribute's own grade, the worse of both sides."""
    seeds: Seeds
    game: str
    layout: Layout
    width_mm: float
    height_mm: float
    corner_norm_mm: float
    kind: CaptureKind
    front: SideTruth
    back: SideTruth

    def line(self) -> str:
        """The card as a line of truth.jsonl, without its end."""
        return self.model_dump_json()


def read_truth(path: Path) -> list[CardTruth]:
    """Read truth.jsonl; raises BadTruth naming the line that cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadTruth(f"{path}: cannot be read ({error}); give the truth.jsonl that `simulate` wrote") from error
    return [_card(line, path, number) for number, line in enumerate(lines, 1) if line]


def _card(line: str, path: Path, number: int) -> CardTruth:
    try:
        return CardTruth.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the line"
        raise BadTruth(f"{path}:{number}: {where}: {first['msg']}; simulate the folder again") from error


def rounded(value: float) -> float:
    """To the decimals that are written, so that what is in memory is what is read back."""
    return round(float(value), PLACES)


def centering_of(frame_mm: list[Point], width_mm: float, height_mm: float, tilt_deg: float) -> Centering:
    """Centering from the corners of the print's frame, (4, 2) mm clockwise from its top left."""
    (tl_x, tl_y), (tr_x, tr_y), (br_x, br_y), (bl_x, bl_y) = frame_mm
    left, right = (tl_x + bl_x) / 2, width_mm - (tr_x + br_x) / 2
    top, bottom = (tl_y + tr_y) / 2, height_mm - (bl_y + br_y) / 2
    across = (larger_share(tl_x, width_mm - tr_x), larger_share(bl_x, width_mm - br_x))
    down = (larger_share(tl_y, height_mm - bl_y), larger_share(tr_y, height_mm - br_y))
    return Centering(
        left_mm=rounded(left),
        right_mm=rounded(right),
        top_mm=rounded(top),
        bottom_mm=rounded(bottom),
        tilt_deg=rounded(tilt_deg),
        frame_mm=[(rounded(x), rounded(y)) for x, y in frame_mm],
        lr=rounded(100 * max(left, 0) / (max(left, 0) + max(right, 0))),
        tb=rounded(100 * max(top, 0) / (max(top, 0) + max(bottom, 0))),
        worst_lr=rounded(max(across)),
        worst_tb=rounded(max(down)),
    )
