"""The fronts, in each game's own layout: bordered, full art, vintage and foil."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.random import Generator

from engine.simulate.print import foil
from engine.simulate.print.design import INK, Design, NumberPlace, darker, legible_on, marbled, neighbours, shown
from engine.simulate.print.games import Game, Grid, Layout
from engine.simulate.print.lettering import (
    KINDS,
    PLACES_ON_FIELD,
    RULES,
    TEAMS,
    Colour,
    creature_name,
    one_of,
    player_name,
    sentences,
)
from engine.simulate.print.noise import add_grain
from engine.simulate.print.players import draw_player
from engine.simulate.print.sheet import BLEED_MM, Box, Sheet

CREAM: Colour = (243, 238, 226)
PAPER: Colour = (238, 232, 214)
BORDERS: tuple[Colour, ...] = (
    (20, 19, 20),
    (20, 19, 20),
    (236, 234, 228),
    (228, 186, 52),
    (62, 40, 30),
    (28, 42, 86),
    (168, 170, 176),
)
FRAMES: tuple[Colour, ...] = (
    (150, 116, 78),
    (92, 112, 150),
    (110, 142, 96),
    (150, 84, 72),
    (190, 180, 158),
    (84, 78, 92),
)


def draw_design(random: Generator, game: Game, grid: Grid, sources: Sequence[np.ndarray] = ()) -> Design:
    """A front of that game at the grid's resolution.

    sources  pictures (H, W, 3) uint8 to show in place of drawn ones; one is chosen
    """
    ways: dict[Layout, Callable[[Generator, Game, Grid, Sequence[np.ndarray]], Design]] = {
        "bordered": _bordered,
        "full_art": _full_art,
        "vintage": _vintage,
        "foil": _foil,
    }
    return ways[game.layout](random, game, grid, sources)


def _inside(grid: Grid, border_mm: float) -> Box:
    return (border_mm, border_mm, grid.size.width_mm - border_mm, grid.size.height_mm - border_mm)


def _rules_box(random: Generator, sheet: Sheet, box: Box, lines: int) -> None:
    left, top, right, bottom = box
    pitch = (bottom - top - 1.6) / (lines + 1.2)
    size = min(2.35, pitch * 0.8)
    for row, line in enumerate(sentences(random, RULES, lines)):
        at = (left + 1.4, top + 0.8 + pitch * (row + 0.6))
        sheet.text(line, at, size, INK, face="serif", most_mm=right - left - 2.4)


def _bordered(random: Generator, game: Game, grid: Grid, sources: Sequence[np.ndarray]) -> Design:
    """Border, marbled frame, title, art window, type line, a box of rules, strength in the corner."""
    width, height = grid.size.width_mm, grid.size.height_mm
    border = BORDERS[random.integers(len(BORDERS))]
    frame_colour = FRAMES[random.integers(len(FRAMES))]
    rim = float(random.uniform(2.6, 3.6))
    sheet = Sheet.blank(grid, border)
    neighbours(sheet, rim, frame_colour)
    frame = _inside(grid, rim)
    marbled(random, sheet, frame, frame_colour, 0.5)
    if random.random() < 0.6:
        sheet.outline(frame, darker(frame_colour), 0.25)
    window = (rim + 3.0, rim + 6.2, width - rim - 3.0, height * float(random.uniform(0.53, 0.58)))
    sheet.picture(window, shown(random, sources, sheet.size_px(window)))
    sheet.outline(window, INK, 0.3)
    title = creature_name(random)
    bar = (rim + 1.6, rim + 1.2, width - rim - 1.6, rim + 5.4)
    sheet.tint(bar, CREAM, 0.55)
    sheet.outline(bar, darker(frame_colour), 0.2)
    sheet.text(title, (bar[0] + 1.2, rim + 3.4), 3.4, INK, face="serif_bold", most_mm=width - 2 * rim - 14)
    sheet.text(str(random.integers(1, 9)), (bar[2] - 1.4, rim + 3.4), 3.4, INK, face="bold", align="right")
    kind = (bar[0], window[3] + 0.8, bar[2], window[3] + 4.6)
    sheet.tint(kind, CREAM, 0.5)
    kind_words = f"{one_of(random, KINDS)} - {one_of(random, KINDS)}"
    sheet.text(kind_words, (kind[0] + 1.2, (kind[1] + kind[3]) / 2), 2.7, INK, face="serif_bold")
    box = (rim + 3.0, kind[3] + 0.8, width - rim - 3.0, height - rim - 5.0)
    sheet.fill(box, PAPER)
    sheet.outline(box, darker(frame_colour), 0.2)
    _rules_box(random, sheet, box, int(random.integers(3, 7)))
    might = (width - rim - 12.0, height - rim - 5.6, width - rim - 1.6, height - rim - 1.4)
    sheet.fill(might, CREAM)
    sheet.outline(might, INK, 0.25)
    middle = ((might[0] + might[2]) / 2, (might[1] + might[3]) / 2)
    words = f"{random.integers(1, 9)} / {random.integers(1, 9)}"
    sheet.text(words, middle, 3.0, INK, face="serif_bold", align="middle")
    place = NumberPlace((rim + 2.0, height - rim - 2.4), 1.7, legible_on(frame_colour), "sans", "{number:03d}/{total}")
    real, _ = sheet.frame_mm(frame)
    return Design(game, sheet, real, title, place)


def _full_art(random: Generator, game: Game, grid: Grid, sources: Sequence[np.ndarray]) -> Design:
    """The picture runs off every edge; name and rules lie on it."""
    width, height = grid.size.width_mm, grid.size.height_mm
    sheet = Sheet.blank(grid, INK)
    sheet.rgb[:] = shown(random, sources, (sheet.rgb.shape[0], sheet.rgb.shape[1]))
    title = creature_name(random)
    sheet.tint((-BLEED_MM, 3.2, width * 0.78, 9.0), (14, 14, 24), 0.55)
    sheet.text(title, (3.6, 6.1), 4.2, (250, 248, 240), face="bold", most_mm=width * 0.72)
    box = (4.0, height * float(random.uniform(0.68, 0.76)), width - 4.0, height - 5.6)
    sheet.tint(box, CREAM if random.random() < 0.5 else (226, 232, 240), 0.72)
    _rules_box(random, sheet, box, int(random.integers(3, 5)))
    centre = sheet.px(width - 8.0, 7.4)
    radius = round(4.4 * grid.px_per_mm)
    cv2.circle(sheet.rgb, centre, radius, (232, 196, 80), -1, cv2.LINE_AA)
    cv2.circle(sheet.rgb, centre, radius, (60, 40, 20), max(1, radius // 10), cv2.LINE_AA)
    sheet.text(str(random.integers(1, 13)), (width - 8.0, 7.4), 5.0, INK, face="bold", align="middle")
    place = NumberPlace((4.2, height - 3.4), 1.8, (246, 246, 246), "mono", "SKB-{number:03d}")
    return Design(game, sheet, None, title, place)


def _vintage(random: Generator, game: Game, grid: Grid, sources: Sequence[np.ndarray]) -> Design:
    """White border, a ballplayer, a plate with name and team; printed a little unsharp on cardboard."""
    width, height = grid.size.width_mm, grid.size.height_mm
    rim = float(random.uniform(2.8, 4.0))
    paper: Colour = (239, 233, 216) if random.random() < 0.75 else (222, 208, 180)
    sheet = Sheet.blank(grid, paper)
    accent = FRAMES[random.integers(len(FRAMES))]
    frame = _inside(grid, rim)
    neighbours(sheet, rim, accent)
    sheet.picture(frame, shown(random, sources, sheet.size_px(frame), draw_player))
    sheet.outline(frame, darker(accent) if random.random() < 0.5 else INK, 0.3)
    title = player_name(random)
    team = one_of(random, TEAMS)
    plate_top = height - rim - float(random.uniform(9, 13))
    plate = (rim, plate_top, width - rim, height - rim)
    bright: Colour = ((214, 60, 48), (240, 204, 70), (44, 92, 160), (60, 130, 84), paper)[random.integers(5)]
    sheet.fill(plate, bright)
    sheet.outline(plate, INK, 0.3)
    letters = legible_on(bright)
    sheet.text(title.upper(), (rim + 2.0, plate_top + 3.6), 4.6, letters, face="bold", most_mm=width - 2 * rim - 4)
    sheet.text(team, (rim + 2.0, plate_top + 7.4), 2.6, letters, face="serif", most_mm=30)
    field_place = one_of(random, PLACES_ON_FIELD)
    sheet.text(field_place, (width - rim - 2.0, plate_top + 7.4), 2.3, letters, face="serif_bold", align="right")
    sheet.rgb[:] = cv2.GaussianBlur(sheet.rgb, (0, 0), 0.7)
    add_grain(random, sheet.rgb, "dots", 5.0)
    place = NumberPlace((rim + 1.6, rim + 2.6), 2.4, (250, 250, 244), "bold", "{number}")
    real, _ = sheet.frame_mm(frame)
    return Design(game, sheet, real, title, place)


def _foil(random: Generator, game: Game, grid: Grid, sources: Sequence[np.ndarray]) -> Design:
    """A bright border, a name, stars, a window of foil with the picture on it, two moves."""
    width, height = grid.size.width_mm, grid.size.height_mm
    border: Colour = ((236, 200, 60), (196, 198, 204), (60, 92, 170), (150, 52, 44))[random.integers(4)]
    body: Colour = ((250, 224, 160), (190, 220, 236), (206, 232, 196), (240, 206, 200))[random.integers(4)]
    rim = float(random.uniform(2.4, 3.2))
    sheet = Sheet.blank(grid, border)
    neighbours(sheet, rim, body)
    frame = _inside(grid, rim)
    marbled(random, sheet, frame, body, 0.25)
    window = (rim + 2.6, rim + 9.4, width - rim - 2.6, height * 0.56)
    sheet.picture(window, shown(random, sources, sheet.size_px(window)))
    title = creature_name(random)
    sheet.text(title, (rim + 2.6, rim + 3.8), 4.0, INK, face="bold", most_mm=width - 2 * rim - 18)
    strength = f"{10 * int(random.integers(3, 22))} HP"
    sheet.text(strength, (width - rim - 2.6, rim + 3.8), 3.2, (190, 40, 36), face="bold", align="right")
    for star in range(int(random.integers(1, 8))):
        _star(sheet, (rim + 4.0 + 3.6 * star, rim + 7.5), 1.5)
    sheet.outline(window, (212, 176, 70), 0.7)
    for move in range(2):
        y = window[3] + 4.5 + move * (height - rim - window[3] - 8) / 2
        for spot in range(int(random.integers(1, 4))):
            centre = sheet.px(rim + 4.4 + 3.4 * spot, y)
            cv2.circle(sheet.rgb, centre, round(1.5 * grid.px_per_mm), (200, 90, 60), -1, cv2.LINE_AA)
        sheet.text(creature_name(random), (rim + 15.5, y), 3.4, INK, face="bold", most_mm=width - 2 * rim - 27)
        power = str(10 * int(random.integers(1, 13)))
        sheet.text(power, (width - rim - 3, y), 3.8, INK, face="bold", align="right")
        sheet.text(
            sentences(random, RULES, 1)[0], (rim + 3.2, y + 4.4), 2.2, INK, face="serif", most_mm=width - 2 * rim - 6.4
        )
    place = NumberPlace((rim + 2.6, height - rim - 1.9), 1.8, INK, "sans", "LUM-{number:03d}")
    real, _ = sheet.frame_mm(frame)
    shine = foil.draw_foil(random, sheet, window)
    return Design(game, sheet, real, title, place, shine)


def _star(sheet: Sheet, at: tuple[float, float], radius_mm: float) -> None:
    turn = np.arange(10) * np.pi / 5 - np.pi / 2
    reach = np.where(np.arange(10) % 2 == 0, radius_mm, radius_mm * 0.45) * sheet.grid.px_per_mm
    points = np.column_stack([np.cos(turn), np.sin(turn)]) * reach[:, None] + sheet.px(*at)
    cv2.fillPoly(sheet.rgb, [np.rint(points).astype(np.int32)], (226, 150, 30), cv2.LINE_AA)
