"""Backs: one for each game, the same on all its cards for every seed."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator, default_rng

from engine.simulate.print.design import Design, fill_marbled, print_neighbors
from engine.simulate.print.games import Game, Grid, Layout
from engine.simulate.print.lettering import CAREER_WORDS, Color, FontFace, sentences
from engine.simulate.print.noise import add_grain
from engine.simulate.print.sheet import Box, Sheet


def draw_back(game: Game, grid: Grid) -> Design:
    """Draw a game's back at the grid's resolution."""
    random = default_rng([11, *game.name.encode()])
    draw_functions: dict[Layout, Callable[[Generator, Sheet], Box]] = {
        "bordered": _draw_oval,
        "full_art": _draw_rays,
        "vintage": _draw_statistics,
        "foil": _draw_whirl,
    }
    sheet = Sheet.blank(grid, (0, 0, 0))
    frame, _ = sheet.snap_to_pixels(draw_functions[game.layout](random, sheet))
    return Design(game, sheet, frame, f"{game.name} back")


def _fill_frame(sheet: Sheet, border_color: Color, frame_color: Color, border_mm: float) -> Box:
    sheet.rgb[:] = border_color
    print_neighbors(sheet, border_mm, frame_color)
    return (border_mm, border_mm, sheet.grid.size.width_mm - border_mm, sheet.grid.size.height_mm - border_mm)


def _centre(sheet: Sheet) -> tuple[tuple[int, int], float, float]:
    """Centre of the card in pixels of the sheet, and half its width and height in pixels."""
    width, height = sheet.grid.size.width_mm, sheet.grid.size.height_mm
    return sheet.to_px(width / 2, height / 2), width / 2 * sheet.grid.px_per_mm, height / 2 * sheet.grid.px_per_mm


def _draw_oval(random: Generator, sheet: Sheet) -> Box:
    """Dark border, brown leather, a large oval with the game's name."""
    width, height = sheet.grid.size.width_mm, sheet.grid.size.height_mm
    frame = _fill_frame(sheet, (26, 24, 34), (70, 50, 36), 3.4)
    fill_marbled(random, sheet, frame, (84, 60, 42), 0.9)
    inner = (frame[0] + 1.6, frame[1] + 1.6, frame[2] - 1.6, frame[3] - 1.6)
    sheet.draw_outline(inner, (166, 132, 84), 0.35)
    centre, half_width, half_height = _centre(sheet)
    axes = (round(half_width * 0.78), round(half_height * 0.8))
    cv2.ellipse(sheet.rgb, centre, axes, 0, 0, 360, (150, 92, 62), -1, cv2.LINE_AA)
    cv2.ellipse(sheet.rgb, centre, axes, 0, 0, 360, (72, 74, 150), round(half_width / 26), cv2.LINE_AA)
    for spot, color in enumerate(((210, 80, 60), (70, 120, 200), (90, 160, 90), (225, 215, 170), (60, 54, 60))):
        turn = spot * 2 * np.pi / 5 - np.pi / 2
        position = (
            centre[0] + round(half_width * 0.3 * np.cos(turn)),
            centre[1] + round(half_width * 0.3 * np.sin(turn)),
        )
        cv2.circle(sheet.rgb, position, round(half_width / 14), color, -1, cv2.LINE_AA)
        cv2.circle(
            sheet.rgb, position, round(half_width / 14), (40, 26, 20), max(1, round(half_width / 90)), cv2.LINE_AA
        )
    sheet.write_text("WYRMFALL", (width / 2, height * 0.27), 9.0, (30, 22, 20), face="serif_bold", align="middle")
    sheet.write_text(
        "WYRMFALL", (width / 2 - 0.4, height * 0.27 - 0.4), 9.0, (120, 160, 200), face="serif_bold", align="middle"
    )
    sheet.write_text("THE CARD GAME", (width / 2, height * 0.72), 3.4, (236, 216, 180), face="serif", align="middle")
    for corner in ((frame[0] + 3.6, frame[1] + 3.6), (frame[2] - 3.6, frame[3] - 3.6)):
        cv2.circle(sheet.rgb, sheet.to_px(*corner), round(1.6 * sheet.grid.px_per_mm), (206, 92, 60), -1, cv2.LINE_AA)
    add_grain(random, sheet.rgb, "dots", 4.0)
    return frame


