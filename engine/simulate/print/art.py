"""Fronts in the layout of each game: bordered, full art, vintage and foil."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.random import Generator

from engine.simulate.print import foil
from engine.simulate.print.design import (
    INK,
    Design,
    NumberPrint,
    art_picture,
    darker,
    fill_marbled,
    print_neighbors,
    text_color_on,
)
from engine.simulate.print.games import Game, Grid, Layout
from engine.simulate.print.lettering import (
    CARD_TYPES,
    FIELD_POSITIONS,
    RULE_WORDS,
    TEAMS,
    Color,
    choose_word,
    creature_name,
    player_name,
    sentences,
)
from engine.simulate.print.noise import add_grain
from engine.simulate.print.players import draw_player
from engine.simulate.print.sheet import BLEED_MM, Box, Sheet

BAR_COLOR: Color = (243, 238, 226)
RULES_BOX_COLOR: Color = (238, 232, 214)
BORDER_COLORS: tuple[Color, ...] = (
    (20, 19, 20),
    (20, 19, 20),
    (236, 234, 228),
    (228, 186, 52),
    (62, 40, 30),
    (28, 42, 86),
    (168, 170, 176),
)
FRAME_COLORS: tuple[Color, ...] = (
    (150, 116, 78),
    (92, 112, 150),
    (110, 142, 96),
    (150, 84, 72),
    (190, 180, 158),
    (84, 78, 92),
)


def draw_design(random: Generator, game: Game, grid: Grid, sources: Sequence[np.ndarray] = ()) -> Design:
    """Draw a front of a game at the grid's resolution.

    sources  pictures (H, W, 3) uint8, one of which is used in place of a drawn one
    """
    draw_functions: dict[Layout, Callable[[Generator, Game, Grid, Sequence[np.ndarray]], Design]] = {
        "bordered": _draw_bordered,
        "full_art": _draw_full_art,
        "vintage": _draw_vintage,
        "foil": _draw_foil_card,
    }
    return draw_functions[game.layout](random, game, grid, sources)


def _inner_box(grid: Grid, border_mm: float) -> Box:
    return (border_mm, border_mm, grid.size.width_mm - border_mm, grid.size.height_mm - border_mm)


def _print_rules(random: Generator, sheet: Sheet, box: Box, lines: int) -> None:
    left, top, right, bottom = box
    pitch = (bottom - top - 1.6) / (lines + 1.2)
    size = min(2.35, pitch * 0.8)
    for row, line in enumerate(sentences(random, RULE_WORDS, lines)):
        position = (left + 1.4, top + 0.8 + pitch * (row + 0.6))
        sheet.write_text(line, position, size, INK, face="serif", max_width_mm=right - left - 2.4)


def _draw_bordered(random: Generator, game: Game, grid: Grid, sources: Sequence[np.ndarray]) -> Design:
    """Border, marbled frame, title, art window, type line, rules box, strength in the corner."""
    width, height = grid.size.width_mm, grid.size.height_mm
    border_color = BORDER_COLORS[random.integers(len(BORDER_COLORS))]
    frame_color = FRAME_COLORS[random.integers(len(FRAME_COLORS))]
    border_mm = float(random.uniform(2.6, 3.6))
    sheet = Sheet.blank(grid, border_color)
    print_neighbors(sheet, border_mm, frame_color)
    frame = _inner_box(grid, border_mm)
    fill_marbled(random, sheet, frame, frame_color, 0.5)
    if random.random() < 0.6:
        sheet.draw_outline(frame, darker(frame_color), 0.25)
    window = (border_mm + 3.0, border_mm + 6.2, width - border_mm - 3.0, height * float(random.uniform(0.53, 0.58)))
    sheet.paste_picture(window, art_picture(random, sources, sheet.size_px(window)))
    sheet.draw_outline(window, INK, 0.3)
    title = creature_name(random)
    bar = (border_mm + 1.6, border_mm + 1.2, width - border_mm - 1.6, border_mm + 5.4)
    sheet.tint(bar, BAR_COLOR, 0.55)
    sheet.draw_outline(bar, darker(frame_color), 0.2)
    sheet.write_text(
        title, (bar[0] + 1.2, border_mm + 3.4), 3.4, INK, face="serif_bold", max_width_mm=width - 2 * border_mm - 14
    )
    sheet.write_text(str(random.integers(1, 9)), (bar[2] - 1.4, border_mm + 3.4), 3.4, INK, face="bold", align="right")
    type_bar = (bar[0], window[3] + 0.8, bar[2], window[3] + 4.6)
    sheet.tint(type_bar, BAR_COLOR, 0.5)
    type_text = f"{choose_word(random, CARD_TYPES)} - {choose_word(random, CARD_TYPES)}"
    sheet.write_text(type_text, (type_bar[0] + 1.2, (type_bar[1] + type_bar[3]) / 2), 2.7, INK, face="serif_bold")
    box = (border_mm + 3.0, type_bar[3] + 0.8, width - border_mm - 3.0, height - border_mm - 5.0)
    sheet.fill(box, RULES_BOX_COLOR)
    sheet.draw_outline(box, darker(frame_color), 0.2)
    _print_rules(random, sheet, box, int(random.integers(3, 7)))
    strength_box = (
        width - border_mm - 12.0,
        height - border_mm - 5.6,
        width - border_mm - 1.6,
        height - border_mm - 1.4,
    )
    sheet.fill(strength_box, BAR_COLOR)
    sheet.draw_outline(strength_box, INK, 0.25)
    middle = ((strength_box[0] + strength_box[2]) / 2, (strength_box[1] + strength_box[3]) / 2)
    strength = f"{random.integers(1, 9)} / {random.integers(1, 9)}"
    sheet.write_text(strength, middle, 3.0, INK, face="serif_bold", align="middle")
    number_print = NumberPrint(
        (border_mm + 2.0, height - border_mm - 2.4), 1.7, text_color_on(frame_color), "sans", "{number:03d}/{total}"
    )
    printed_frame, _ = sheet.snap_to_pixels(frame)
    return Design(game, sheet, printed_frame, title, number_print)


def _draw_full_art(random: Generator, game: Game, grid: Grid, sources: Sequence[np.ndarray]) -> Design:
    """A picture over the whole card, with name and rules on top."""
    width, height = grid.size.width_mm, grid.size.height_mm
    sheet = Sheet.blank(grid, INK)
    sheet.rgb[:] = art_picture(random, sources, (sheet.rgb.shape[0], sheet.rgb.shape[1]))
    title = creature_name(random)
    sheet.tint((-BLEED_MM, 3.2, width * 0.78, 9.0), (14, 14, 24), 0.55)
    sheet.write_text(title, (3.6, 6.1), 4.2, (250, 248, 240), face="bold", max_width_mm=width * 0.72)
    box = (4.0, height * float(random.uniform(0.68, 0.76)), width - 4.0, height - 5.6)
    sheet.tint(box, BAR_COLOR if random.random() < 0.5 else (226, 232, 240), 0.72)
    _print_rules(random, sheet, box, int(random.integers(3, 5)))
    centre = sheet.to_px(width - 8.0, 7.4)
    radius = round(4.4 * grid.px_per_mm)
    cv2.circle(sheet.rgb, centre, radius, (232, 196, 80), -1, cv2.LINE_AA)
    cv2.circle(sheet.rgb, centre, radius, (60, 40, 20), max(1, radius // 10), cv2.LINE_AA)
    sheet.write_text(str(random.integers(1, 13)), (width - 8.0, 7.4), 5.0, INK, face="bold", align="middle")
    number_print = NumberPrint((4.2, height - 3.4), 1.8, (246, 246, 246), "mono", "SKB-{number:03d}")
    return Design(game, sheet, None, title, number_print)


def _draw_vintage(random: Generator, game: Game, grid: Grid, sources: Sequence[np.ndarray]) -> Design:
    """White border, a ballplayer, a plate with name and team; printed slightly blurred on cardboard."""
    width, height = grid.size.width_mm, grid.size.height_mm
    border_mm = float(random.uniform(2.8, 4.0))
    border_color: Color = (239, 233, 216) if random.random() < 0.75 else (222, 208, 180)
    sheet = Sheet.blank(grid, border_color)
    accent = FRAME_COLORS[random.integers(len(FRAME_COLORS))]
    frame = _inner_box(grid, border_mm)
    print_neighbors(sheet, border_mm, accent)
    sheet.paste_picture(frame, art_picture(random, sources, sheet.size_px(frame), draw_player))
    sheet.draw_outline(frame, darker(accent) if random.random() < 0.5 else INK, 0.3)
    title = player_name(random)
    team = choose_word(random, TEAMS)
    plate_top = height - border_mm - float(random.uniform(9, 13))
    plate = (border_mm, plate_top, width - border_mm, height - border_mm)
    plate_color: Color = ((214, 60, 48), (240, 204, 70), (44, 92, 160), (60, 130, 84), border_color)[random.integers(5)]
    sheet.fill(plate, plate_color)
    sheet.draw_outline(plate, INK, 0.3)
    text_color = text_color_on(plate_color)
    sheet.write_text(
        title.upper(),
        (border_mm + 2.0, plate_top + 3.6),
        4.6,
        text_color,
        face="bold",
        max_width_mm=width - 2 * border_mm - 4,
    )
    sheet.write_text(team, (border_mm + 2.0, plate_top + 7.4), 2.6, text_color, face="serif", max_width_mm=30)
    field_position = choose_word(random, FIELD_POSITIONS)
    sheet.write_text(
        field_position, (width - border_mm - 2.0, plate_top + 7.4), 2.3, text_color, face="serif_bold", align="right"
    )
    sheet.rgb[:] = cv2.GaussianBlur(sheet.rgb, (0, 0), 0.7)
    add_grain(random, sheet.rgb, "dots", 5.0)
    number_print = NumberPrint((border_mm + 1.6, border_mm + 2.6), 2.4, (250, 250, 244), "bold", "{number}")
    printed_frame, _ = sheet.snap_to_pixels(frame)
    return Design(game, sheet, printed_frame, title, number_print)


def _draw_foil_card(random: Generator, game: Game, grid: Grid, sources: Sequence[np.ndarray]) -> Design:
    """Bright border, name, stars, a foil window with the picture, two moves."""
    width, height = grid.size.width_mm, grid.size.height_mm
    border_color: Color = ((236, 200, 60), (196, 198, 204), (60, 92, 170), (150, 52, 44))[random.integers(4)]
    frame_color: Color = ((250, 224, 160), (190, 220, 236), (206, 232, 196), (240, 206, 200))[random.integers(4)]
    border_mm = float(random.uniform(2.4, 3.2))
    sheet = Sheet.blank(grid, border_color)
    print_neighbors(sheet, border_mm, frame_color)
    frame = _inner_box(grid, border_mm)
    fill_marbled(random, sheet, frame, frame_color, 0.25)
    window = (border_mm + 2.6, border_mm + 9.4, width - border_mm - 2.6, height * 0.56)
    sheet.paste_picture(window, art_picture(random, sources, sheet.size_px(window)))
    title = creature_name(random)
    sheet.write_text(
        title, (border_mm + 2.6, border_mm + 3.8), 4.0, INK, face="bold", max_width_mm=width - 2 * border_mm - 18
    )
    strength = f"{10 * int(random.integers(3, 22))} HP"
    sheet.write_text(
        strength, (width - border_mm - 2.6, border_mm + 3.8), 3.2, (190, 40, 36), face="bold", align="right"
    )
    for star in range(int(random.integers(1, 8))):
        _draw_star(sheet, (border_mm + 4.0 + 3.6 * star, border_mm + 7.5), 1.5)
    sheet.draw_outline(window, (212, 176, 70), 0.7)
    for move in range(2):
        y = window[3] + 4.5 + move * (height - border_mm - window[3] - 8) / 2
        for spot in range(int(random.integers(1, 4))):
            centre = sheet.to_px(border_mm + 4.4 + 3.4 * spot, y)
            cv2.circle(sheet.rgb, centre, round(1.5 * grid.px_per_mm), (200, 90, 60), -1, cv2.LINE_AA)
        sheet.write_text(
            creature_name(random), (border_mm + 15.5, y), 3.4, INK, face="bold", max_width_mm=width - 2 * border_mm - 27
        )
        power = str(10 * int(random.integers(1, 13)))
        sheet.write_text(power, (width - border_mm - 3, y), 3.8, INK, face="bold", align="right")
        sheet.write_text(
            sentences(random, RULE_WORDS, 1)[0],
            (border_mm + 3.2, y + 4.4),
            2.2,
            INK,
            face="serif",
            max_width_mm=width - 2 * border_mm - 6.4,
        )
    number_print = NumberPrint((border_mm + 2.6, height - border_mm - 1.9), 1.8, INK, "sans", "LUM-{number:03d}")
    printed_frame, _ = sheet.snap_to_pixels(frame)
    shine = foil.draw_foil_shine(random, sheet, window)
    return Design(game, sheet, printed_frame, title, number_print, shine)


def _draw_star(sheet: Sheet, centre_mm: tuple[float, float], radius_mm: float) -> None:
    turn = np.arange(10) * np.pi / 5 - np.pi / 2
    reach = np.where(np.arange(10) % 2 == 0, radius_mm, radius_mm * 0.45) * sheet.grid.px_per_mm
    points = np.column_stack([np.cos(turn), np.sin(turn)]) * reach[:, None] + sheet.to_px(*centre_mm)
    cv2.fillPoly(sheet.rgb, [np.rint(points).astype(np.int32)], (226, 150, 30), cv2.LINE_AA)
