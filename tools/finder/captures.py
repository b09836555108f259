"""Simulated captures with exact corners: photos, scans, slabs, and pictures that must be refused.

Every object is drawn flat in mm and projected by one camera, so the ground truth is the camera's projection.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
from numpy.random import Generator

from tools.finder.capture_art import (
    artwork,
    background,
    card_face,
    color_noise,
    draw_shape,
    draw_text,
    random_color,
    scanner_lid,
    similar_color,
)

FinderCaptureKind = Literal["photo", "scan", "slab"]
CardStatus = Literal["one", "none", "many", "cut"]
SUPERSAMPLING = 2
CARD_SIZES_MM = ((63.0, 88.0), (63.5, 88.9), (59.0, 86.0))
UNUSUAL_SIZES_MM = ((36.5, 66.7), (52.4, 63.5), (54.0, 79.4), (60.3, 73.0), (66.7, 95.3), (50.0, 60.0), (38.0, 67.0))
MIN_OVERHANG = 0.025


@dataclass
class Capture:
    """Simulated picture and its ground truth.

    rgb     (H, W, 3) uint8
    quads   (4, 2) float64 corners of each card, clockwise from the printed top left; pixel centers are whole numbers
    upward  True if the print shows which way is up
    """

    rgb: np.ndarray
    kind: FinderCaptureKind
    status: CardStatus
    quads: list[np.ndarray] = field(default_factory=list)
    upward: bool = False


@dataclass(frozen=True)
class Camera:
    """Homography (3, 3) from mm on the table to pixels of the picture, and the picture's size."""

    homography: np.ndarray
    height: int
    width: int

    def project(self, points_mm: np.ndarray) -> np.ndarray:
        """Project (N, 2) mm to (N, 2) pixels."""
        points_px = np.column_stack([points_mm, np.ones(len(points_mm))]) @ self.homography.T
        return points_px[:, :2] / points_px[:, 2:]

    def scale(self) -> float:
        """Return the pixels per mm near the origin."""
        cross = self.project(np.array([(0.0, 0.0), (10, 0), (0, 10)]))
        across, down = cross[1] - cross[0], cross[2] - cross[0]
        return float(np.sqrt(abs(across[0] * down[1] - across[1] * down[0]))) / 10


def rectangle_mm(width: float, height: float, center: tuple[float, float] = (0, 0), turn_deg: float = 0) -> np.ndarray:
    """Return the corners of a rectangle, (4, 2) mm, centered at a point of the table and rotated clockwise."""
    corners = np.array([(-width, -height), (width, -height), (width, height), (-width, height)]) / 2
    cos, sin = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    return corners @ np.array([(cos, sin), (-sin, cos)]) + np.array(center)


def random_camera(
    random: Generator, height: int, width: int, *, reach_px: float, extent_mm: float, tilt_deg: float, turn_deg: float
) -> Camera:
    """Draw a pinhole camera that shows `extent_mm` of the table as about `reach_px`, tilted in a random direction."""
    focal = max(height, width) * random.uniform(0.8, 2.5)
    towards = random.uniform(0, 2 * np.pi)
    axis = np.radians(tilt_deg) * np.array([np.cos(towards), np.sin(towards), 0.0])
    turn = cv2.Rodrigues(np.array([0, 0, np.radians(turn_deg)]))[0]
    rotation = cv2.Rodrigues(axis)[0] @ turn
    slack = np.array([width, height]) - reach_px
    middle = np.array([width - 1, height - 1]) / 2 + random.uniform(-0.5, 0.5, 2) * np.maximum(slack, 0) * 0.9
    distance = focal * extent_mm / reach_px
    principal = np.array([(width - 1) / 2, (height - 1) / 2])
    translation = np.array([*((middle - principal) / focal * distance), distance])
    intrinsics = np.array([(focal, 0, principal[0]), (0, focal, principal[1]), (0, 0, 1.0)])
    return Camera(intrinsics @ np.column_stack([rotation[:, 0], rotation[:, 1], translation]), height, width)


