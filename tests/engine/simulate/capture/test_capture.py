"""Pictures of cards against what was drawn on them: marks found where the quad says, by OpenCV."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.image.read import read_picture
from engine.image.rectify import TRADING
from engine.simulate.capture.camera import flat_view, held_view
from engine.simulate.capture.capture import capture, draw_style
from engine.simulate.capture.slab import Label
from engine.simulate.print.games import Grid
from engine.simulate.wear.paint import outside
from engine.simulate.wear.rim import Rim

GRID = Grid(TRADING, 420)
KINDS = ("scan", "photo", "slab", "sleeve")
# Each mark has a colour of its own: on a dark card nothing else is as bright, and the colour says which it is.
MARKS = {"red": (9.0, 12.0), "green": (54.0, 12.0), "blue": (54.0, 76.0), "yellow": (9.0, 76.0)}
COLOURS = {"red": (255, 30, 30), "green": (30, 255, 30), "blue": (40, 40, 255), "yellow": (240, 240, 30)}


def marked_card() -> np.ndarray:
    face = np.full((GRID.height, GRID.width, 3), 28, np.uint8)
    for name, place in MARKS.items():
        at = np.rint(GRID.to_px(np.array([place]))[0] * 256).astype(int).tolist()
        cv2.circle(face, at, 11 * 256, COLOURS[name], -1, cv2.LINE_AA, 8)
    return face


def seen_marks(rgb: np.ndarray, quad: np.ndarray) -> dict[str, np.ndarray]:
    """Middles of the marks' colours inside the quad, in pixels."""
    inside = np.zeros(rgb.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, np.rint(quad).astype(np.int32), 1)
    inside = cv2.erode(inside, np.ones((9, 9)))
    found = {}
    for name, colour in COLOURS.items():
        # By hue: light may change how bright a mark is, and mix white into it.
        chroma = rgb.astype(float) - rgb.min(axis=2, keepdims=True)
        wanted = np.array(colour, float) - min(colour)
        alike = (chroma @ wanted) / (np.linalg.norm(chroma, axis=2) * np.linalg.norm(wanted) + 1e-6)
        weight = (alike > 0.94) * (chroma.max(axis=2) > 60) * inside
        count, _, sizes, middles = cv2.connectedComponentsWithStats(weight.astype(np.uint8))
        if count > 1:
            best = 1 + int(np.argmax(sizes[1:, cv2.CC_STAT_AREA]))
            found[name] = middles[best]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_marks_on_the_card_are_seen_where_its_quad_says(kind):
    errors, seen = [], 0
    for seed in range(6):
        random = np.random.default_rng([seed, 3])
        # The lens's own bend, which no homography has, is tested apart.
        style = replace(draw_style(random, kind), bend=0.0)
        taken = capture(random, marked_card(), kind, GRID, style=style)
        size_mm = np.array([(0, 0), (63, 0), (63, 88), (0, 88)], np.float32)
        onto = cv2.getPerspectiveTransform(size_mm, taken.quad.astype(np.float32))
        for name, at in seen_marks(taken.rgb, taken.quad).items():
            place = np.array([[MARKS[name]]], np.float32)
            errors.append(np.linalg.norm(cv2.perspectiveTransform(place, onto)[0, 0] - at))
            seen += 1
    assert seen >= 15
    # Glare and shade within a disc, and its middle in perspective, stay below this.
    assert np.median(errors) < 0.1
    assert np.quantile(errors, 0.9) < 0.3


def test_the_quad_of_a_cropped_scan_is_the_picture_s_own_bounds():
    style = next(s for seed in range(200) if (s := draw_style(np.random.default_rng(seed), "scan")).cropped)
    taken = capture(np.random.default_rng(1), marked_card(), "scan", GRID, style=style)
    assert taken.rgb.shape == (GRID.height, GRID.width, 3)
    right, bottom = GRID.width - 0.5, GRID.height - 0.5
    assert taken.quad.tolist() == [[-0.5, -0.5], [right, -0.5], [right, bottom], [-0.5, bottom]]


