"""How true the measurements are: on simulated scans and photos whose truth is known, and on cards measured by hand.

Simulated cards come in pictures as a file holds them, JPEG and all. Intervals are of 90 %, bootstrapped over sides.
Wear that a scan shows is judged on scans; centering on scans and photos, by true corners and by found ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import cv2
import numpy as np

from benchmarks.harness import REAL_PICTURES, ROOT, Row
from engine.cards.grades import GRADES
from engine.cards.rubric import overall_ceiling
from engine.detection.find_card import find_card
from engine.evaluation.metrics import qwk
from engine.image.detection import Kind, NoCard
from engine.image.read import read_picture
from engine.image.rectify import CardSize, card_size
from engine.measure.centering.centering import Centering, NoCentering, measure_centering
from engine.measure.side.measure_side import SideMeasured, lay_by_edges, measure_side
from engine.measure.surface.line_features import BESIDE_MM, sampled
from engine.measure.surface.surface import SOFTEN_PX, Surface
from engine.simulate.capture.capture import Capture
from engine.simulate.cards import Recipe, Studio
from engine.simulate.wear.severity import measure_grade
from engine.simulate.wear.truth import CaptureKind, CardTruth, Defect, SideTruth

CARDS = 60
SEED = 20_260
GRADED_ON = date(2025, 6, 1)
HAND_MEASURED = ROOT / "tests" / "engine" / "measure" / "centering" / "hand_measured.json"
MARKED = ROOT / "tests" / "engine" / "detection" / "marked_corners.json"
RASTER_PX_PER_MM = 25
FRAY_BARE_MM = 0.16 / 3
LEAST_AREA_MM2 = 0.2
LONG_MM = 5.0
MATCHED_MM = 1.0
SHOWS_LEVELS, SHOWS_SHARE = 4.0, 0.4


@dataclass(frozen=True)
class Side:
    """One simulated side: its truth, and its picture as it is read from its file."""

    card: CardTruth
    truth: SideTruth
    rgb: np.ndarray

    @property
    def size(self) -> CardSize:
        """The card's."""
        return CardSize(self.card.width_mm, self.card.height_mm, self.card.game)

    @property
    def kind(self) -> Kind:
        """As the finder names it."""
        return "scan" if self.card.kind == "scan" else "photo"

    @property
    def quad(self) -> np.ndarray:
        """(4, 2) true corners."""
        return np.array(self.truth.quad)


def simulated(kind: CaptureKind, count: int, seed: int) -> Iterator[Side]:
    """Fronts and backs of that many cards of all grades, front first."""
    studio = Studio(Recipe(seed=seed, mix="uniform", kinds=((kind, 1.0),), graded_on=GRADED_ON))
    for index in range(count):
        card = studio.card(index)
        for truth, taken in ((card.truth.front, card.front), (card.truth.back, card.back)):
            yield Side(card.truth, truth, _as_read(taken))


def _as_read(taken: Capture) -> np.ndarray:
    """Through a JPEG file and back, upright."""
    bgr = cv2.cvtColor(taken.rgb, cv2.COLOR_RGB2BGR)
    packed = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, taken.quality])[1]
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR_RGB))


def measure() -> list[Row]:
    """Every row of the table."""
    rows: list[Row] = []
    scans, photos = list(simulated("scan", CARDS, SEED)), list(simulated("photo", CARDS, SEED + 1))
    measured = [measure_side(side.rgb, side.quad, side.size, side.kind) for side in scans]
    on_scans = [side.centering for side in measured]
    on_photos = [centering_by(side, side.quad) for side in photos]
    rows += centering_rows("simulated scans", scans, on_scans, median=0.3, within=1.0)
    rows += centering_rows("simulated photos", photos, on_photos, median=0.7, within=2.0)
    for name, sides, median, within in (("scans", scans, 0.3, 1.0), ("photos", photos, 0.7, 2.0)):
        found = [(side, centering_by(side, quad)) for side in sides if (quad := found_quad(side)) is not None]
        rows += centering_rows(
            f"simulated {name}, corners found",
            [side for side, _ in found],
            [told for _, told in found],
            median=median,
            within=within,
        )
    rows += refusal_rows([*scans, *photos], [*on_scans, *on_photos])
    rows += whitening_rows(scans, measured)
    rows += surface_rows(scans, measured)
    rows.append(rubric_row(scans, measured))
    return rows + hand_rows()


