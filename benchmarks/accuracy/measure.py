"""Accuracy of the measurements on simulated scans and photos with ground truth, and on cards measured by hand.

Pictures of simulated cards are encoded as JPEG and decoded. Intervals are 90 %, bootstrapped over sides. Wear is
evaluated on scans; centering on scans and photos, with true and with detected corners.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import cv2
import numpy as np
from scipy.stats import spearmanr

from benchmarks.harness import REAL_PICTURES, ROOT, Row, sampled_row
from engine.cards.grades import GRADES
from engine.cards.rubric import overall_ceiling
from engine.cards.wear_limits import measure_grade
from engine.detection.find_card import find_card
from engine.evaluation.metrics import qwk
from engine.image.detection import NoCard, PictureKind
from engine.image.read import read_picture
from engine.image.rectify import CardSize, card_size
from engine.measure.centering.centering import MeasuredCentering, NoCentering, measure_centering
from engine.measure.side.measure_side import SideMeasurements, measure_side, rectify_by_edges
from engine.measure.surface.line_features import NEAR_OFFSET_MM, sample_colors
from engine.measure.surface.surface import SMOOTHING_SIGMA_PX, Surface
from engine.simulate.capture.capture import SimulatedPicture
from engine.simulate.cards import CardSimulator, SimulationConfig
from engine.simulate.wear.truth import CaptureKind, CardTruth, Defect, SideTruth

CARDS = 60
SEED = 20_260
GRADED_ON = date(2025, 6, 1)
HAND_MEASURED = ROOT / "tests" / "engine" / "measure" / "centering" / "hand_measured.json"
MARKED = ROOT / "tests" / "engine" / "detection" / "marked_corners.json"
RASTER_PX_PER_MM = 25
FRAY_BARE_MM = 0.16 / 3
MIN_AREA_MM2 = 0.2
LONG_MM = 5.0
MATCHED_MM = 1.0
VISIBLE_LEVELS, VISIBLE_FRACTION = 4.0, 0.4


@dataclass(frozen=True)
class SimulatedSide:
    """A simulated side: its ground truth and its decoded picture."""

    card: CardTruth
    truth: SideTruth
    rgb: np.ndarray

    @property
    def size(self) -> CardSize:
        """Size of the card."""
        return CardSize(self.card.width_mm, self.card.height_mm, self.card.game)

    @property
    def kind(self) -> PictureKind:
        """Kind of picture, as the detector names it."""
        return "scan" if self.card.kind == "scan" else "photo"

    @property
    def quad(self) -> np.ndarray:
        """True corners, (4, 2) pixels."""
        return np.array(self.truth.quad)


def simulated_sides(kind: CaptureKind, count: int, seed: int) -> Iterator[SimulatedSide]:
    """Fronts and backs of `count` cards of all grades, front first."""
    simulator = CardSimulator(SimulationConfig(seed=seed, mix="uniform", kinds=((kind, 1.0),), graded_on=GRADED_ON))
    for index in range(count):
        card = simulator.card(index)
        for truth, picture in ((card.truth.front, card.front), (card.truth.back, card.back)):
            yield SimulatedSide(card.truth, truth, _through_jpeg(picture))


def _through_jpeg(picture: SimulatedPicture) -> np.ndarray:
    """Encode as JPEG and decode."""
    bgr = cv2.cvtColor(picture.rgb, cv2.COLOR_RGB2BGR)
    encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, picture.quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB))


def measure() -> list[Row]:
    """All rows."""
    rows: list[Row] = []
    scans, photos = list(simulated_sides("scan", CARDS, SEED)), list(simulated_sides("photo", CARDS, SEED + 1))
    measured = [measure_side(side.rgb, side.quad, side.size, side.kind) for side in scans]
    on_scans = [side.centering for side in measured]
    on_photos = [centering_by(side, side.quad) for side in photos]
    rows += centering_rows("simulated scans", scans, on_scans, median=0.3, within=1.0)
    rows += centering_rows("simulated photos", photos, on_photos, median=0.7, within=2.0)
    for name, sides, median, within in (("scans", scans, 0.3, 1.0), ("photos", photos, 0.7, 2.0)):
        detected = [(side, centering_by(side, quad)) for side in sides if (quad := found_quad(side)) is not None]
        rows += centering_rows(
            f"simulated {name}, corners found",
            [side for side, _ in detected],
            [centering for _, centering in detected],
            median=median,
            within=within,
        )
    rows += refusal_rows([*scans, *photos], [*on_scans, *on_photos])
    rows += whitening_rows(scans, measured)
    rows += surface_rows(scans, measured)
    rows.append(rubric_row(scans, measured))
    return rows + hand_measured_rows()


def centering_by(side: SimulatedSide, quad: np.ndarray) -> MeasuredCentering | NoCentering:
    """Measure the centering of a side inside a quad."""
    return measure_centering(*rectify_by_edges(side.rgb, quad, side.size, side.kind))


def found_quad(side: SimulatedSide) -> np.ndarray | None:
    """Detected corners, starting at the true top left; None if no card is found or a corner is off by 2 mm or more."""
    try:
        detected = find_card(side.rgb).quad
    except NoCard:
        return None
    turned = [np.roll(detected, turn, axis=0) for turn in range(4)]
    nearest = min(turned, key=lambda quad: float(np.abs(quad - side.quad).max()))
    return nearest if np.abs(nearest - side.quad).max() < 2 * side.truth.px_per_mm else None


def centering_rows(
    what: str,
    sides: Sequence[SimulatedSide],
    centerings: Sequence[MeasuredCentering | NoCentering],
    *,
    median: float,
    within: float,
) -> list[Row]:
    """Error of the centering on both axes, how often it is small, and the coverage of its stated uncertainty."""
    errors, uncertainties = [], []
    for side, centering in zip(sides, centerings, strict=True):
        truth = side.truth.centering
        if truth is not None and isinstance(centering, MeasuredCentering):
            errors.append((abs(centering.lr - truth.worst_lr), abs(centering.tb - truth.worst_tb)))
            uncertainties.append((centering.lr_uncertainty, centering.tb_uncertainty))
    error, is_covered = np.array(errors), np.array(errors) <= np.array(uncertainties)
    small = error <= within
    return [
        sampled_row(f"{what}: centering, median error", "points", error, np.median, at_most=median),
        sampled_row(f"{what}: centering within {within:g} points", "share of axes", small, np.mean, at_least=0.95),
        sampled_row(f"{what}: stated interval holds", "share of axes", is_covered, np.mean, at_least=0.90),
        sampled_row(f"{what}: stated interval not too wide", "share of axes", is_covered, np.mean, at_most=0.97),
    ]


def refusal_rows(sides: Sequence[SimulatedSide], centerings: Sequence[MeasuredCentering | NoCentering]) -> list[Row]:
    """Rates of refused centerings: borderless designs should be refused, bordered ones measured."""
    refused = np.array([isinstance(centering, NoCentering) for centering in centerings])
    borderless = np.array([side.truth.centering is None for side in sides])
    return [
        sampled_row("borderless designs refused", "share of sides", refused[borderless], np.mean, at_least=0.95),
        sampled_row("bordered designs refused", "share of sides", refused[~borderless], np.mean, at_most=0.05),
    ]


def whitening_rows(sides: Sequence[SimulatedSide], measured: Sequence[SideMeasurements]) -> list[Row]:
    """Measured bare stock at corners and edges against the simulated area, if border and stock are distinguishable."""
    corners, edges, readable = [], [], []
    for side, measurements in zip(sides, measured, strict=True):
        for index in range(4):
            corner = measurements.corners[index].whitening_mm2
            edge = measurements.edges[index].area_mm2
            readable += [corner is not None, edge is not None]
            if corner is not None:
                corners.append((corner, bare_at_corner(side, index)))
            if edge is not None:
                edges.append((edge, bare_at_edge(side, index)))
    rows = [
        sampled_row("scans: corners and edges that can be read", "share", np.array(readable), np.mean, at_least=0.6)
    ]
    for what, pairs in (("corner whitening", np.array(corners)), ("edge whitening and chips", np.array(edges))):
        large = pairs[pairs[:, 1] > MIN_AREA_MM2]
        relative_error = np.abs(large[:, 0] - large[:, 1]) / large[:, 1]
        rows += [
            sampled_row(f"scans: {what}, rank correlation", "true mm2", pairs, rank_correlation, at_least=0.9),
            sampled_row(
                f"scans: {what}, median area error", "true mm2 above 0.2", relative_error, np.median, at_most=0.2
            ),
        ]
    return rows


def bare_at_corner(side: SimulatedSide, corner: int) -> float:
    """Area of bare stock at a corner from whitening and fraying, mm2, without the stock that fraying removed."""
    defects = [d for d in side.truth.defects if d.corner == corner and d.kind in ("corner_whitening", "corner_fray")]
    raster = np.zeros(
        (round(side.card.height_mm * RASTER_PX_PER_MM), round(side.card.width_mm * RASTER_PX_PER_MM)), np.uint8
    )
    for defect in defects:
        cv2.fillPoly(raster, [_raster(np.array(defect.points_mm))], 1)
    for defect in defects:
        if defect.kind == "corner_fray":
            cv2.fillPoly(raster, [_raster(_removed_by_fraying(defect))], 0)
    return float(raster.sum()) / RASTER_PX_PER_MM**2


def _raster(points_mm: np.ndarray) -> np.ndarray:
    return np.rint(points_mm * RASTER_PX_PER_MM).astype(np.int32)


def _removed_by_fraying(fray: Defect) -> np.ndarray:
    """Outline of the missing stock of a frayed strip: all but its innermost .05 mm, which is bare."""
    points = np.array(fray.points_mm)
    half = len(points) // 2
    outer, inner = points[:half], points[half:][::-1]
    depth = np.linalg.norm(inner - outer, axis=1, keepdims=True)
    removed_to = outer + (inner - outer) * np.clip((depth - FRAY_BARE_MM) / np.maximum(depth, 1e-6), 0, 1)
    return np.concatenate([outer, removed_to[::-1]])


def bare_at_edge(side: SimulatedSide, edge: int) -> float:
    """Area of bare stock along an edge, mm2."""
    return sum(d.area_mm2 for d in side.truth.defects if d.edge == edge and d.kind in ("edge_whitening", "edge_chip"))


@dataclass(frozen=True)
class SurfaceMatches:
    """Detected lines of one side, matched to its ground truth.

    long_defects  indices of scratches and creases of 5 mm and more
    visible       those 4 levels paler than both sides along 0.4 of their length, and all creases
    detections    likelihood of each detected line, and the index of its defect or None
    clean         True if there is neither a scratch nor a crease
    """

    long_defects: frozenset[int]
    visible: frozenset[int]
    detections: tuple[tuple[float, int | None], ...]
    clean: bool
    foil: bool

    @property
    def false_positives(self) -> int:
        """Number of detected lines without a defect."""
        return sum(index is None for _, index in self.detections)


def match_surface(side: SimulatedSide, surface: Surface) -> SurfaceMatches:
    """Match the detected lines of a side to its ground truth."""
    defects = side.truth.defects
    lines = [index for index, defect in enumerate(defects) if defect.kind in ("scratch", "crease")]
    long_defects = [index for index in lines if defects[index].length_mm >= LONG_MM]
    flat, _ = rectify_by_edges(side.rgb, side.quad, side.size, side.kind)
    smoothed = cv2.GaussianBlur(flat.rgb, (0, 0), SMOOTHING_SIGMA_PX)

    def is_visible(index: int) -> bool:
        darkest = {
            offset: colors.min(axis=1)
            for offset, colors in sample_colors(
                smoothed, flat.raster_px(np.array(defects[index].points_mm)), flat.px_per_mm
            ).items()
        }
        contrast = darkest[0.0] - np.maximum(darkest[NEAR_OFFSET_MM], darkest[-NEAR_OFFSET_MM])
        return defects[index].kind == "crease" or float((contrast > VISIBLE_LEVELS).mean()) >= VISIBLE_FRACTION

    return SurfaceMatches(
        long_defects=frozenset(long_defects),
        visible=frozenset(index for index in long_defects if is_visible(index)),
        detections=tuple((find.likelihood, match_defect(find.points_mm, defects)) for find in surface.defects),
        clean=not lines,
        foil=side.card.layout == "foil" and side.truth is side.card.front,
    )


def surface_rows(sides: Sequence[SimulatedSide], measured: Sequence[SideMeasurements]) -> list[Row]:
    """Average precision for scratches and creases of 5 mm or more, and false positives on clean sides.

    Detections of other defects, and further pieces of a detected line, are ignored. Foil is reported separately, since
    its pattern hides finer lines.
    """
    matches = [
        match_surface(side, measurements.surface)
        for side, measurements in zip(sides, measured, strict=True)
        if isinstance(measurements.surface, Surface)
    ]
    plain = np.array([side.false_positives for side in matches if side.clean and not side.foil])
    foil = np.array([side.false_positives for side in matches if side.clean and side.foil])
    lines = "scratches and creases, average precision"
    on_plain, on_foil = ([side for side in matches if side.foil == foil] for foil in (False, True))
    return [
        sampled_row(f"scans: {lines}", "all of 5 mm and more", on_plain, average_precision, at_least=0.8),
        sampled_row(f"scans: {lines}, those that show", "5 mm and more", on_plain, precision_on_visible, at_least=0.8),
        sampled_row(f"scans: {lines}, on foil", "all of 5 mm and more", on_foil, average_precision, at_least=0.25),
        sampled_row("scans: false finds on a clean side", "finds", plain, np.mean, at_most=0.2),
        sampled_row("scans: false finds on a clean foil side", "finds", foil, np.mean, at_most=0.2),
    ]


def average_precision(sides: Sequence[SurfaceMatches]) -> float:
    """Average precision over all long defects: area under the precision-recall curve, pooled over sides."""
    return _average_precision([(side.detections, side.long_defects) for side in sides])


def precision_on_visible(sides: Sequence[SurfaceMatches]) -> float:
    """Average precision over the visible defects; detections of invisible ones are ignored."""
    return _average_precision([(side.detections, side.visible) for side in sides])


def _average_precision(
    sides: Sequence[tuple[Sequence[tuple[float, int | None]], frozenset[int]]],
) -> float:
    total, outcomes = 0, list[tuple[float, bool]]()
    for detections, defects in sides:
        total += len(defects)
        matched = set[int]()
        for likelihood, index in sorted(detections, key=lambda entry: -entry[0]):
            if index is None:
                outcomes.append((likelihood, False))
            elif index in defects and index not in matched:
                matched.add(index)
                outcomes.append((likelihood, True))
    if not total or not outcomes:
        return float("nan")
    correct = np.array([is_correct for _, is_correct in sorted(outcomes, key=lambda entry: -entry[0])])
    precision = np.cumsum(correct) / np.arange(1, len(correct) + 1)
    monotone = np.maximum.accumulate(precision[::-1])[::-1]
    return float(monotone[correct].sum() / total)


def match_defect(line_mm: np.ndarray, defects: Sequence[Defect]) -> int | None:
    """Index of the defect within 1 mm of most of a line, (N, 2) mm, scratches and creases first; None without one."""
    points = _resampled(line_mm, 40)
    order = sorted(range(len(defects)), key=lambda index: defects[index].kind not in ("scratch", "crease"))
    for index in order:
        outline = np.array(defects[index].points_mm)
        closed = outline if defects[index].area_mm2 == 0 else np.concatenate([outline, outline[:1]])
        if (distance_to(points, closed) <= MATCHED_MM).mean() > 0.7:
            return index
    return None


def _resampled(line: np.ndarray, count: int) -> np.ndarray:
    position = np.linspace(0, 1, count)
    return np.column_stack([np.interp(position, np.linspace(0, 1, len(line)), line[:, axis]) for axis in (0, 1)])


def distance_to(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Distance of each point, (N, 2), from a polyline, (M, 2); returns (N,)."""
    starts, vectors = line[:-1], np.diff(line, axis=0)
    squared_lengths = np.maximum((vectors * vectors).sum(axis=1), 1e-9)
    fraction = np.clip(((points[:, None] - starts[None]) * vectors[None]).sum(axis=2) / squared_lengths[None], 0, 1)
    feet = starts[None] + fraction[..., None] * vectors[None]
    return np.asarray(np.linalg.norm(points[:, None] - feet, axis=2).min(axis=1))


