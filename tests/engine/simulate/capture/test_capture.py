"""Captures of cards with colored marks: OpenCV finds the marks at the positions given by the quad."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.image.read import read_picture
from engine.image.rectify import TRADING
from engine.simulate.capture.camera import handheld_view, scanner_view
from engine.simulate.capture.capture import draw_style, take_picture
from engine.simulate.capture.holders import CardFace, no_card
from engine.simulate.capture.scene import CardStatus, Scene, card_scene
from engine.simulate.capture.slab import SlabLabel
from engine.simulate.cards import CAPTURE_KINDS
from engine.simulate.print.games import Grid
from engine.simulate.wear.paint import uncovered_patches
from engine.simulate.wear.rim import CardRim
from engine.simulate.wear.truth import CaptureKind

GRID = Grid(TRADING, 420)
SIZE_MM = np.array([(0, 0), (63, 0), (63, 88), (0, 88)], np.float32)
KINDS = CAPTURE_KINDS
# On a dark card nothing else is as bright as the marks, and each mark is identified by its color.
MARKS = {"red": (9.0, 12.0), "green": (54.0, 12.0), "blue": (54.0, 76.0), "yellow": (9.0, 76.0)}
COLORS = {"red": (255, 30, 30), "green": (30, 255, 30), "blue": (40, 40, 255), "yellow": (240, 240, 30)}


def marked_card() -> np.ndarray:
    face = np.full((GRID.height, GRID.width, 3), 28, np.uint8)
    for name, point_mm in MARKS.items():
        centre = np.rint(GRID.to_px(np.array([point_mm]))[0] * 256).astype(int).tolist()
        cv2.circle(face, centre, 11 * 256, COLORS[name], -1, cv2.LINE_AA, 8)
    return face


def find_marks(rgb: np.ndarray, quad: np.ndarray) -> dict[str, np.ndarray]:
    """Centres of the marks inside the quad, in pixels, by color."""
    inside = np.zeros(rgb.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, np.rint(quad).astype(np.int32), 1)
    inside = cv2.erode(inside, np.ones((9, 9)))
    # By hue: light can change a mark's brightness and mix white into it.
    chroma = rgb.astype(np.float32) - np.minimum(np.minimum(rgb[..., 0], rgb[..., 1]), rgb[..., 2])[..., None]
    strength = np.sqrt(np.einsum("ijk,ijk->ij", chroma, chroma))
    is_colored = np.maximum(np.maximum(chroma[..., 0], chroma[..., 1]), chroma[..., 2]) > 60
    marks = {}
    for name, color in COLORS.items():
        hue = np.array(color, np.float32) - min(color)
        similarity = (chroma @ hue) / (strength * np.linalg.norm(hue) + 1e-6)
        weight = (similarity > 0.94) * is_colored * inside
        count, _, sizes, centres = cv2.connectedComponentsWithStats(weight.astype(np.uint8))
        if count > 1:
            best = 1 + int(np.argmax(sizes[1:, cv2.CC_STAT_AREA]))
            marks[name] = centres[best]
    return marks


@pytest.mark.parametrize("kind", KINDS)
def test_marks_are_at_the_positions_given_by_the_quad(kind):
    errors, count = [], 0
    for seed in range(6):
        random = np.random.default_rng([seed, 3])
        # Lens distortion, which a homography cannot represent, has its own test.
        style = replace(draw_style(random, kind), distortion=0.0)
        picture = take_picture(random, marked_card(), kind, GRID, style=style)
        homography = cv2.getPerspectiveTransform(SIZE_MM, picture.quad.astype(np.float32))
        for name, centre in find_marks(picture.rgb, picture.quad).items():
            point_mm = np.array([[MARKS[name]]], np.float32)
            errors.append(np.linalg.norm(cv2.perspectiveTransform(point_mm, homography)[0, 0] - centre))
            count += 1
    assert count >= 15
    # Tolerance for glare and shade within a disc, and for its centre under perspective.
    assert np.median(errors) < 0.1
    assert np.quantile(errors, 0.9) < 0.3


def test_the_quad_of_a_cropped_scan_is_the_bounds_of_the_picture():
    style = next(s for seed in range(200) if (s := draw_style(np.random.default_rng(seed), "scan")).cropped)
    picture = take_picture(np.random.default_rng(1), marked_card(), "scan", GRID, style=style)
    assert picture.rgb.shape == (GRID.height, GRID.width, 3)
    right, bottom = GRID.width - 0.5, GRID.height - 0.5
    assert picture.quad.tolist() == [[-0.5, -0.5], [right, -0.5], [right, bottom], [-0.5, bottom]]


def test_a_scanner_view_keeps_lengths_and_a_handheld_view_keeps_its_corners_in_the_picture():
    random = np.random.default_rng(2)
    square = np.array([(0.0, 0), (100, 0), (100, 100), (0, 100)])
    flat = scanner_view(random, (600, 430), turn_deg=3.0, slack_px=40).project(square)
    assert np.linalg.norm(np.roll(flat, -1, axis=0) - flat, axis=1) == pytest.approx([100] * 4)
    for tilt in (0.0, 20.0, 45.0):
        for turn in (0.0, 90.0, 177.0):
            view = handheld_view(random, (600, 430), tilt_deg=tilt, turn_deg=turn, fill_fraction=0.95, distortion=0.02)
            corners = view.project(np.array([(-0.5, -0.5), (429.5, -0.5), (429.5, 599.5), (-0.5, 599.5)]))
            assert corners.min() > 0
            assert (corners < np.array([view.width, view.height]) - 1).all()


def test_rendered_points_match_their_projection():
    random = np.random.default_rng(4)
    view = handheld_view(random, (500, 360), tilt_deg=25, turn_deg=10, fill_fraction=0.8, distortion=0.03)
    plane = np.zeros((500, 360), np.uint8)
    points = np.array([(30, 40), (320, 60), (300, 450), (60, 430), (180, 250)])
    for x, y in points:
        plane[y - 2 : y + 3, x - 2 : x + 3] = 255
    picture = view.render(plane)
    for point in view.project(points.astype(float)):
        x, y = np.rint(point).astype(int)
        patch = picture[y - 8 : y + 9, x - 8 : x + 9].astype(float)
        rows, columns = np.mgrid[-8:9, -8:9]
        middle = np.array([(patch * columns).sum(), (patch * rows).sum()]) / patch.sum() + (x, y)
        assert middle == pytest.approx(point, abs=0.25)


def test_only_a_slab_shows_the_label_and_never_within_the_card():
    for kind in KINDS:
        pictures = []
        for grade in (1, 10):
            random = np.random.default_rng(9)
            style = draw_style(random, kind)
            label = SlabLabel(grade, "Some card", "SOME GAME", "#1")
            pictures.append(take_picture(random, marked_card(), kind, GRID, label=label, style=style))
        differs = (pictures[0].rgb != pictures[1].rgb).any(axis=2)
        assert differs.any() == kind.startswith("slab")
        # Apart from blur, no pixel of the card depends on its grade.
        card = np.zeros(differs.shape, np.uint8)
        cv2.fillConvexPoly(card, np.rint(pictures[0].quad).astype(np.int32), 1)
        assert not (differs & (card == 1)).any()


def test_reading_a_file_undoes_its_orientation(tmp_path):
    orientations = set()
    for seed in range(40):
        style = draw_style(np.random.default_rng(seed), "photo")
        if style.orientation in orientations:
            continue
        orientations.add(style.orientation)
        picture = take_picture(np.random.default_rng(seed), marked_card(), "photo", GRID, style=style)
        (tmp_path / "a.jpg").write_bytes(picture.jpeg())
        upright = read_picture(tmp_path / "a.jpg")
        assert upright.shape == picture.rgb.shape
        assert cv2.PSNR(upright, picture.rgb) > 25
    assert orientations == {1, 3, 6, 8}


def test_the_background_is_visible_beyond_a_rounded_corner():
    style = next(
        s
        for seed in range(300)
        if (s := draw_style(np.random.default_rng(seed), "scan")).lid_color[0] > 220 and not s.cropped
    )
    face = np.full((GRID.height, GRID.width, 3), 20, np.uint8)
    uncovered = uncovered_patches(CardRim(TRADING, (3.0,) * 4), GRID)
    picture = take_picture(np.random.default_rng(3), face, "scan", GRID, uncovered=uncovered, style=style)
    directions = picture.quad.mean(axis=0) - picture.quad
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for corner, direction in zip(picture.quad, directions, strict=True):
        for mm, bright in ((0.5, True), (2.2, False)):
            x, y = np.rint(corner + direction * mm * GRID.px_per_mm).astype(int)
            assert (picture.rgb[y, x] > 150).all() == bright


@pytest.mark.parametrize("kind", ["toploader", "one_touch", "semi_rigid", "binder", "slab_sgc"])
def test_a_holder_is_larger_than_its_card_and_without_one_only_its_plastic_is_left(kind):
    face = np.full((GRID.height, GRID.width, 3), (200, 30, 30), np.uint8)
    empty = no_card(GRID)
    pictures = [
        take_picture(np.random.default_rng(6), face, kind, GRID),
        take_picture(np.random.default_rng(6), empty.rgb, kind, GRID, uncovered=empty.uncovered),
    ]
    red = [(picture.rgb[..., 0].astype(int) - picture.rgb[..., 1] > 90).mean() for picture in pictures]
    assert 0.1 < red[0] < 0.85
    assert red[1] < 0.05


def drawn_scene(seed: int, kind: CaptureKind, status: CardStatus) -> Scene:
    cards = [CardFace(marked_card(), (), GRID)] * 5
    return card_scene(np.random.default_rng([seed, 8]), cards, kind, status).scaled(600)


@pytest.mark.parametrize(("kind", "status"), [("photo", "one"), ("toploader", "one"), ("photo", "many")])
def test_each_card_of_a_scene_is_within_its_corners(kind, status):
    errors, seen, cards = [], 0, 0
    for seed in range(3):
        scene = drawn_scene(seed, kind, status)
        assert status == "many" or len(scene.quads) == 1
        for quad in scene.quads:
            if quad.min() < 0 or (quad >= scene.rgb.shape[1::-1]).any():
                continue
            left, top = quad.min(axis=0).astype(int)
            right, bottom = quad.max(axis=0).astype(int) + 1
            marks = find_marks(scene.rgb[top:bottom, left:right], quad - (left, top))
            # A card that others or a hand cover shows fewer marks.
            seen, cards = seen + (len(marks) == 4), cards + 1
            to_mm = cv2.getPerspectiveTransform((quad - (left, top)).astype(np.float32), SIZE_MM)
            for name, centre in marks.items() if len(marks) == 4 else ():
                point_mm = cv2.perspectiveTransform(np.array([[centre]], np.float32), to_mm)[0, 0]
                errors.append(np.linalg.norm(point_mm - MARKS[name]))
    assert seen >= 0.5 * cards >= 1
    assert np.median(errors) < 0.5  # mm


def test_a_cut_off_card_has_a_corner_beyond_the_picture_and_a_picture_without_a_card_has_none():
    for seed in range(2):
        cut = drawn_scene(seed, "scan", "cut")
        quad, (height, width) = cut.quads[0], cut.rgb.shape[:2]
        assert (quad.min() < 0) or (quad[:, 0].max() > width) or (quad[:, 1].max() > height)
        assert len(drawn_scene(seed, "slab", "none").quads) == 0