def centering_by(side: Side, quad: np.ndarray) -> Centering | NoCentering:
    """Centering alone, the card being where a quad says."""
    return measure_centering(*lay_by_edges(side.rgb, quad, side.size, side.kind))


def found_quad(side: Side) -> np.ndarray | None:
    """The corners that the finder gives, turned to begin at the true top left; None where it refuses or is far off."""
    try:
        found = find_card(side.rgb).quad
    except NoCard:
        return None
    turned = [np.roll(found, turn, axis=0) for turn in range(4)]
    nearest = min(turned, key=lambda quad: float(np.abs(quad - side.quad).max()))
    return nearest if np.abs(nearest - side.quad).max() < 2 * side.truth.px_per_mm else None


def centering_rows(
    what: str, sides: Sequence[Side], told: Sequence[Centering | NoCentering], *, median: float, within: float
) -> list[Row]:
    """Error of the worse end's share on both axes, how often it is small, and how often the stated interval holds."""
    errors, stated = [], []
    for side, centering in zip(sides, told, strict=True):
        truth = side.truth.centering
        if truth is not None and isinstance(centering, Centering):
            errors.append((abs(centering.lr - truth.worst_lr), abs(centering.tb - truth.worst_tb)))
            stated.append((centering.lr_uncertainty, centering.tb_uncertainty))
    error, holds = np.array(errors), np.array(errors) <= np.array(stated)
    small = error <= within
    return [
        _row(f"{what}: centering, median error", "points", error, np.median, at_most=median),
        _row(f"{what}: centering within {within:g} points", "share of axes", small, np.mean, at_least=0.95),
        _row(f"{what}: stated interval holds", "share of axes", holds, np.mean, at_least=0.90),
        _row(f"{what}: stated interval not too wide", "share of axes", holds, np.mean, at_most=0.97),
    ]


def refusal_rows(sides: Sequence[Side], told: Sequence[Centering | NoCentering]) -> list[Row]:
    """Borderless prints are to be refused, bordered ones measured."""
    refused = np.array([isinstance(centering, NoCentering) for centering in told])
    borderless = np.array([side.truth.centering is None for side in sides])
    return [
        _row("borderless designs refused", "share of sides", refused[borderless], np.mean, at_least=0.95),
        _row("bordered designs refused", "share of sides", refused[~borderless], np.mean, at_most=0.05),
    ]


def whitening_rows(sides: Sequence[Side], measured: Sequence[SideMeasured]) -> list[Row]:
    """Bare stock at corners and edges against what is painted, where border and stock differ enough to be read."""
    corners, edges, readable = [], [], []
    for side, told in zip(sides, measured, strict=True):
        for place in range(4):
            corner = told.corners[place].whitening_mm2 if told.corners else None
            edge = told.edges[place].area_mm2 if told.edges else None
            readable += [corner is not None, edge is not None]
            if corner is not None:
                corners.append((corner, bare_at_corner(side, place)))
            if edge is not None:
                edges.append((edge, bare_at_edge(side, place)))
    rows = [_row("scans: corners and edges that can be read", "share", np.array(readable), np.mean, at_least=0.0)]
    for what, pairs in (("corner whitening", np.array(corners)), ("edge whitening and chips", np.array(edges))):
        shown = pairs[pairs[:, 1] > LEAST_AREA_MM2]
        relative = np.abs(shown[:, 0] - shown[:, 1]) / shown[:, 1]
        rows += [
            _row(f"scans: {what}, rank correlation", "true mm2", pairs, rank_correlation, at_least=0.9),
            _row(f"scans: {what}, median area error", "true mm2 above 0.2", relative, np.median, at_most=0.2),
        ]
    return rows