def _draw_rays(random: Generator, sheet: Sheet) -> Box:
    """Navy border, rays of two blues from the centre, a medallion."""
    width, height = sheet.grid.size.width_mm, sheet.grid.size.height_mm
    frame = _fill_frame(sheet, (18, 28, 64), (44, 84, 150), 2.8)
    rows, columns = sheet.window(frame)
    part = sheet.rgb[rows, columns]
    y, x = np.mgrid[0 : part.shape[0], 0 : part.shape[1]].astype(np.float32)
    turn = np.arctan2(y - part.shape[0] / 2, x - part.shape[1] / 2)
    blade = (np.sin(turn * 24) > 0).astype(np.float32)[..., None]
    reach = np.hypot(y - part.shape[0] / 2, x - part.shape[1] / 2)[..., None] / part.shape[0]
    colors = (np.float32(44) + np.array([0, 36, 100], np.float32)) * (1.2 - reach) + blade * np.float32(22)
    part[:] = np.clip(colors, 0, 255).astype(np.uint8)
    sheet.draw_outline((frame[0] + 1.0, frame[1] + 1.0, frame[2] - 1.0, frame[3] - 1.0), (222, 206, 150), 0.3)
    centre, half_width, _ = _centre(sheet)
    for radius_fraction, color in (
        (0.56, (222, 206, 150)),
        (0.53, (20, 34, 84)),
        (0.44, (60, 120, 190)),
        (0.4, (230, 236, 244)),
    ):
        cv2.circle(sheet.rgb, centre, round(half_width * radius_fraction), color, -1, cv2.LINE_AA)
    for side in (-1, 1):
        wing = np.array([(0, -6), (7, -2), (9, 5), (3, 2), (0, 9)], np.float64) * (
            side * half_width / 28,
            half_width / 28,
        )
        cv2.fillPoly(sheet.rgb, [np.rint(wing + centre).astype(np.int32)], (40, 84, 160), cv2.LINE_AA)
    sheet.write_text("SKYBOUND", (width / 2, height * 0.15), 7.0, (240, 240, 250), face="bold", align="middle")
    sheet.write_text("SKYBOUND", (width / 2, height * 0.86), 7.0, (240, 240, 250), face="bold", align="middle")
    add_grain(random, sheet.rgb, "white", 2.0)
    return frame


def _draw_statistics(random: Generator, sheet: Sheet) -> Box:
    """Cardboard printed in red and black: a heading, a table of figures, a few lines of text."""
    width = sheet.grid.size.width_mm
    frame = _fill_frame(sheet, (196, 182, 156), (150, 60, 50), 3.6)
    sheet.fill(frame, (205, 192, 166))
    sheet.draw_outline(frame, (140, 48, 42), 0.5)
    left, top, right, bottom = frame
    sheet.fill((left, top, right, top + 11), (156, 56, 48))
    sheet.write_text(
        "SANDLOT HEROES", ((left + right) / 2, top + 4.2), 4.4, (228, 216, 190), face="bold", align="middle"
    )
    sheet.write_text(
        "SERIES OF ONE HUNDRED", ((left + right) / 2, top + 8.6), 2.2, (228, 216, 190), face="serif", align="middle"
    )
    ink: Color = (52, 40, 38)
    for row in range(11):
        y = top + 15.5 + 3.1 * row
        for column in range(7):
            text = ("YEAR", "G", "AB", "R", "H", "HR", "AVG")[column] if row == 0 else _statistic(random, column, row)
            face: FontFace = "serif_bold" if row == 0 else "serif"
            sheet.write_text(text, (left + 6 + column * (right - left - 8) / 7, y), 2.2, ink, face=face, align="middle")
    sheet.fill((left + 2, top + 50.5, right - 2, top + 50.9), (140, 48, 42))
    for row, line in enumerate(sentences(random, CAREER_WORDS, 6)):
        sheet.write_text(line, (left + 3, top + 54.5 + 3.4 * row), 2.5, ink, face="serif", max_width_mm=width - 14)
    sheet.write_text(
        "PRINTED ON STOUT CARDBOARD", ((left + right) / 2, bottom - 3), 1.9, ink, face="serif", align="middle"
    )
    add_grain(random, sheet.rgb, "fibre", 5.0)
    return frame


def _statistic(random: Generator, column: int, row: int) -> str:
    if column == 0:
        return str(1946 + row)
    if column == 6:
        return f".{random.integers(212, 345)}"
    return str(random.integers(*((0, 1), (60, 154), (200, 600), (20, 110), (50, 200), (0, 38))[column]))


def _draw_whirl(random: Generator, sheet: Sheet) -> Box:
    """A brown whirl in a lighter border, a dark oval, the game's name twice."""
    width, height = sheet.grid.size.width_mm, sheet.grid.size.height_mm
    frame = _fill_frame(sheet, (116, 60, 30), (196, 130, 60), 2.6)
    rows, columns = sheet.window(frame)
    part = sheet.rgb[rows, columns]
    y, x = np.mgrid[0 : part.shape[0], 0 : part.shape[1]].astype(np.float32)
    down, across = (y - part.shape[0] / 2) / part.shape[0], (x - part.shape[1] / 2) / part.shape[0]
    arm = np.sin(np.arctan2(down, across) * 3 + np.hypot(down, across) * 26)[..., None]
    part[:] = np.clip(np.array([188, 120, 58], np.float32) * (1 + 0.28 * arm), 0, 255).astype(np.uint8)
    sheet.draw_outline(frame, (64, 30, 14), 0.4)
    centre, half_width, half_height = _centre(sheet)
    axes = (round(half_width * 0.52), round(half_height * 0.46))
    cv2.ellipse(sheet.rgb, centre, axes, 0, 0, 360, (24, 14, 12), -1, cv2.LINE_AA)
    cv2.ellipse(sheet.rgb, centre, axes, 0, 0, 360, (230, 190, 110), round(half_width / 30), cv2.LINE_AA)
    for height_fraction in (0.12, 0.88):
        sheet.write_text(
            "LUMEN DUEL", (width / 2, height * height_fraction), 5.4, (250, 226, 160), face="bold", align="middle"
        )
    add_grain(random, sheet.rgb, "white", 3.0)
    return frame
