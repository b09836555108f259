"""Ground truth of a simulated card: the lines of truth.jsonl, and reading them.

Lengths are in millimeters and areas in square millimeters on the card, points relative to the top left corner of the
side as printed (x to the right, y down). Pixel coordinates refer to the upright picture, integers at pixel centres.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.cards.rubric import larger_border_percent
from engine.errors import BadInput
from engine.simulate.print.games import Layout

CaptureKind = Literal[
    "scan",
    "photo",
    "slab",
    "sleeve",
    "toploader",
    "one_touch",
    "semi_rigid",
    "binder",
    "slab_bgs",
    "slab_cgc",
    "slab_sgc",
]
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
DECIMALS = 4  # decimals of a millimeter that are stored

Point = tuple[float, float]


class BadTruth(BadInput):
    """An unreadable truth.jsonl; the message names the file, the line and the remedy."""


class TruthRecord(BaseModel):
    """Base of the ground-truth models: immutable, unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Defect(TruthRecord):
    """One flaw: kind, position and extent."""

    kind: DefectKind
    at_mm: Point
    """Centre of the flaw."""
    points_mm: list[Point]
    """Outline of a flaw with an area (closed, first point not repeated), else the line it follows."""
    length_mm: float = 0.0
    """Length along the line, the corner's rim or the edge; 0 for dimples, stains and gloss."""
    width_mm: float = 0.0
    """Width of a line; 0 for areas."""
    area_mm2: float = 0.0
    """Area of the outline; 0 for lines."""
    depth_mm: float = 0.0
    """Reach from the card's edge inwards; for rounding, the radius above the nominal one; 0 for the surface."""
    strength: float = 1.0
    """Visibility, 0 .. 1: opacity of whitening and ink, contrast of a line or a shade."""
    through: bool = False
    """True if the flaw goes through the paper: the other side has the same defect, mirrored."""
    corner: int | None = None
    """Corner of this side: 0 top left, 1 top right, 2 bottom right, 3 bottom left."""
    edge: int | None = None
    """Edge of this side: 0 top, 1 right, 2 bottom, 3 left."""


class CenteringTruth(TruthRecord):
    """Position of the print's frame on the card."""

    left_mm: float
    """Border at the middle of that side; negative if the cut runs inside the frame."""
    right_mm: float
    top_mm: float
    bottom_mm: float
    tilt_deg: float
    """Rotation of the print on the card, clockwise."""
    frame_mm: list[Point]
    """Four corners of the frame, clockwise from its top left."""
    lr: float
    """Left border in percent of left and right, at mid-height."""
    tb: float
    """Top border in percent of top and bottom, at mid-width."""
    worst_lr: float
    """Larger border in percent of left and right, at the worse end of the frame: the figure the rubric uses."""
    worst_tb: float

    @property
    def worst(self) -> float:
        """Larger border in percent of both, on the worse axis."""
        return max(self.worst_lr, self.worst_tb)


class CornerTruth(TruthRecord):
    """Wear of one corner of one side."""

    whitening_mm2: float = 0.0
    rounding_mm: float = 0.0
    """Radius above the nominal radius of the game's corners."""
    fray_mm: float = 0.0
    """Length of the frayed rim."""
    bend_mm: float = 0.0
    """Length of the fold line."""


class EdgeTruth(TruthRecord):
    """Wear of one edge of one side."""

    whitening_mm: float = 0.0
    """Total length."""
    chipping_mm: float = 0.0
    """Total length."""
    missing_mm2: float = 0.0
    """Total area of missing pieces."""
    worst_mm: Point | None = None
    """Position of the deepest flaw; None for an edge without a flaw."""


class SurfaceTruth(TruthRecord):
    """Surface wear of one side, summed over its defects."""

    scratch_mm: float = 0.0
    print_line_mm: float = 0.0
    dimple_mm2: float = 0.0
    crease_mm: float = 0.0
    stain_mm2: float = 0.0
    ink_mm: float = 0.0
    gloss_loss: float = 0.0
    """Fraction of the side's area, 0 .. 1."""


class SideWear(TruthRecord):
    """Centering and flaws of a side: everything the grade is computed from."""

    centering: CenteringTruth | None
    centering_reason: str = ""
    """Reason for a missing centering; empty if there is a centering."""
    defects: list[Defect]
    corners: list[CornerTruth]
    """Four, clockwise from the top left."""
    edges: list[EdgeTruth]
    """Four: top, right, bottom, left."""
    surface: SurfaceTruth


class SideTruth(SideWear):
    """Wear of one side, and the picture of that side."""

    picture: str
    """Path relative to truth.jsonl."""
    kind: CaptureKind
    quad: list[Point]
    """Corners of the card in pixels, clockwise from the printed top left: intersections of its four sides, outside
    rounded corners."""
    width_px: int
    """Width of the upright picture."""
    height_px: int
    exif_orientation: int
    """EXIF orientation of the file, 1 to 8; read_picture undoes it."""
    px_per_mm: float
    """Mean resolution over the card's area."""


class Seeds(TruthRecord):
    """Seed and indices that reproduce this card."""

    seed: int
    index: int
    design: int


class CardTruth(TruthRecord):
    """Ground truth of one simulated card: a line of truth.jsonl."""

    card_id: str
    group: str
    grade: int
    """Grade of the worst attribute under the rubric of `graded_on`."""
    label: int
    """Label in the manifest and on the slab: the grade with the grader's noise."""
    graded_on: date
    attributes: dict[Attribute, int]
    """Grade of each attribute, the worse of both sides."""
    seeds: Seeds
    game: str
    layout: Layout
    width_mm: float
    height_mm: float
    corner_norm_mm: float
    kind: CaptureKind
    front: SideTruth
    back: SideTruth

    def to_json_line(self) -> str:
        """The card as a line of truth.jsonl, without the newline."""
        return self.model_dump_json()


def read_truth(path: Path) -> list[CardTruth]:
    """Read truth.jsonl. Raises BadTruth, which names the line, if it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadTruth(f"{path}: cannot be read ({error}); give the truth.jsonl that `simulate` wrote") from error
    return [_parse_card(line, path, number) for number, line in enumerate(lines, 1) if line]


def _parse_card(line: str, path: Path, number: int) -> CardTruth:
    try:
        return CardTruth.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        location = ".".join(map(str, first["loc"])) or "the line"
        raise BadTruth(f"{path}:{number}: {location}: {first['msg']}; simulate the folder again") from error


def rounded(value: float) -> float:
    """Round to the stored number of decimals, so that values in memory equal those read back."""
    return round(float(value), DECIMALS)


def centering_from_frame(frame_mm: list[Point], width_mm: float, height_mm: float, tilt_deg: float) -> CenteringTruth:
    """Centering from the corners of the print's frame, (4, 2) mm, clockwise from its top left."""
    (tl_x, tl_y), (tr_x, tr_y), (br_x, br_y), (bl_x, bl_y) = frame_mm
    left, right = (tl_x + bl_x) / 2, width_mm - (tr_x + br_x) / 2
    top, bottom = (tl_y + tr_y) / 2, height_mm - (bl_y + br_y) / 2
    across = (larger_border_percent(tl_x, width_mm - tr_x), larger_border_percent(bl_x, width_mm - br_x))
    down = (larger_border_percent(tl_y, height_mm - bl_y), larger_border_percent(tr_y, height_mm - br_y))
    return CenteringTruth(
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
