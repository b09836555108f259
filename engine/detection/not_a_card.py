"""Things with the outline of a card that are none: an empty holder, a disc, a playing card, a page full of cards.

The networks were trained on cards and tables. Each of these is told by one property: nothing is printed on it, it is
round, it looks the same upside down, or it shows many cards of one size.
"""

from __future__ import annotations

import cv2
import numpy as np

from engine.image.detection import Detection
from engine.image.perspective import quad_geometry
from engine.image.rectify import rectify

EMPTY_HOLDER = "nothing is printed on what was found; put a card in the holder, or photograph the card itself"
SQUARE = "what was found is square, and a card is not; photograph one card with its four corners visible"
DISC = "what was found is round, and a card is not; photograph one card with its four corners visible"
PLAYING_CARD = "this looks like a playing card; only trading cards are graded"
PAGE_OF_CARDS = "more than one card, as on a page or a screen; photograph one card by itself"

# Side in pixels of the square to which what was found is reduced, and the share of its surroundings at each border.
SIDE_PX, MARGIN = 160, 0.125
CARD_START, CARD_SPAN = SIDE_PX * MARGIN, SIDE_PX * (1 - 2 * MARGIN)
# Inside a holder's rims, and there the levels of gray of a blank table, of one with a print seen through plastic, and
# of its details, of which a tenth or a hundredth are stronger. Of 226 real cards, the four barest, white backs, have 10
# to 14 levels and details of at least 13, all others at least 28 levels.
INNER = slice(round(CARD_START + 0.14 * CARD_SPAN), round(CARD_START + 0.86 * CARD_SPAN))
BLANK_LEVELS, TABLE_LEVELS, TABLE_DETAILS = 6.0, 22.0, (8.0, 25.0)
# The widest cards are 0.83 times as wide as high; a square is a coaster, the label of a case, a chip or a disc.
# A doubtful or strongly tilted outline may look like one by mistake.
MAX_ASPECT, MIN_SURE_CONFIDENCE, MAX_SURE_TILT_DEG = 0.9, 0.5, 25.0
# Points on the diagonals, as fractions of the side: beyond a disc, which begins at 0.146, and on it.
BEYOND_DISC, ON_DISC, MIN_ROUND = (0.06, 0.1), (0.22, 0.26), 0.4
# White paper, by lightness relative to the lightest, and chroma; and the correlation with the card turned by 180
# degrees. Of 226 real cards none has more than 0.81 of it.
PAPER_LIGHTNESS, MAX_PAPER_CHROMA, MIN_PAPER, MIN_SYMMETRY = 0.8, 24.0, 0.2, 0.86
PAGE_SIDE_PX, MIN_PAGE_CARDS, MIN_PAGE_AREA, SIZE_TOLERANCE = 720, 6, 0.003, 0.12


def reason_against(rgb: np.ndarray, detection: Detection) -> str:
    """Return why what was found in an (H, W, 3) uint8 picture is no card, as a sentence; empty if it may be one."""
    flat = _with_surroundings(rgb, detection.quad)
    geometry = quad_geometry(detection.quad, rgb.shape[:2])
    if min(geometry.aspect, 1 / geometry.aspect) > MAX_ASPECT:
        if _is_round(flat):
            return DISC
        if detection.confidence > MIN_SURE_CONFIDENCE and geometry.tilt_deg < MAX_SURE_TILT_DEG:
            return SQUARE
    if detection.confidence > 0 and not _has_print(flat):
        return EMPTY_HOLDER
    if _is_playing_card(flat):
        return PLAYING_CARD
    return PAGE_OF_CARDS if detection.confidence < MIN_SURE_CONFIDENCE and shows_page_of_cards(rgb) else ""


def shows_page_of_cards(rgb: np.ndarray) -> bool:
    """Return True if an (H, W, 3) uint8 picture shows many upright rectangles of one size and a card's proportions."""
    scale = min(1.0, PAGE_SIDE_PX / max(rgb.shape[:2]))
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    edges = cv2.dilate(cv2.Canny(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), 40, 120), np.ones((3, 3), np.uint8))
    boxes: list[tuple[float, float, float, float]] = []
    for contour in cv2.findContours(edges, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)[0]:
        x, y, width, height = cv2.boundingRect(contour)
        fills = cv2.contourArea(contour) > 0.9 * width * height > MIN_PAGE_AREA * edges.size
        if not fills or not 0.62 < width / height < 0.8:
            continue
        center = (x + width / 2, y + height / 2)
        if all(abs(center[0] - u) > w / 2 or abs(center[1] - v) > h / 2 for u, v, w, h in boxes):
            boxes.append((*center, width, height))
    heights = np.array([box[3] for box in boxes])
    return any((np.abs(heights / height - 1) < SIZE_TOLERANCE).sum() >= MIN_PAGE_CARDS for height in heights)


