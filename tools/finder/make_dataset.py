"""Dataset of simulated captures with their corners, for training the two detection networks."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from numpy.random import Generator

from engine.image.detection import PictureKind
from engine.image.read import read_picture
from engine.image.rectify import CardSize
from engine.simulate.capture.holders import CardFace
from engine.simulate.capture.scene import CardStatus, Scene, card_scene, on_even_ground
from engine.simulate.cards import CardSimulator, SimulationConfig
from engine.simulate.print.games import Grid
from engine.simulate.print.pictures import draw_noise_card, draw_picture
from engine.simulate.wear.paint import uncovered_patches
from engine.simulate.wear.rim import CardRim
from engine.simulate.wear.truth import CaptureKind

SMALL_SIDE_PX, LARGE_SIDE_PX, SMALL_FRACTION = 200, 480, 0.35
JPEG_QUALITY = 95
KINDS: dict[CaptureKind, float] = {
    "scan": 0.2,
    "photo": 0.28,
    "slab": 0.14,
    "slab_bgs": 0.02,
    "slab_cgc": 0.02,
    "slab_sgc": 0.04,
    "sleeve": 0.06,
    "toploader": 0.06,
    "one_touch": 0.06,
    "semi_rigid": 0.06,
    "binder": 0.06,
}
STATUSES: dict[CardStatus, float] = {"one": 0.76, "many": 0.1, "none": 0.07, "cut": 0.07}
EVEN_GROUND_FRACTION, SCENERY_FRACTION = 0.1, 0.02
CARD_PX = 420
LARGEST_MM = (66.0, 92.0)  # width and height of a card that fits every holder
CARDS_AT_HAND = 12  # drawn faces from which a scene's cards are taken


@dataclass(frozen=True)
class CaptureSet:
    """Captures of one .npz file; the field names are its keys.

    jpegs   uint8, concatenated JPEGs; picture i ends at ends[i]
    quads   (M, 4, 2) float32, corners of all cards; those of picture i end at quad_ends[i]
    kinds, statuses   (N,) text
    upward  (N,) bool, True if the print shows which way is up
    """

    jpegs: np.ndarray
    ends: np.ndarray
    quads: np.ndarray
    quad_ends: np.ndarray
    kinds: np.ndarray
    statuses: np.ndarray
    upward: np.ndarray

    @classmethod
    def from_scenes(cls, scenes: list[tuple[np.ndarray, Scene]]) -> CaptureSet:
        """Build from scenes with their pictures encoded as JPEG."""
        quads = [np.asarray(scene.quads, np.float32).reshape(-1, 4, 2) for _, scene in scenes]
        return cls(
            np.concatenate([jpeg for jpeg, _ in scenes]),
            np.cumsum([len(jpeg) for jpeg, _ in scenes]),
            np.concatenate(quads),
            np.cumsum([len(quad) for quad in quads]),
            np.array([scene.kind for _, scene in scenes]),
            np.array([scene.status for _, scene in scenes]),
            np.array([scene.upward for _, scene in scenes]),
        )

    @classmethod
    def read(cls, path: Path) -> CaptureSet:
        """Read a file written by `main`."""
        with np.load(path) as columns:
            return cls(**columns)

    def __len__(self) -> int:
        return len(self.ends)

    def picture(self, index: int) -> np.ndarray:
        """Decode a picture, (H, W, 3) uint8 RGB."""
        return np.asarray(cv2.imdecode(_slice_of(self.jpegs, self.ends, index), cv2.IMREAD_COLOR_RGB))

    def cards(self, index: int) -> np.ndarray:
        """Return the corners in a picture, (cards, 4, 2) float32."""
        return _slice_of(self.quads, self.quad_ends, index)


def _slice_of(column: np.ndarray, ends: np.ndarray, index: int) -> np.ndarray:
    return column[ends[index - 1] if index else 0 : ends[index]]


def vary_face(random: Generator, face: CardFace) -> CardFace:
    """Make a game's card one of many: other inks, another border, another size, or a card of noise."""
    rgb, grid = face.rgb, face.grid
    is_noise = bool(random.random() < 0.15)
    if is_noise:
        rgb = draw_noise_card(random, grid.height, grid.width)
    elif random.random() < 0.4:
        rgb = np.ascontiguousarray(rgb[..., random.permutation(3)])
    if random.random() < 0.3:
        rgb, border = rgb.copy(), round(random.uniform(1, 5) * grid.px_per_mm)
        dark, light = random.integers(8, 40, 3), random.integers(220, 256, 3)
        level = (dark, light, random.integers(0, 256, 3))[random.integers(3)]
        rgb[:border] = rgb[-border:] = rgb[:, :border] = rgb[:, -border:] = level
    uncovered = face.uncovered
    if random.random() < 0.15:
        height_mm = random.uniform(50, LARGEST_MM[1])
        width_mm = min(height_mm * random.uniform(0.52, 0.95), LARGEST_MM[0])
        size, density = CardSize(float(width_mm), float(height_mm), "unusual size"), grid.px_per_mm
        grid = Grid(size, round(height_mm * density))
        rgb = cv2.resize(rgb, (grid.width, grid.height), interpolation=cv2.INTER_AREA)
        uncovered = uncovered_patches(CardRim(size, (float(random.choice([0.0, 0.6, 3.0])),) * 4), grid)
    return CardFace(rgb, uncovered, grid, not is_noise)


