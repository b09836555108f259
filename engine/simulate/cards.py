"""One simulated card from its seed: the design, the wear, both pictures, and the line of truth about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import cv2
import numpy as np
from numpy.random import Generator, default_rng

from engine.cards.rubric import TIGHTENED_ON
from engine.simulate.capture.capture import Capture, Style, capture, draw_style
from engine.simulate.capture.slab import Label
from engine.simulate.mix import Mix, draw_grade, draw_label
from engine.simulate.print.art import draw_design
from engine.simulate.print.backs import draw_back
from engine.simulate.print.design import SET_SIZE, Design
from engine.simulate.print.foil import light_up
from engine.simulate.print.games import GAMES, Game, Grid
from engine.simulate.print.noise import add_grain
from engine.simulate.print.sheet import Box, Sheet
from engine.simulate.wear.centering import Placement
from engine.simulate.wear.paint import outside, wear_down
from engine.simulate.wear.severity import attribute_grades
from engine.simulate.wear.truth import CaptureKind, CardTruth, Seeds, SideName, SideTruth, rounded
from engine.simulate.wear.wear import WornSide, draw_wear

COPIES = 3  # cards of one design in a row: the same print with other numbers, in other hands
KINDS: tuple[CaptureKind, ...] = ("scan", "photo", "slab", "sleeve")
# What is drawn from a seed, each from its own stream, so that a change in one leaves the others as they were.
STREAMS = ("grade", "label", "wear", "style", "front", "back", "number")
DESIGN = len(STREAMS)
FOLDER = "images"
PRINT_GRAIN = 1.5  # levels: ink on paper is never quite even


@dataclass(frozen=True)
class Recipe:
    """What a folder of simulated cards is drawn from; equal recipes give equal cards.

    noise    standard deviation in grades of the labels around the grade
    kinds    how often each kind of capture is drawn, summing to 1
    height   of the card in its picture, pixels
    sources  pictures shown in place of drawn ones
    """

    seed: int
    mix: Mix = "history"
    noise: float = 0.0
    kinds: tuple[tuple[CaptureKind, float], ...] = (("scan", 0.4), ("photo", 0.3), ("slab", 0.2), ("sleeve", 0.1))
    height: int = 1050
    graded_on: date = TIGHTENED_ON
    sources: tuple[np.ndarray, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class SimulatedCard:
    """A card's two pictures and its truth."""

    truth: CardTruth
    front: Capture
    back: Capture


def stream(seed: int, index: int, name: str) -> Generator:
    """The random numbers of one part of one card."""
    return default_rng([seed, index, STREAMS.index(name)])


