"""A card as the labeling desk shows it: its pictures, its label and history, and close-ups of its corners."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
from PIL import Image

from app.labels.card_names import card_key, label_text
from app.labels.previews import preview_file
from app.settings import DataFolder, UserError
from db import labels
from db.schema import Card, LabelEvent, Side
from db.session import Database
from engine.storage.atomic import atomic_write
from labeling.picture_files import PictureLocation, find_pictures, locate_pictures

CORNER_MM, AROUND_MM = 8.0, 1.0
MAX_CORNER_PX_PER_MM = 40.0
GAP_PX = 6


def shown_cards(
    database: Database, data: DataFolder, cards: Sequence[Card], *, blind: bool = False
) -> list[dict[str, Any]]:
    """Cards as JSON for the page.

    blind  without label and history: they shall not lead a second labeler
    """
    with database.reading() as session:
        histories = [labels.label_history(session, card_id=card.id) for card in cards]
        current = [labels.current_label(session, card_id=card.id) for card in cards]
    locations = find_pictures(database, [picture for card in cards for picture in card.pictures])
    return [
        _shown_card(data, card, history, label, locations, blind)
        for card, history, label in zip(cards, histories, current, strict=True)
    ]


def _shown_card(
    data: DataFolder,
    card: Card,
    history: Sequence[LabelEvent],
    label: LabelEvent | None,
    locations: dict[int, PictureLocation],
    blind: bool,
) -> dict[str, Any]:
    sides: dict[str, Any] = {}
    problems = []
    for name, side in sides_of(card).items():
        if side is None:
            sides[name] = None
            continue
        path, problem = preview_file(side, locations[side.id], data)
        problems += [problem] if problem else []
        sides[name] = {"url": None if path is None else file_url(path), "px": [side.width, side.height]}
    events = [] if blind else history
    return {
        "id": card.id,
        "key": card_key(card),
        "name": card.name,
        "front_sha256": None if card.front is None else card.front.sha256,
        "label": "" if blind else label_text(label),
        "unsure": label is not None and label.unsure,
        "blind": blind,
        "facts": ", ".join(filter(None, [card.game, card.cert and f"certificate {card.cert}", card.notes])),
        "problems": problems,
        **sides,
        "last_event": history[-1].id if history else 0,
        "history": [_event(event) for event in reversed(events)],
    }


def _event(event: LabelEvent) -> dict[str, Any]:
    """A label event; the page shows its time as that of its own clock's time zone."""
    if event.returned:
        source = "returned by the grading company"
    else:
        source = "imported" if event.source == "import" else "by hand"
    return {
        "at": event.created_at.isoformat(),
        "source": source,
        "author": event.author,
        "note": event.note,
        "label": label_text(event),
        "unsure": event.unsure,
    }


def full_picture(database: Database, data: DataFolder, card: Card, side: Side) -> str:
    """URL of a side with all its pixels. Raises UserError without such a picture."""
    picture = sides_of(card)[side]
    if picture is None:
        raise UserError(f"the card has no {side}")
    path, problem = preview_file(picture, find_pictures(database, [picture])[picture.id], data, size="full")
    if path is None:
        raise UserError(problem)
    return file_url(path)


def corner_close_ups(database: Database, data: DataFolder, card: Card) -> dict[str, Any]:
    """The four corners of each side as one picture: {side: {url}}, and in `problems` why a side has none."""
    from engine.detection.read_and_find import read_and_find  # noqa: PLC0415 - loads torch
    from engine.image.detection import NoCard  # noqa: PLC0415

    answer: dict[str, Any] = {"problems": []}
    for name, side in sides_of(card).items():
        if side is None:
            continue
        target = data.shown / f"{side.sha256}-corners.png"
        if not target.exists():
            location = locate_pictures(database, [side])[side.id]
            if location.reason:
                answer["problems"].append(location.reason)
                continue
            try:
                rgb, detection = read_and_find(location.path)
            except NoCard as error:
                answer["problems"].append(str(error))
                continue
            _write(target, corner_sheet(rgb, detection.quad))
        answer[name] = {"url": file_url(str(target))}
    return answer


def corner_sheet(rgb: np.ndarray, quad: np.ndarray) -> np.ndarray:
    """The corners of a card, 8 mm each with 1 mm around them, at the resolution of the picture.

    rgb      (H, W, 3) uint8
    quad     (4, 2) pixels, clockwise from the printed top left
    returns  (2 s + 6, 2 s + 6, 3) uint8: each corner in its place, s pixels wide and high
    """
    from engine.image.rectify import card_size, finest_px_per_mm, rectify  # noqa: PLC0415

    size = card_size(quad, picture_size=rgb.shape[:2])
    density = min(finest_px_per_mm(quad, size), MAX_CORNER_PX_PER_MM)
    width, height = size.width_mm, size.height_mm
    card_mm = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    to_picture = cv2.getPerspectiveTransform(card_mm, quad.astype(np.float32))
    low, far = -AROUND_MM, AROUND_MM - CORNER_MM
    side_px = max(1, round((CORNER_MM + AROUND_MM) * density))
    sheet = np.zeros((2 * side_px + GAP_PX, 2 * side_px + GAP_PX, 3), np.uint8)
    for row, top in enumerate((low, height + far)):
        for column, left in enumerate((low, width + far)):
            right, bottom = left + CORNER_MM + AROUND_MM, top + CORNER_MM + AROUND_MM
            box = np.array([[(left, top), (right, top), (right, bottom), (left, bottom)]], np.float32)
            corner = rectify(rgb, cv2.perspectiveTransform(box, to_picture)[0].astype(float), size=(side_px, side_px))
            y, x = (index * (side_px + GAP_PX) for index in (row, column))
            sheet[y : y + side_px, x : x + side_px] = corner
    return sheet


def _write(target: Path, picture: np.ndarray) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as part:
        Image.fromarray(picture).save(part, "PNG")


def sides_of(card: Card) -> dict[Side, Any]:
    """The picture of each side, None without one."""
    return {"front": card.front, "back": card.back}


def file_url(path: str) -> str:
    """The address of a preview, from which a page loads it."""
    return f"gradio_api/file={quote(path)}"