def bare_at_corner(side: Side, corner: int) -> float:
    """Area of stock laid bare at a corner by whitening and fraying together; what fraying took away is not there."""
    defects = [d for d in side.truth.defects if d.corner == corner and d.kind in ("corner_whitening", "corner_fray")]
    raster = np.zeros(
        (round(side.card.height_mm * RASTER_PX_PER_MM), round(side.card.width_mm * RASTER_PX_PER_MM)), np.uint8
    )
    for defect in defects:
        cv2.fillPoly(raster, [_raster(np.array(defect.points_mm))], 1)
    for defect in defects:
        if defect.kind == "corner_fray":
            cv2.fillPoly(raster, [_raster(_frayed_away(defect))], 0)
    return float(raster.sum()) / RASTER_PX_PER_MM**2


def _raster(points_mm: np.ndarray) -> np.ndarray:
    return np.rint(points_mm * RASTER_PX_PER_MM).astype(np.int32)


def _frayed_away(fray: Defect) -> np.ndarray:
    """The part of a frayed strip that is gone: all but its innermost twentieth of a millimetre, which is bare."""
    points = np.array(fray.points_mm)
    half = len(points) // 2
    outer, inner = points[:half], points[half:][::-1]
    depth = np.linalg.norm(inner - outer, axis=1, keepdims=True)
    gone = outer + (inner - outer) * np.clip((depth - FRAY_BARE_MM) / np.maximum(depth, 1e-6), 0, 1)
    return np.concatenate([outer, gone[::-1]])


def bare_at_edge(side: Side, edge: int) -> float:
    """Area of stock laid bare along an edge."""
    return sum(d.area_mm2 for d in side.truth.defects if d.edge == edge and d.kind in ("edge_whitening", "edge_chip"))


@dataclass(frozen=True)
class Judged:
    """One side's finds against its truth.

    wanted  defects that are to be found: scratches and creases of 5 mm and more
    shown   those of them that show: paler than both of their sides by 4 levels along 0.4 of their length, or folded
    found   likelihood of each find, and the defect it lies on, None where there is none
    clean   there is neither a scratch nor a crease
    """

    wanted: frozenset[int]
    shown: frozenset[int]
    found: tuple[tuple[float, int | None], ...]
    clean: bool
    foil: bool

    @property
    def false(self) -> int:
        """How many finds lie on no defect."""
        return sum(index is None for _, index in self.found)


def judged(side: Side, surface: Surface) -> Judged:
    """Match a side's finds to its truth."""
    defects = side.truth.defects
    lines = [index for index, defect in enumerate(defects) if defect.kind in ("scratch", "crease")]
    wanted = [index for index in lines if defects[index].length_mm >= LONG_MM]
    flat, _ = lay_by_edges(side.rgb, side.quad, side.size, side.kind)
    soft = cv2.GaussianBlur(flat.rgb, (0, 0), SOFTEN_PX)

    def shows(index: int) -> bool:
        darkest = {
            place: colours.min(axis=1)
            for place, colours in sampled(soft, flat.px(np.array(defects[index].points_mm)), flat.px_per_mm).items()
        }
        stands = darkest[0.0] - np.maximum(darkest[BESIDE_MM], darkest[-BESIDE_MM])
        return defects[index].kind == "crease" or float((stands > SHOWS_LEVELS).mean()) >= SHOWS_SHARE

    return Judged(
        wanted=frozenset(wanted),
        shown=frozenset(index for index in wanted if shows(index)),
        found=tuple((find.likelihood, matching(find.points_mm, defects)) for find in surface.finds),
        clean=not lines,
        foil=side.card.layout == "foil" and side.truth is side.card.front,
    )