def paste(
    picture: np.ndarray, camera: Camera, face: np.ndarray, corners_mm: np.ndarray, opacity: np.ndarray | float = 1.0
) -> np.ndarray:
    """Draw a flat face onto the supersampled picture, in place; returns its alpha mask, (H, W) float32."""
    height, width = face.shape[:2]
    source = np.array([(0, 0), (width, 0), (width, height), (0, height)]) - 0.5
    target = (camera.project(corners_mm) + 0.5) * SUPERSAMPLING - 0.5
    homography = cv2.getPerspectiveTransform(source.astype(np.float32), target.astype(np.float32))
    size = (picture.shape[1], picture.shape[0])
    alpha = np.broadcast_to(np.asarray(opacity, np.float32), (height, width))
    # One transparent pixel around the face antialiases its edge.
    shift = np.array([(1, 0, -1), (0, 1, -1), (0, 0, 1.0)])
    mask = cv2.warpPerspective(np.pad(alpha, 1), homography @ shift, size, flags=cv2.INTER_LINEAR)
    warped = cv2.warpPerspective(face, homography, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    if len(rows):
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        picture[box] += mask[box][..., None] * (warped[box].astype(np.float32) - picture[box])
    return mask


def rounded_mask(height: int, width: int, radius: float) -> np.ndarray:
    """Return a (height, width) float32 mask of a rectangle with rounded corners."""
    radius = min(radius, min(height, width) / 2)
    y = np.maximum(np.abs(np.arange(height) - (height - 1) / 2) - (height / 2 - radius), 0)
    x = np.maximum(np.abs(np.arange(width) - (width - 1) / 2) - (width / 2 - radius), 0)
    return (
        np.clip(radius + 0.5 - np.hypot(y[:, None], x), 0, 1).astype(np.float32)
        if radius > 0.5
        else np.ones((height, width), np.float32)
    )


class Scene:
    """Picture under construction: the background first, then the objects on it from bottom to top."""

    def __init__(
        self,
        random: Generator,
        camera: Camera,
        sources: list[np.ndarray],
        faces: list[np.ndarray],
        background_color: np.ndarray | None,
        *,
        scanned: bool = False,
    ) -> None:
        self.random = random
        self.scanned = scanned
        self.camera = camera
        self.sources = sources
        self.faces = faces
        self.quads: list[np.ndarray] = []
        self.upward = False
        self.smear_quad: np.ndarray | None = None
        size = (camera.height, camera.width)
        base = (
            scanner_lid(random, *size, background_color)
            if scanned
            else background(random, sources, *size, background_color)
        )
        size = (camera.width * SUPERSAMPLING, camera.height * SUPERSAMPLING)
        self.picture = cv2.resize(base, size, interpolation=cv2.INTER_LINEAR).astype(np.float32)
        self.density = float(np.clip(camera.scale() * 1.3, 0.3, 24))

    def face_size(self, width_mm: float, height_mm: float) -> tuple[int, int]:
        """Return the height and width in pixels of a face at about the picture's resolution."""
        return max(8, round(height_mm * self.density)), max(8, round(width_mm * self.density))

    def draw_shadow(self, corners_mm: np.ndarray) -> None:
        """Darken the surroundings of an object before it is drawn."""
        if self.random.random() < 0.4:
            return
        target = (self.camera.project(corners_mm) + 0.5) * SUPERSAMPLING
        target = target + self.random.normal(0, 0.02, 2) * np.ptp(target, axis=0).max()
        mask = np.zeros(self.picture.shape[:2], np.uint8)
        cv2.fillConvexPoly(mask, target.astype(np.int32), 255)
        spread = 0.5 + self.random.uniform(0.0, 0.03) * np.ptp(target, axis=0).max()
        soft = cv2.blur(cv2.blur(mask, (int(spread) * 2 + 1,) * 2), (int(spread) * 2 + 1,) * 2)
        self.picture *= 1 - soft[..., None].astype(np.float32) * (self.random.uniform(0.1, 0.6) / 255)

    def draw_card(self, corners_mm: np.ndarray, width_mm: float, height_mm: float, edge: np.ndarray | None) -> None:
        """Draw a card and record its corners."""
        height, width = self.face_size(width_mm, height_mm)
        if self.faces and self.random.random() < 0.45:
            face = cv2.resize(self.faces[self.random.integers(len(self.faces))], (width, height), interpolation=3)
            self.upward = True
        else:
            face = card_face(self.random, self.sources, height, width, edge)
            self.upward = False
        if self.random.random() < 0.25:
            face = whiten_edges(self.random, face)
        radius = self.random.choice([0.0, 0.6, 3.0, 3.2]) * self.density
        paste(self.picture, self.camera, face, corners_mm, rounded_mask(height, width, radius))
        self.quads.append(self.camera.project(corners_mm))

    def draw_pane(
        self, corners_mm: np.ndarray, width_mm: float, height_mm: float, opacity: float, radius_mm: float
    ) -> None:
        """Draw a clear plastic sheet: haze over the objects below, with brighter and darker rims."""
        height, width = self.face_size(width_mm, height_mm)
        tint = similar_color(self.random, np.full(3, 205, np.uint8), 40)
        face = np.full((height, width, 3), tint, np.uint8)
        alpha = np.full((height, width), opacity, np.float32)
        for _ in range(self.random.integers(0, 4)):
            inset = int(self.random.uniform(0, 3.5) * self.density)
            rim = max(1, int(self.random.uniform(0.2, 1.2) * self.density))
            ring = np.zeros((height, width), np.uint8)
            cv2.rectangle(ring, (inset, inset), (width - 1 - inset, height - 1 - inset), 255, rim, cv2.LINE_AA)
            face[ring > 0] = self.random.integers(0, 256) if self.random.random() < 0.5 else 240
            alpha = np.maximum(alpha, ring * np.float32(self.random.uniform(0.1, 0.7) / 255))
        alpha *= rounded_mask(height, width, radius_mm * self.density)
        paste(self.picture, self.camera, face, corners_mm, alpha)

    def draw_clutter(self, count: int) -> None:
        """Draw objects other than cards anywhere on the table."""
        height, width = self.picture.shape[:2]
        for _ in range(count):
            layer = self.picture.astype(np.uint8)
            draw_shape(self.random, layer)
            self.picture = layer.astype(np.float32)
        if count and self.random.random() < 0.3:
            box = (int(self.random.uniform(0, width)), int(self.random.uniform(0, height)), width // 2, height // 8)
            layer = self.picture.astype(np.uint8)
            draw_text(self.random, layer, box, int(self.random.integers(1, 4)))
            self.picture = layer.astype(np.float32)

    def draw_fingers(self, quad: np.ndarray) -> None:
        """Draw one to three fingers from outside over a corner or a side of the quad."""
        random = self.random
        corners = (quad + 0.5) * SUPERSAMPLING
        size = float(np.linalg.norm(corners[2] - corners[0]))
        index = random.integers(4)
        along = random.choice([0.0, random.uniform(0, 1)])
        tip = corners[index] * (1 - along) + corners[(index + 1) % 4] * along
        tip = tip + (corners.mean(axis=0) - tip) * random.uniform(0.02, 0.22)
        away = tip - corners.mean(axis=0)
        away = away / (np.linalg.norm(away) + 1e-6)
        skin = np.array([random.uniform(140, 240), random.uniform(100, 190), random.uniform(70, 160)])
        for _ in range(random.integers(1, 4)):
            start = tip + random.normal(0, 0.06, 2) * size
            bend = random.normal(0, 0.3, 2)
            end = start + (away + bend) * size
            layer = self.picture.copy()
            thick = int(size * random.uniform(0.05, 0.13)) + 1
            tone = skin * random.uniform(0.8, 1.15)
            cv2.line(layer, start.astype(int).tolist(), end.astype(int).tolist(), tone.tolist(), thick, cv2.LINE_AA)
            cv2.circle(layer, start.astype(int).tolist(), thick // 3, (tone * 1.1).tolist(), -1, cv2.LINE_AA)
            self.picture = layer

    def render(self) -> np.ndarray:
        """Render the picture at its final size with lens blur, light and JPEG compression: (H, W, 3) uint8."""
        random = self.random
        size = (self.camera.width, self.camera.height)
        rgb = cv2.resize(self.picture, size, interpolation=cv2.INTER_AREA)
        if self.smear_quad is not None:
            smear_sides(random, rgb, self.smear_quad)
        rgb = apply_scanner_light(random, rgb) if self.scanned else apply_light(random, rgb)
        long_side = max(size)
        blur = abs(random.normal(0, 0.0016)) * long_side * random.choice([0, 1, 1]) * (0.4 if self.scanned else 1)
        if blur > 0.25:
            rgb = cv2.GaussianBlur(rgb, (0, 0), blur)
        grain = abs(random.normal(0, 1.5 if self.scanned else 4))
        rgb = rgb + random.normal(0, 1, (*rgb.shape[:2], 1)).astype(np.float32) * grain
        rgb = np.clip(rgb, 0, 255).astype(np.uint8)
        if random.random() < 0.7:
            quality = int(random.integers(35, 97))
            jpeg = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR))
        return rgb


def smear_sides(random: Generator, rgb: np.ndarray, case: np.ndarray) -> None:
    """Repeat the columns next to a case out to the picture's sides, in place, as datasets are padded to squares."""
    width = rgb.shape[1]
    left = int(case[:, 0].min() + random.uniform(-4, 3))
    right = int(case[:, 0].max() + random.uniform(-3, 4))
    if 0 < left < width // 2:
        rgb[:, :left] = rgb[:, left : left + 1]
    if width // 2 < right < width - 1:
        rgb[:, right + 1 :] = rgb[:, right : right + 1]


def whiten_edges(random: Generator, face: np.ndarray) -> np.ndarray:
    """Draw whitening along the edges and corners of a face."""
    height, width = face.shape[:2]
    face = face.copy()
    for _ in range(random.integers(1, 12)):
        side, along, size = random.integers(4), random.random(), random.uniform(0.005, 0.03) * height
        center = [(along * width, 0), (width, along * height), (along * width, height), (0, along * height)][side]
        cv2.circle(face, (int(center[0]), int(center[1])), max(1, int(size)), [int(random.integers(170, 250))] * 3, -1)
    return face


def apply_scanner_light(random: Generator, rgb: np.ndarray) -> np.ndarray:
    """Apply a scanner's tone curve and tint; its lamp moves with the sensor, so there is no shading and no glare."""
    tint = random.normal(1, 0.015, 3).astype(np.float32) * random.uniform(0.85, 1.1)
    return np.asarray(255 * np.power(np.clip(rgb * tint / 255, 0, 1), random.uniform(0.85, 1.2)))


def apply_light(random: Generator, rgb: np.ndarray) -> np.ndarray:
    """Apply light falloff, a color cast, and sometimes glare: broad, streaked or rainbow. Float32 in and out."""
    height, width = rgb.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    slope = random.normal(0, 0.12, 2)
    light = 1 + slope[0] * x + slope[1] * y - random.uniform(0, 0.2) * (x * x + y * y)
    cast = random.normal(1, 0.05, 3).astype(np.float32) * random.uniform(0.55, 1.2)
    rgb = 255 * np.power(np.clip(rgb * (light[..., None] * cast) / 255, 0, 1), random.uniform(0.75, 1.35))
    for _ in range(random.choice([0, 0, 1, 2])):
        angle, center = random.uniform(0, np.pi), random.uniform(-0.8, 0.8, 2)
        u = (x - center[0]) * np.cos(angle) + (y - center[1]) * np.sin(angle)
        v = -(x - center[0]) * np.sin(angle) + (y - center[1]) * np.cos(angle)
        spot_width, spot_length = random.uniform(0.03, 0.4), random.uniform(0.1, 2.0)
        spot = np.exp(-((u / spot_width) ** 2) - (v / spot_length) ** 2)[..., None]
        tone = np.ones(3, np.float32) if random.random() < 0.6 else random.random(3).astype(np.float32)
        rgb = rgb + spot * tone * random.uniform(20, 255)
    return rgb


def simulate_capture(
    random: Generator,
    *,
    height: int,
    width: int,
    kind: FinderCaptureKind,
    status: CardStatus = "one",
    sources: list[np.ndarray] | None = None,
    faces: list[np.ndarray] | None = None,
) -> Capture:
    """Simulate a (height, width) picture; `sources` are used in artwork and backgrounds, `faces` are card fronts."""
    for _ in range(50):
        card_mm = _random_size_mm(random, unusual=0.35 if kind == "slab" else 0.12)
        camera, flat = _camera_for(random, (height, width), kind, status, card_mm)
        edge = random_color(random)
        background_color = edge if random.random() < 0.12 and kind != "slab" else None
        scene = Scene(random, camera, sources or [], faces or [], background_color, scanned=kind == "scan")
        _draw_scene(scene, kind, status, card_mm, edge, flat=flat)
        capture = Capture(scene.render(), kind, status, scene.quads, scene.upward and len(scene.quads) == 1)
        if _matches_status(capture):
            return capture
    raise RuntimeError(f"no {kind} with status {status} in 50 attempts; widen the camera's range")


def _matches_status(capture: Capture) -> bool:
    height, width = capture.rgb.shape[:2]
    overhangs_px = [
        max(-(q + 0.5).min(), (q[:, 0] + 0.5 - width).max(), (q[:, 1] + 0.5 - height).max()) for q in capture.quads
    ]
    if capture.status == "one":
        return overhangs_px[0] <= 0.0
    if capture.status == "cut":
        height_px = np.linalg.norm(capture.quads[0][3] - capture.quads[0][0])
        middle = capture.quads[0].mean(axis=0)
        is_visible = 0 < middle[0] < width and 0 < middle[1] < height
        return bool(overhangs_px[0] > MIN_OVERHANG * 2 * height_px and is_visible)
    return True


def _camera_for(
    random: Generator, size: tuple[int, int], kind: FinderCaptureKind, status: CardStatus, card_mm: tuple[float, float]
) -> tuple[Camera, bool]:
    """Draw a camera typical of the kind and status; returns also True if it looks straight down."""
    height, width = size
    if status == "cut":
        fraction = random.uniform(0.8, 1.8)
    elif status == "many":
        fraction = random.uniform(0.2, 0.6)
    elif kind == "slab":
        fraction = random.uniform(0.8, 1.1) if random.random() < 0.6 else random.uniform(0.5, 1.0)
    else:
        fraction = random.uniform(0.75, 1.15) if kind == "scan" else random.uniform(0.35, 1.0)
    flat = kind == "scan" or (kind == "slab" and bool(random.random() < 0.6))
    lean = random.normal(0, 1.5) if flat else random.choice([random.normal(0, 8), random.uniform(-180, 180)])
    tilt = abs(random.normal(0, 0.3)) if flat else random.uniform(0, 45) * random.choice([0.3, 1.0])
    camera = random_camera(
        random,
        height,
        width,
        reach_px=min(height, width * 1.33) * fraction,
        extent_mm=145.0 if kind == "slab" else card_mm[1],
        tilt_deg=tilt,
        turn_deg=random.choice([0, 0, 0, 90, 180, 270]) + lean,
    )
    return camera, flat


def _draw_scene(
    scene: Scene,
    kind: FinderCaptureKind,
    status: CardStatus,
    card_mm: tuple[float, float],
    edge: np.ndarray,
    *,
    flat: bool,
) -> None:
    random = scene.random
    if not flat or random.random() < 0.1:
        scene.draw_clutter(int(random.choice([0, 0, 1, 2, 4, 8])))
    if status == "none":
        scene.draw_clutter(int(random.integers(0, 6)))
    elif kind == "slab":
        _draw_slab(scene, *card_mm, edge)
    elif status == "many":
        _draw_many_cards(scene, *card_mm)
    else:
        _draw_single_card(scene, *card_mm, edge)
    if not flat and status == "one" and random.random() < 0.2:
        scene.draw_fingers(scene.quads[0])


def _random_size_mm(random: Generator, *, unusual: float) -> tuple[float, float]:
    if random.random() > unusual:
        return CARD_SIZES_MM[random.integers(len(CARD_SIZES_MM))]
    if random.random() < 0.5:
        return UNUSUAL_SIZES_MM[random.integers(len(UNUSUAL_SIZES_MM))]
    tall = random.uniform(55, 90)
    return (float(tall * random.uniform(0.52, 0.95)), float(tall))


def _draw_single_card(scene: Scene, width_mm: float, height_mm: float, edge: np.ndarray) -> None:
    random = scene.random
    corners = rectangle_mm(width_mm, height_mm)
    sleeve = random.random() < 0.22
    if sleeve:
        margin = random.uniform(1.5, 7, 2)
        outer = rectangle_mm(width_mm + margin[0], height_mm + margin[1], tuple(random.normal(0, 0.7, 2)))
        scene.draw_shadow(outer)
        scene.draw_pane(outer, width_mm + margin[0], height_mm + margin[1], random.uniform(0.05, 0.5), 0)
    else:
        scene.draw_shadow(corners)
    scene.draw_card(corners, width_mm, height_mm, edge)
    if sleeve:
        scene.draw_pane(outer, width_mm + margin[0], height_mm + margin[1], random.uniform(0.0, 0.2), 0)


def _draw_many_cards(scene: Scene, width_mm: float, height_mm: float) -> None:
    random = scene.random
    count = int(random.integers(2, 9))
    spread = random.choice([0.35, 1.2])
    for index in range(count):
        angle = 2 * np.pi * (index + random.random() * 0.5) / count
        reach = spread * height_mm * random.uniform(0.6, 1.4) * (1 if count > 2 else 0.75)
        center = (float(np.cos(angle) * reach), float(np.sin(angle) * reach))
        corners = rectangle_mm(
            width_mm, height_mm, center, random.choice([random.normal(0, 5), random.uniform(-180, 180)])
        )
        scene.draw_shadow(corners)
        scene.draw_card(corners, width_mm, height_mm, None)


def _draw_slab(scene: Scene, width_mm: float, height_mm: float, edge: np.ndarray) -> None:
    random = scene.random
    case_width, case_height = random.uniform(79, 85), random.uniform(130, 138)
    case = rectangle_mm(case_width, case_height)
    scene.draw_shadow(case)
    scene.draw_pane(case, case_width, case_height, random.uniform(0.05, 0.6), 3)
    label_height = random.uniform(17, 24)
    label_middle = (random.normal(0, 0.5), -case_height / 2 + random.uniform(2, 6) + label_height / 2)
    label_width = case_width - random.uniform(5, 13)
    space_top = label_middle[1] + label_height / 2 + random.uniform(1.5, 7)
    space_bottom = case_height / 2 - random.uniform(3, 9)
    space_height = space_bottom - space_top
    if random.random() < 0.5:
        well = rectangle_mm(case_width - random.uniform(4, 12), space_height + 2, (0, (space_top + space_bottom) / 2))
        scene.draw_pane(well, case_width - 8, space_height + 2, random.uniform(0.0, 0.5), 1)
    _draw_label(scene, rectangle_mm(label_width, label_height, label_middle), label_width, label_height)
    shrink = min(1.0, (space_height - 1) / height_mm, (case_width - 8) / width_mm)
    sideways = random.random() < 0.06 and height_mm < case_width - 4
    width_mm, height_mm = width_mm * shrink, height_mm * shrink
    middle = (random.normal(0, 0.8), (space_top + space_bottom) / 2 + random.normal(0, 1.0))
    turn = random.normal(0, 0.5) + (random.choice([90, 270]) if sideways else 0)
    for _ in range(random.choice([0, 1, 1, 1, 2])):
        _draw_insert(scene, middle, card_mm=(width_mm, height_mm), space_mm=(case_width, space_height))
    scene.draw_card(rectangle_mm(width_mm, height_mm, middle, turn), width_mm, height_mm, edge)
    if random.random() < 0.5:
        scene.draw_pane(case, case_width, case_height, random.uniform(0.0, 0.12), 3)
    if random.random() < 0.4:
        scene.smear_quad = scene.camera.project(case)


def _draw_insert(
    scene: Scene, middle: tuple[float, float], *, card_mm: tuple[float, float], space_mm: tuple[float, float]
) -> None:
    """Draw the insert around the card inside a case: a frame of plastic or cardboard, or a pouch."""
    random = scene.random
    if random.random() < 0.5:
        wide, tall = space_mm[0] - random.uniform(5, 12), space_mm[1] + random.uniform(0, 3)
    else:
        wide, tall = card_mm[0] + random.uniform(1, 12), card_mm[1] + random.uniform(1, 14)
    corners = rectangle_mm(wide, tall, middle)
    if random.random() < 0.5:
        scene.draw_pane(corners, wide, tall, random.uniform(0.0, 0.7), random.choice([0, 2]))
        return
    height, width = scene.face_size(wide, tall)
    face = np.full((height, width, 3), random_color(random), np.uint8)
    paste(
        scene.picture, scene.camera, face, corners, rounded_mask(height, width, random.choice([0, 2]) * scene.density)
    )


def _draw_label(scene: Scene, corners: np.ndarray, width_mm: float, height_mm: float) -> None:
    random = scene.random
    height, width = scene.face_size(width_mm, height_mm)
    rim = np.array([190, 30, 45], np.uint8) if random.random() < 0.6 else random_color(random)
    paper = np.full(3, random.integers(225, 256), np.uint8) if random.random() < 0.7 else random_color(random)
    face = np.full((height, width, 3), rim, np.uint8)
    inset = max(1, int(random.uniform(0.03, 0.12) * height))
    face[inset : height - inset, inset : width - inset] = paper
    ink = (int(random.integers(0, 80)),) * 3
    for row in range(int(random.integers(2, 5))):
        y = int(height * (0.25 + 0.17 * row))
        scale = height * random.uniform(0.13, 0.2) / 22
        for x, count in ((inset * 2, 18), (int(width * 0.68), 7)):
            characters = "".join(random.choice(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789#- "), size=count))
            cv2.putText(
                face, characters[: max(1, int(width * 0.3 / (18 * scale)))], (x, y), 0, scale, ink, 1, cv2.LINE_AA
            )
    bars = slice(int(width * 0.06), int(width * random.uniform(0.2, 0.45)))
    if random.random() < 0.6:
        y = int(height * random.uniform(0.65, 0.8))
        face[y : int(height * 0.88), bars] = np.where(random.random(bars.stop - bars.start) < 0.5, 30, 240)[:, None]
    paste(scene.picture, scene.camera, face, corners)


def cropped_card(random: Generator, sources: list[np.ndarray], faces: list[np.ndarray], height: int) -> Capture:
    """Simulate a picture cropped to the card: its quad is the bounds of the picture."""
    width_mm, height_mm = _random_size_mm(random, unusual=0.1)
    width = round(height * width_mm / height_mm)
    from_faces = bool(faces) and random.random() < 0.6
    if from_faces:
        face = cv2.resize(faces[random.integers(len(faces))], (width, height), interpolation=cv2.INTER_AREA)
    else:
        face = card_face(random, sources, height, width)
    rgb = np.clip(apply_light(random, face.astype(np.float32)) if random.random() < 0.5 else face, 0, 255).astype(
        np.uint8
    )
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64) - 0.5
    return Capture(rgb, "scan", "one", [corners], from_faces)


def picture_without_card(random: Generator, sources: list[np.ndarray], height: int, width: int) -> Capture:
    """Simulate a picture without a card: scenery, a texture, a page."""
    rgb = artwork(random, sources, height, width) if random.random() < 0.7 else color_noise(random, height, width)
    if random.random() < 0.3:
        draw_text(
            random, rgb, (width // 10, height // 10, width * 8 // 10, height * 8 // 10), int(random.integers(3, 20))
        )
    return Capture(np.clip(apply_light(random, rgb.astype(np.float32)), 0, 255).astype(np.uint8), "photo", "none")
