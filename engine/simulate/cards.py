"""Simulated cards: design, wear, both pictures and ground truth, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import get_args

import cv2
import numpy as np
from numpy.random import Generator, default_rng

from engine.cards.rubric import RULE_CHANGE_DATE
from engine.simulate.capture.capture import CaptureStyle, SimulatedPicture, draw_style, take_picture
from engine.simulate.capture.holders import CardFace
from engine.simulate.capture.slab import SlabLabel
from engine.simulate.mix import GradeMix, draw_grade, draw_label
from engine.simulate.print.art import draw_design
from engine.simulate.print.backs import draw_back
from engine.simulate.print.design import SET_SIZE, Design
from engine.simulate.print.foil import add_foil_shine
from engine.simulate.print.games import GAMES, Game, Grid
from engine.simulate.print.noise import add_grain
from engine.simulate.print.sheet import Box, Sheet
from engine.simulate.wear.centering import Placement
from engine.simulate.wear.paint import paint_wear, uncovered_patches
from engine.simulate.wear.severity import attribute_grades
from engine.simulate.wear.truth import CaptureKind, CardTruth, Seeds, SideName, SideTruth, rounded
from engine.simulate.wear.wear import WornCard, WornSide, draw_wear

CARDS_PER_DESIGN = 3  # consecutive cards with the same print, but other numbers, wear and pictures
CAPTURE_KINDS: tuple[CaptureKind, ...] = get_args(CaptureKind)
# Each part of a card has its own random stream, so that a change to one part leaves the others unchanged.
RANDOM_STREAMS = ("grade", "label", "wear", "style", "front", "back", "number")
DESIGN_STREAM = len(RANDOM_STREAMS)
PICTURE_FOLDER = "images"
PRINT_GRAIN = 1.5  # gray levels: ink on paper is never quite even


@dataclass(frozen=True)
class SimulationConfig:
    """Settings of a folder of simulated cards; equal settings give equal cards.

    noise    standard deviation of the labels around the grade, in grades
    kinds    probability of each kind of capture, summing to 1
    height   height of the card in its picture, pixels
    sources  pictures for the art window, in place of drawn ones
    """

    seed: int
    mix: GradeMix = "history"
    noise: float = 0.0
    kinds: tuple[tuple[CaptureKind, float], ...] = (("scan", 0.4), ("photo", 0.3), ("slab", 0.2), ("sleeve", 0.1))
    height: int = 1050
    graded_on: date = RULE_CHANGE_DATE
    sources: tuple[np.ndarray, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class SimulatedCard:
    """A card's two pictures and its ground truth."""

    truth: CardTruth
    front: SimulatedPicture
    back: SimulatedPicture


def stream(seed: int, index: int, name: str) -> Generator:
    """Random generator for one part of one card."""
    return default_rng([seed, index, RANDOM_STREAMS.index(name)])