def rubric_row(sides: Sequence[SimulatedSide], measured: Sequence[SideMeasurements]) -> Row:
    """QWK of the grade that the rubric allows for the worst measurement of both sides, without learning."""
    pairs = []
    for front in range(0, len(sides), 2):
        pairs.append((sides[front].card.grade, rubric_grade(measured[front], measured[front + 1])))
    return sampled_row("scans: QWK of the grade by rubric alone", "true grade", pairs, agreement, at_least=0.8)


def rubric_grade(front: SideMeasurements, back: SideMeasurements) -> int:
    """Best grade that the measured centering, corners, edges and surface allow, by the table of wear limits."""
    worst = [
        side.centering.worse_axis if isinstance(side.centering, MeasuredCentering) else None for side in (front, back)
    ]
    grades = [overall_ceiling(worst[0], worst[1], GRADED_ON) or 10]
    for side in (front, back):
        for corner in side.corners:
            grades += [measure_grade("corners", "whitening_mm2", corner.whitening_mm2 or 0.0)]
            grades += [measure_grade("corners", "rounding_mm", corner.rounding_mm or 0.0)]
        for edge in side.edges:
            grades += [measure_grade("edges", "whitening_mm", edge.whitening_mm or 0.0)]
            grades += [measure_grade("edges", "chipping_mm", edge.chipping_mm or 0.0)]
        if isinstance(side.surface, Surface):
            length = {
                kind: sum(f.length_mm for f in side.surface.defects if f.kind == kind) for kind in ("scratch", "crease")
            }
            grades += [measure_grade("surface", "scratch_mm", length["scratch"])]
            grades += [measure_grade("surface", "crease_mm", length["crease"])]
    return min(grades)


