"""Queries for line corrections of a card's edges and printed frame: append-only, the latest is current."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.schema import Lines, LinesEvent, Points, Side


def add_lines(
    session: Session,
    *,
    picture_sha256: str,
    side: Side,
    quad: Points,
    width_mm: float,
    height_mm: float,
    physical: Lines | None,
    printed: Lines | None,
    author: str,
) -> LinesEvent:
    """Record eight lines on a picture; neither physical nor printed: earlier lines are withdrawn."""
    event = LinesEvent(
        picture_sha256=picture_sha256,
        side=side,
        quad=quad,
        width_mm=width_mm,
        height_mm=height_mm,
        physical=physical,
        printed=printed,
        author=author,
    )
    session.add(event)
    session.flush()
    return event


def current_lines(session: Session) -> dict[tuple[str, Side], LinesEvent]:
    """The current lines by picture and side; withdrawn lines have no entry.

    Ordered by id, not by time: clocks can step back, ids cannot.
    """
    last = select(func.max(LinesEvent.id)).group_by(LinesEvent.picture_sha256, LinesEvent.side)
    current = select(LinesEvent).where(LinesEvent.id.in_(last), LinesEvent.physical.is_not(None))
    return {(event.picture_sha256, event.side): event for event in session.scalars(current)}