def simulated_scenes(random: Generator, seed: int, sources: tuple[np.ndarray, ...] = ()) -> Iterator[Scene]:
    """Yield scenes of the training mix: one card in three quarters of them, else what must be refused."""
    simulator = CardSimulator(SimulationConfig(seed, mix="uniform", height=CARD_PX, sources=sources))
    at_hand: deque[CardFace] = deque(maxlen=CARDS_AT_HAND)
    for index in count():
        at_hand.extendleft(vary_face(random, face) for face in simulator.faces(index))
        for first in (0, 1):
            choice = random.random()
            if choice < EVEN_GROUND_FRACTION:
                scene = on_even_ground(random, at_hand[first])
            elif choice < EVEN_GROUND_FRACTION + SCENERY_FRACTION:
                scene = Scene(draw_picture(random, LARGE_SIDE_PX, int(random.integers(320, 640))), "photo", "none")
            else:
                kind = random.choice(list(KINDS), p=list(KINDS.values()))
                status = random.choice(list(STATUSES), p=list(STATUSES.values()))
                scene = card_scene(random, [at_hand[first], *at_hand][: random.integers(3, 9)], kind, status)
            yield scene.scaled(SMALL_SIDE_PX if random.random() < SMALL_FRACTION else LARGE_SIDE_PX)


def jitter(random: Generator, rgb: np.ndarray, quad: np.ndarray, kind: PictureKind) -> Scene:
    """Shift, scale, rotate and tilt a marked picture a little, together with its corners."""
    height, width = rgb.shape[:2]
    for _ in range(20):
        corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
        angle = np.radians(random.choice([random.normal(0, 3), random.normal(0, 25)], p=[0.85, 0.15]))
        rotation = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
        middle = corners.mean(axis=0)
        target = (corners - middle) @ rotation * random.uniform(0.75, 1.2) + middle
        target += random.normal(0, 0.03, 2) * height + random.normal(0, 0.015, (4, 2)) * height
        homography = cv2.getPerspectiveTransform(corners.astype(np.float32), target.astype(np.float32))
        truth = cv2.perspectiveTransform(quad[None] + 0.5, homography)[0] - 0.5
        if truth.min() > 1 and (truth.max(axis=0) < (width - 2, height - 2)).all():
            break
    else:
        return Scene(rgb, kind, "one", quad[None])
    border = cv2.BORDER_REPLICATE if random.random() < 0.6 else cv2.BORDER_REFLECT_101
    warped = cv2.warpPerspective(rgb, homography, (width, height), flags=cv2.INTER_LINEAR, borderMode=border)
    return Scene(warped, kind, "one", truth[None])


def read_marked_pictures(path: Path, pictures: Path) -> list[tuple[np.ndarray, np.ndarray, PictureKind]]:
    """Read marked corners {name: {kind, quad}} with their pictures."""
    marks = json.loads(path.read_text(encoding="utf-8")).items()
    return [(read_picture(pictures / name), np.array(mark["quad"]), mark["kind"]) for name, mark in marks]


def read_pictures(folder: Path, height: int) -> list[np.ndarray]:
    """Read all pictures below a folder as RGB, scaled to a height."""
    pictures = []
    for path in sorted(folder.rglob("*")):
        bgr = cv2.imread(str(path)) if path.suffix.lower() in {".png", ".jpg", ".jpeg"} else None
        if bgr is not None and min(bgr.shape[:2]) > 30:
            width = max(8, round(bgr.shape[1] * height / bgr.shape[0]))
            pictures.append(cv2.cvtColor(cv2.resize(bgr, (width, height), interpolation=3), cv2.COLOR_BGR2RGB))
    return pictures


def _encode(scene: Scene) -> tuple[np.ndarray, Scene]:
    bgr = cv2.cvtColor(scene.rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1], scene


def main(
    out: Annotated[Path, typer.Option(help="Dataset file, .npz.")],
    scene_count: Annotated[int, typer.Option("--count")] = 20000,
    seed: int = 1,
    sources: Annotated[Path | None, typer.Option(help="Folder of pictures for the cards' art.")] = None,
    marked: Annotated[Path | None, typer.Option(help="JSON file of corners marked in real pictures.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="Folder of the marked pictures.")] = None,
) -> None:
    """Make a dataset of simulated cards; with --marked of the marked pictures only."""
    cv2.setNumThreads(1)
    random = np.random.default_rng(seed)
    scenes: Iterator[Scene] = simulated_scenes(
        random, seed, tuple(read_pictures(sources, 2 * CARD_PX)) if sources else ()
    )
    if marked:
        if pictures is None:
            raise typer.BadParameter("--marked needs --pictures, the folder of the marked pictures")
        examples = read_marked_pictures(marked, pictures)
        scenes = (jitter(random, *examples[index % len(examples)]) for index in count())
    np.savez(out, **vars(CaptureSet.from_scenes([_encode(scene) for scene in islice(scenes, scene_count)])))


if __name__ == "__main__":
    typer.run(main)