def _with_surroundings(rgb: np.ndarray, quad: np.ndarray) -> np.ndarray:
    """Rectify what was found and its surroundings to a square, (SIDE_PX, SIDE_PX, 3) uint8."""
    unit = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    homography = cv2.getPerspectiveTransform(unit, quad.astype(np.float32))
    beyond = MARGIN / (1 - 2 * MARGIN)
    wide = cv2.perspectiveTransform((unit * (1 + 2 * beyond) - beyond)[None], homography)[0]
    return rectify(rgb, wide.astype(np.float64), size=(SIDE_PX, SIDE_PX))


def _has_print(flat: np.ndarray) -> bool:
    """Return True unless the inside is blank, or coarse like a table through plastic."""
    levels = _printed_levels(flat)
    gray = cv2.cvtColor(flat, cv2.COLOR_RGB2GRAY).astype(np.float32)
    details = np.abs(gray - cv2.GaussianBlur(gray, (0, 0), 2.0))[INNER, INNER]
    many, few = np.percentile(details, (90, 99)) >= TABLE_DETAILS
    return bool(levels >= TABLE_LEVELS or (levels >= BLANK_LEVELS and many) or few)


def _printed_levels(flat: np.ndarray) -> float:
    """Return by how many levels the inside differs from an even color under a slope of light, ignoring streaks."""
    inside = cv2.GaussianBlur(flat, (0, 0), 1.0)[INNER, INNER].astype(np.float32)
    y, x = (axis.ravel() for axis in np.mgrid[-1 : 1 : inside.shape[0] * 1j, -1 : 1 : inside.shape[1] * 1j])
    slope = np.column_stack([np.ones_like(x), x, y, x * x, y * y, x * y])
    values = inside.reshape(-1, 3)
    residual = values - slope @ np.linalg.lstsq(slope, values, rcond=None)[0]
    return float(np.percentile(np.abs(residual).max(axis=1), 75))


def _is_round(flat: np.ndarray) -> bool:
    """Return True if the corners of a square show its surroundings, as those around a disc do."""
    lab = cv2.cvtColor(cv2.GaussianBlur(flat, (0, 0), 1.0), cv2.COLOR_RGB2Lab).astype(np.float32)

    def colors(fractions: list[tuple[float, float]]) -> np.ndarray:
        x, y = np.rint(CARD_START + np.array(fractions) * CARD_SPAN).astype(int).clip(0, SIDE_PX - 1).T
        return np.asarray(lab[y, x])

    evidence = []
    for corner in ((0, 0), (1, 0), (1, 1), (0, 1)):
        inward = 1 - 2 * np.array(corner)
        diagonal = [tuple(corner + inward * depth) for depth in (*BEYOND_DISC, *ON_DISC)]
        outside = [tuple(corner + inward * offset) for offset in ((-0.05, -0.05), (-0.05, 0.05), (0.05, -0.05))]
        beyond, inside = np.split(colors(diagonal), 2)
        to_inside = float(np.median(np.linalg.norm(beyond[:, None] - inside, axis=2)))
        to_outside = float(np.median(np.linalg.norm(beyond[:, None] - colors(outside), axis=2).min(axis=1)))
        evidence.append((to_inside - to_outside) / (to_inside + to_outside + 5.0))
    return min(evidence) > MIN_ROUND


def _is_playing_card(flat: np.ndarray) -> bool:
    """Return True for figures on white paper that look the same when the card is turned by 180 degrees."""
    inset = round(CARD_START) + 2
    lab = cv2.cvtColor(cv2.GaussianBlur(flat, (0, 0), 1.5), cv2.COLOR_RGB2Lab)[inset:-inset, inset:-inset]
    light = lab[..., 0].astype(np.float32)
    light /= max(float(np.percentile(light, 95)), 1.0)
    chroma = np.linalg.norm(lab[..., 1:].astype(np.float32) - 128, axis=2)
    is_paper = (light > PAPER_LIGHTNESS) & (chroma < MAX_PAPER_CHROMA)
    print_levels = (light - cv2.GaussianBlur(light, (0, 0), 30)).ravel()
    deviation = float(print_levels.std())
    if is_paper.mean() < MIN_PAPER or deviation == 0:
        return False
    return float(np.corrcoef(print_levels, print_levels[::-1])[0, 1]) > MIN_SYMMETRY