def surface_rows(sides: Sequence[Side], measured: Sequence[SideMeasured]) -> list[Row]:
    """Scratches and creases of 5 mm or more; other marks count neither way, nor do further pieces of one found.

    Foil is told apart: its pattern hides what is finer than it.
    """
    every = [
        judged(side, told.surface)
        for side, told in zip(sides, measured, strict=True)
        if isinstance(told.surface, Surface)
    ]
    plain = np.array([side.false for side in every if side.clean and not side.foil])
    foil = np.array([side.false for side in every if side.clean and side.foil])
    lines = "scratches and creases, average precision"
    on_plain, on_foil = ([side for side in every if side.foil == foil] for foil in (False, True))
    return [
        _row(f"scans: {lines}", "all of 5 mm and more", on_plain, average_precision, at_least=0.8),
        _row(f"scans: {lines}, those that show", "5 mm and more", on_plain, precision_on_shown, at_least=0.8),
        _row(f"scans: {lines}, on foil", "all of 5 mm and more", on_foil, average_precision, at_least=0.0),
        _row("scans: false finds on a clean side", "finds", plain, np.mean, at_most=0.2),
        _row("scans: false finds on a clean foil side", "finds", foil, np.mean, at_most=0.2),
    ]


def average_precision(sides: Sequence[Judged]) -> float:
    """Over all that are wanted: area under precision over recall, finds ordered by likelihood over all sides."""
    return _average_precision([(side.found, side.wanted) for side in sides])


def precision_on_shown(sides: Sequence[Judged]) -> float:
    """The same over those that show; finding one that does not counts neither way."""
    return _average_precision([(side.found, side.shown) for side in sides])


def _average_precision(
    sides: Sequence[tuple[Sequence[tuple[float, int | None]], frozenset[int]]],
) -> float:
    total, outcomes = 0, list[tuple[float, bool]]()
    for found, wanted in sides:
        total += len(wanted)
        taken = set[int]()
        for likelihood, index in sorted(found, key=lambda entry: -entry[0]):
            if index is None:
                outcomes.append((likelihood, False))
            elif index in wanted and index not in taken:
                taken.add(index)
                outcomes.append((likelihood, True))
    if not total or not outcomes:
        return float("nan")
    right = np.array([true for _, true in sorted(outcomes, key=lambda entry: -entry[0])])
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    monotone = np.maximum.accumulate(precision[::-1])[::-1]
    return float(monotone[right].sum() / total)


def matching(line_mm: np.ndarray, defects: Sequence[Defect]) -> int | None:
    """The defect that most of a line, (N, 2) mm, lies within a millimetre of, scratches and creases first."""
    points = _resampled(line_mm, 40)
    order = sorted(range(len(defects)), key=lambda index: defects[index].kind not in ("scratch", "crease"))
    for index in order:
        outline = np.array(defects[index].points_mm)
        closed = outline if defects[index].area_mm2 == 0 else np.concatenate([outline, outline[:1]])
        if (distance_to(points, closed) <= MATCHED_MM).mean() > 0.7:
            return index
    return None


def _resampled(line: np.ndarray, count: int) -> np.ndarray:
    at = np.linspace(0, 1, count)
    return np.column_stack([np.interp(at, np.linspace(0, 1, len(line)), line[:, axis]) for axis in (0, 1)])