class CardSimulator:
    """Simulator of the cards of one configuration; caches the last design, which is used by consecutive cards."""

    def __init__(self, config: SimulationConfig) -> None:
        self.config = config
        self._backs: dict[str, Design] = {}
        self._last_design: tuple[int, Design] | None = None

    def card(self, index: int) -> SimulatedCard:
        """Simulate the card of an index, 0 or more: always the same, independent of the cards drawn before."""
        config, seed = self.config, self.config.seed
        (front_design, back_design), grade, worn_card, number = self._drawn(index)
        game, label = front_design.game, draw_label(stream(seed, index, "label"), grade, config.noise)
        random = stream(seed, index, "style")
        kinds, weights = zip(*config.kinds, strict=True)
        style = draw_style(random, kinds[int(random.choice(len(kinds), p=weights))])
        slab_label = SlabLabel(label, front_design.title, game.name.upper(), f"#{number}")
        card_id = f"card-{index:06d}"
        front_picture = photograph_side(
            stream(seed, index, "front"), front_design, "front", worn_card.front, style, number=number, label=slab_label
        )
        back_picture = photograph_side(
            stream(seed, index, "back"), back_design, "back", worn_card.back, style, number=number, label=None
        )
        truth = CardTruth(
            card_id=card_id,
            group=f"simulated-{seed}-{index // CARDS_PER_DESIGN:06d}",
            grade=grade,
            label=label,
            graded_on=config.graded_on,
            attributes=attribute_grades(worn_card.front.wear, worn_card.back.wear, config.graded_on),
            seeds=Seeds(seed=seed, index=index, design=index // CARDS_PER_DESIGN),
            game=game.name,
            layout=game.layout,
            width_mm=game.size.width_mm,
            height_mm=game.size.height_mm,
            corner_norm_mm=game.corner_mm,
            kind=style.kind,
            front=side_truth(worn_card.front, front_picture, f"{PICTURE_FOLDER}/{card_id}_front.jpg"),
            back=side_truth(worn_card.back, back_picture, f"{PICTURE_FOLDER}/{card_id}_back.jpg"),
        )
        return SimulatedCard(truth, front_picture, back_picture)

    def faces(self, index: int) -> tuple[CardFace, CardFace]:
        """Both sides of the card of an index as they are, flat and without light, a holder or a background."""
        (front, back), _, worn_card, number = self._drawn(index)
        random = stream(self.config.seed, index, "front")
        return (
            card_face(random, front, "front", worn_card.front, number=number),
            card_face(random, back, "back", worn_card.back, number=number),
        )

    def _drawn(self, index: int) -> tuple[tuple[Design, Design], int, WornCard, int]:
        """Both designs, the grade, the wear and the number of the card of an index."""
        seed, front_design = self.config.seed, self._design(index // CARDS_PER_DESIGN)
        game, back_design = front_design.game, self._back(front_design.game)
        grade = draw_grade(stream(seed, index, "grade"), self.config.mix)
        worn_card = draw_wear(
            stream(seed, index, "wear"),
            size=game.size,
            corner_mm=game.corner_mm,
            frames=(front_design.frame_size, back_design.frame_size),
            grade=grade,
            graded_on=self.config.graded_on,
        )
        return (front_design, back_design), grade, worn_card, 1 + int(stream(seed, index, "number").integers(SET_SIZE))

    def _design(self, number: int) -> Design:
        if self._last_design is None or self._last_design[0] != number:
            random = default_rng([self.config.seed, number, DESIGN_STREAM])
            game = GAMES[random.integers(len(GAMES))]
            design = draw_design(random, game, Grid(game.size, self.config.height), self.config.sources)
            self._last_design = (number, design)
        return self._last_design[1]

    def _back(self, game: Game) -> Design:
        if game.name not in self._backs:
            self._backs[game.name] = draw_back(game, Grid(game.size, self.config.height))
        return self._backs[game.name]


def card_face(random: Generator, design: Design, side: SideName, worn_side: WornSide, *, number: int) -> CardFace:
    """A side's print with its wear, edge to edge on the design's grid."""
    grid = design.sheet.grid
    sheet = design.with_number(number)
    if design.shine is not None:
        add_foil_shine(random, sheet.rgb, design.shine, float(random.uniform(0.35, 1.0)))
    face = cut_card(sheet, design.frame, worn_side.placement)
    add_grain(random, face, "paper", PRINT_GRAIN)
    paint_wear(random, face, worn_side.wear, grid, stock=design.game.stock, side=side)
    return CardFace(face, uncovered_patches(worn_side.rim, grid), grid)


def cut_card(sheet: Sheet, frame: Box | None, placement: Placement) -> np.ndarray:
    """Cut the card out of its sheet, (H, W, 3) uint8, with the print shifted and tilted by the placement."""
    grid = sheet.grid
    size_mm = np.array([grid.size.width_mm, grid.size.height_mm])
    frame_centre_mm = size_mm / 2 if frame is None else np.array([frame[0] + frame[2], frame[1] + frame[3]]) / 2
    rotation = placement.rotation()
    # Card pixels -> card millimeters -> sheet millimeters -> sheet pixels.
    scale = np.diag(grid.scale)
    linear = scale @ rotation.T @ np.linalg.inv(scale)
    card_centre = grid.to_px((size_mm / 2 + placement.shift_mm)[None])[0]
    sheet_centre = grid.to_px(frame_centre_mm[None])[0] + sheet.bleed
    inverse = np.column_stack([linear, sheet_centre - linear @ card_centre])
    return cv2.warpAffine(
        sheet.rgb,
        inverse,
        (grid.width, grid.height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def photograph_side(
    random: Generator,
    design: Design,
    side: SideName,
    worn_side: WornSide,
    style: CaptureStyle,
    *,
    number: int,
    label: SlabLabel | None,
) -> SimulatedPicture:
    """Print, wear and photograph one side."""
    face = card_face(random, design, side, worn_side, number=number)
    dull_outlines = [np.array(defect.points_mm) for defect in worn_side.wear.defects if defect.kind == "gloss_loss"]
    return take_picture(
        random,
        face.rgb,
        style.kind,
        face.grid,
        uncovered=face.uncovered,
        dull_outlines=dull_outlines,
        gloss=design.game.gloss,
        label=label,
        style=style,
    )


def side_truth(worn_side: WornSide, picture: SimulatedPicture, path: str) -> SideTruth:
    """Ground truth of one side and its picture."""
    return SideTruth(
        **dict(worn_side.wear),
        picture=path,
        kind=picture.kind,
        quad=[(rounded(x), rounded(y)) for x, y in picture.quad],
        width_px=picture.rgb.shape[1],
        height_px=picture.rgb.shape[0],
        exif_orientation=picture.orientation,
        px_per_mm=rounded(picture.px_per_mm),
    )