class Studio:
    """Draws the cards of one recipe; keeps the designs it drew last, since cards that follow each other share them."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._backs: dict[str, Design] = {}
        self._drawn: tuple[int, Design] | None = None

    def card(self, index: int) -> SimulatedCard:
        """The card of that index, 0 or more: always the same, whichever cards were drawn before."""
        recipe, seed = self.recipe, self.recipe.seed
        design = self._design(index // COPIES)
        game, back = design.game, self._back(design.game)
        grade = draw_grade(stream(seed, index, "grade"), recipe.mix)
        label = draw_label(stream(seed, index, "label"), grade, recipe.noise)
        worn = draw_wear(
            stream(seed, index, "wear"),
            size=game.size,
            corner_mm=game.corner_mm,
            frames=(design.frame_size, back.frame_size),
            grade=grade,
            graded_on=recipe.graded_on,
        )
        random = stream(seed, index, "style")
        kinds, chances = zip(*recipe.kinds, strict=True)
        style = draw_style(random, kinds[int(random.choice(len(kinds), p=chances))])
        number = 1 + int(stream(seed, index, "number").integers(SET_SIZE))
        says = Label(label, design.title, game.name.upper(), f"#{number}")
        name = f"card-{index:06d}"
        front = picture_of(stream(seed, index, "front"), design, "front", worn.front, style, number=number, label=says)
        behind = picture_of(stream(seed, index, "back"), back, "back", worn.back, style, number=number, label=None)
        truth = CardTruth(
            card_id=name,
            group=f"simulated-{seed}-{index // COPIES:06d}",
            grade=grade,
            label=label,
            graded_on=recipe.graded_on,
            attributes=attribute_grades(worn.front.wear, worn.back.wear, recipe.graded_on),
            seeds=Seeds(seed=seed, index=index, design=index // COPIES),
            game=game.name,
            layout=game.layout,
            width_mm=game.size.width_mm,
            height_mm=game.size.height_mm,
            corner_norm_mm=game.corner_mm,
            kind=style.kind,
            front=side_truth(worn.front, front, f"{FOLDER}/{name}_front.jpg"),
            back=side_truth(worn.back, behind, f"{FOLDER}/{name}_back.jpg"),
        )
        return SimulatedCard(truth, front, behind)

    def _design(self, number: int) -> Design:
        if self._drawn is None or self._drawn[0] != number:
            random = default_rng([self.recipe.seed, number, DESIGN])
            game = GAMES[random.integers(len(GAMES))]
            drawn = draw_design(random, game, Grid(game.size, self.recipe.height), self.recipe.sources)
            self._drawn = (number, drawn)
        return self._drawn[1]

    def _back(self, game: Game) -> Design:
        if game.name not in self._backs:
            self._backs[game.name] = draw_back(game, Grid(game.size, self.recipe.height))
        return self._backs[game.name]


def face_of(random: Generator, design: Design, side: SideName, worn: WornSide, *, number: int) -> np.ndarray:
    """A side's print with its wear, (H, W, 3) uint8 of the design's grid, edge to edge."""
    grid = design.sheet.grid
    sheet = design.printed(number)
    if design.shine is not None:
        light_up(random, sheet.rgb, design.shine, float(random.uniform(0.35, 1.0)))
    face = cut(sheet, design.frame, worn.placement)
    add_grain(random, face, "paper", PRINT_GRAIN)
    wear_down(random, face, worn.wear, grid, stock=design.game.stock, side=side)
    return face


def cut(sheet: Sheet, frame: Box | None, placement: Placement) -> np.ndarray:
    """The card's rectangle of a sheet, (H, W, 3) uint8, whose print lies as the placement says."""
    grid = sheet.grid
    size_mm = np.array([grid.size.width_mm, grid.size.height_mm])
    middle_mm = size_mm / 2 if frame is None else np.array([frame[0] + frame[2], frame[1] + frame[3]]) / 2
    onto_mm = placement.matrix()
    # From pixels of the card to millimetres on it, to the sheet's, to its pixels.
    scale = np.diag(grid.scale)
    linear = scale @ onto_mm.T @ np.linalg.inv(scale)
    card_middle = grid.to_px((size_mm / 2 + placement.shift_mm)[None])[0]
    sheet_middle = grid.to_px(middle_mm[None])[0] + sheet.bleed
    inverse = np.column_stack([linear, sheet_middle - linear @ card_middle])
    return cv2.warpAffine(
        sheet.rgb,
        inverse,
        (grid.width, grid.height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def picture_of(
    random: Generator, design: Design, side: SideName, worn: WornSide, style: Style, *, number: int, label: Label | None
) -> Capture:
    """Print, wear down and photograph one side."""
    grid = design.sheet.grid
    face = face_of(random, design, side, worn, number=number)
    dull = [np.array(defect.points_mm) for defect in worn.wear.defects if defect.kind == "gloss_loss"]
    return capture(
        random,
        face,
        style.kind,
        grid,
        outside=outside(worn.rim, grid),
        dull=dull,
        gloss=design.game.gloss,
        label=label,
        style=style,
    )


def side_truth(worn: WornSide, taken: Capture, picture: str) -> SideTruth:
    """What is known of a side and its picture."""
    return SideTruth(
        **dict(worn.wear),
        picture=picture,
        kind=taken.kind,
        quad=[(rounded(x), rounded(y)) for x, y in taken.quad],
        width_px=taken.rgb.shape[1],
        height_px=taken.rgb.shape[0],
        exif_orientation=taken.orientation,
        px_per_mm=rounded(taken.px_per_mm),
    )