def agreement(pairs: Sequence[tuple[int, int]]) -> float:
    """QWK of pairs of true and predicted grades."""
    table = np.zeros((len(GRADES), len(GRADES)))
    for true, predicted in pairs:
        table[true - 1, predicted - 1] += 1
    value = qwk(table)
    return float("nan") if value is None else value


def hand_measured_rows() -> list[Row]:
    """Centering of real cards with borders measured by hand; no rows if the pictures do not exist."""
    by_hand = json.loads(HAND_MEASURED.read_text(encoding="utf-8"))["cards"]
    marked = json.loads(MARKED.read_text(encoding="utf-8"))
    agrees = []
    for name, borders in by_hand.items():
        path = REAL_PICTURES / name
        if not path.exists():
            continue
        rgb, quad = read_picture(path), np.array(marked[name]["quad"], float)
        size = card_size(quad, picture_size=rgb.shape[:2])
        centering = measure_centering(*rectify_by_edges(rgb, quad, size, marked[name]["kind"]))
        agrees += [
            agrees_with_hand(centering, borders, *axis)
            for axis in (("left", "right"), ("top", "bottom"))
            if axis[0] in borders
        ]
    if not agrees:
        return []
    return [
        sampled_row(
            "real cards: within 2 points of a hand, or refused",
            "share of axes",
            np.array(agrees),
            np.mean,
            at_least=0.9,
        )
    ]


def agrees_with_hand(
    centering: MeasuredCentering | NoCentering, borders: dict[str, float], first: str, second: str
) -> bool:
    """True if an axis was refused, or its centering at mid-side is within 2 points of the one measured by hand."""
    if isinstance(centering, NoCentering):
        return True
    by_hand = borders[first] / (borders[first] + borders[second])
    fraction = centering.left_fraction if first == "left" else centering.top_fraction
    return abs(100 * (fraction - by_hand)) <= 2.0


def rank_correlation(pairs: np.ndarray) -> float:
    """Spearman's rank correlation of pairs, (N, 2)."""
    return float(spearmanr(pairs).statistic)