def distance_to(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """(N,) distance of each point from a polyline."""
    starts, ways = line[:-1], np.diff(line, axis=0)
    sizes = np.maximum((ways * ways).sum(axis=1), 1e-9)
    share = np.clip(((points[:, None] - starts[None]) * ways[None]).sum(axis=2) / sizes[None], 0, 1)
    feet = starts[None] + share[..., None] * ways[None]
    return np.asarray(np.linalg.norm(points[:, None] - feet, axis=2).min(axis=1))


def rubric_row(sides: Sequence[Side], measured: Sequence[SideMeasured]) -> Row:
    """The grade by the rubric alone, no learning: what the worst measurement of both sides allows."""
    pairs = []
    for front in range(0, len(sides), 2):
        pairs.append((sides[front].card.grade, rubric_grade(measured[front], measured[front + 1])))
    return _row("scans: QWK of the grade by rubric alone", "true grade", pairs, agreement, at_least=0.0)


def rubric_grade(front: SideMeasured, back: SideMeasured) -> int:
    """The best grade that the measured centering, corners, edges and surface allow, by the simulator's severities."""
    worst = [side.centering.worst if isinstance(side.centering, Centering) else None for side in (front, back)]
    grades = [overall_ceiling(worst[0], worst[1], GRADED_ON) or 10]
    for side in (front, back):
        for corner in side.corners or []:
            grades += [measure_grade("corners", "whitening_mm2", corner.whitening_mm2 or 0.0)]
            grades += [measure_grade("corners", "rounding_mm", corner.rounding_mm or 0.0)]
        for edge in side.edges or []:
            grades += [measure_grade("edges", "whitening_mm", edge.whitening_mm or 0.0)]
            grades += [measure_grade("edges", "chipping_mm", edge.chipping_mm or 0.0)]
        if isinstance(side.surface, Surface):
            length = {
                kind: sum(f.length_mm for f in side.surface.finds if f.kind == kind) for kind in ("scratch", "crease")
            }
            grades += [measure_grade("surface", "scratch_mm", length["scratch"])]
            grades += [measure_grade("surface", "crease_mm", length["crease"])]
    return min(grades)


def agreement(pairs: Sequence[tuple[int, int]]) -> float:
    """QWK of pairs of true and told grades."""
    table = np.zeros((len(GRADES), len(GRADES)))
    for true, told in pairs:
        table[true - 1, told - 1] += 1
    reached = qwk(table)
    return float("nan") if reached is None else reached


def hand_rows() -> list[Row]:
    """Real cards whose borders were measured by eye; no rows where the pictures are not at hand."""
    by_hand = json.loads(HAND_MEASURED.read_text(encoding="utf-8"))["cards"]
    marked = json.loads(MARKED.read_text(encoding="utf-8"))
    right = []
    for name, borders in by_hand.items():
        path = REAL_PICTURES / name
        if not path.exists():
            continue
        rgb, quad = read_picture(path), np.array(marked[name]["quad"], float)
        size = card_size(quad, picture_size=rgb.shape[:2])
        told = measure_centering(*lay_by_edges(rgb, quad, size, marked[name]["kind"]))
        right += [
            hand_agrees(told, borders, *axis) for axis in (("left", "right"), ("top", "bottom")) if axis[0] in borders
        ]
    if not right:
        return []
    return [
        _row(
            "real cards: within 2 points of a hand, or refused", "share of axes", np.array(right), np.mean, at_least=0.9
        )
    ]


def hand_agrees(told: Centering | NoCentering, borders: dict[str, float], first: str, second: str) -> bool:
    """Whether an axis was refused, or its share at mid-side is within 2 points of the one measured by eye."""
    if isinstance(told, NoCentering):
        return True
    by_hand = borders[first] / (borders[first] + borders[second])
    share = told.left_share if first == "left" else told.top_share
    return abs(100 * (share - by_hand)) <= 2.0


def rank_correlation(pairs: np.ndarray) -> float:
    """Spearman's, ties sharing their mean rank."""
    return float(np.corrcoef(_ranks(pairs[:, 0]), _ranks(pairs[:, 1]))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    return np.asarray((ends - (count - 1) / 2)[place])


def _row(
    what: str,
    versus: str,
    sample: Sequence | np.ndarray,
    statistic: Callable,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Row:
    """A row with the 90 % interval of its statistic, told beside what it is measured against."""
    random = np.random.default_rng(0)
    count = len(sample)
    draws = []
    for _ in range(200 if count else 0):
        chosen = random.integers(0, count, count)
        drawn = sample[chosen] if isinstance(sample, np.ndarray) else [sample[index] for index in chosen]
        draws.append(float(statistic(drawn)))
    low, high = np.nanpercentile(draws, (5, 95)) if draws else (np.nan, np.nan)
    value = float(statistic(sample)) if count else float("nan")
    return Row(what, f"{versus} ({low:.3f} to {high:.3f})", value, count, at_least=at_least, at_most=at_most)