def test_a_flat_view_keeps_lengths_and_a_held_one_keeps_its_corners_in_the_picture():
    random = np.random.default_rng(2)
    square = np.array([(0.0, 0), (100, 0), (100, 100), (0, 100)])
    flat = flat_view(random, (600, 430), turn_deg=3.0, slack_px=40).project(square)
    assert np.linalg.norm(np.roll(flat, -1, axis=0) - flat, axis=1) == pytest.approx([100] * 4)
    for tilt in (0.0, 20.0, 45.0):
        for turn in (0.0, 90.0, 177.0):
            view = held_view(random, (600, 430), tilt_deg=tilt, turn_deg=turn, share=0.95, bend=0.02)
            corners = view.project(np.array([(-0.5, -0.5), (429.5, -0.5), (429.5, 599.5), (-0.5, 599.5)]))
            assert corners.min() > 0
            assert (corners < np.array([view.width, view.height]) - 1).all()


def test_the_lens_s_map_shows_points_where_their_projection_says():
    random = np.random.default_rng(4)
    view = held_view(random, (500, 360), tilt_deg=25, turn_deg=10, share=0.8, bend=0.03)
    plane = np.zeros((500, 360), np.uint8)
    points = np.array([(30, 40), (320, 60), (300, 450), (60, 430), (180, 250)])
    for x, y in points:
        plane[y - 2 : y + 3, x - 2 : x + 3] = 255
    picture = view.show(plane)
    for at in view.project(points.astype(float)):
        x, y = np.rint(at).astype(int)
        patch = picture[y - 8 : y + 9, x - 8 : x + 9].astype(float)
        rows, columns = np.mgrid[-8:9, -8:9]
        middle = np.array([(patch * columns).sum(), (patch * rows).sum()]) / patch.sum() + (x, y)
        assert middle == pytest.approx(at, abs=0.25)


def test_only_a_slab_shows_the_label_and_never_within_the_card():
    for kind in KINDS:
        pictures = []
        for grade in (1, 10):
            random = np.random.default_rng(9)
            style = draw_style(random, kind)
            label = Label(grade, "Some card", "SOME GAME", "#1")
            pictures.append(capture(random, marked_card(), kind, GRID, label=label, style=style))
        differs = (pictures[0].rgb != pictures[1].rgb).any(axis=2)
        assert differs.any() == (kind == "slab")
        # Beyond the blur, no pixel of the card itself knows its grade.
        card = np.zeros(differs.shape, np.uint8)
        cv2.fillConvexPoly(card, np.rint(pictures[0].quad).astype(np.int32), 1)
        assert not (differs & (card == 1)).any()


def test_a_file_s_orientation_is_undone_by_its_reader(tmp_path):
    seen = set()
    for seed in range(40):
        style = draw_style(np.random.default_rng(seed), "photo")
        if style.orientation in seen:
            continue
        seen.add(style.orientation)
        taken = capture(np.random.default_rng(seed), marked_card(), "photo", GRID, style=style)
        (tmp_path / "a.jpg").write_bytes(taken.jpeg())
        upright = read_picture(tmp_path / "a.jpg")
        assert upright.shape == taken.rgb.shape
        assert cv2.PSNR(upright, taken.rgb) > 25
    assert seen == {1, 3, 6, 8}


def test_beyond_a_rounded_corner_the_ground_shows():
    style = next(
        s
        for seed in range(300)
        if (s := draw_style(np.random.default_rng(seed), "scan")).lid[0] > 220 and not s.cropped
    )
    face = np.full((GRID.height, GRID.width, 3), 20, np.uint8)
    gone = outside(Rim(TRADING, (3.0,) * 4), GRID)
    taken = capture(np.random.default_rng(3), face, "scan", GRID, outside=gone, style=style)
    towards = taken.quad.mean(axis=0) - taken.quad
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    for corner, way in zip(taken.quad, towards, strict=True):
        for mm, bright in ((0.5, True), (2.2, False)):
            x, y = np.rint(corner + way * mm * GRID.px_per_mm).astype(int)
            assert (taken.rgb[y, x] > 150).all() == bright
