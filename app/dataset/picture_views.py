"""Pictures of the Dataset tab: the extremes of what was measured on import, and the slabs among the graded ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.dataset.gallery import thumbnails
from app.settings import DataFolder
from db.card_counts import MeasuredPicture, Measurement, extreme_pictures, kinds_of_graded_pictures
from db.session import Database, Session

PICTURES_SHOWN = 8


@dataclass(frozen=True)
class Extreme:
    """A measurement and the end of its range that is shown."""

    title: str
    measurement: Measurement
    highest_first: bool


EXTREMES: dict[str, Extreme] = {
    "blurriest": Extreme("Most blurred", "sharpness", False),
    "darkest": Extreme("Darkest", "exposure", False),
    "brightest": Extreme("Brightest", "exposure", True),
    "glare": Extreme("Most glare", "glare", True),
    "smallest": Extreme("Smallest", "pixels", False),
    "sharpest": Extreme("Sharpest", "sharpness", True),
}


def extremes(database: Database, data: DataFolder, name: str) -> dict[str, Any]:
    """The title of an extreme, and its pictures as {card_id, side, text, url, problem}."""
    extreme = EXTREMES[name]
    with database.reading() as session:
        found = extreme_pictures(
            session,
            measurement=extreme.measurement,
            highest_first=extreme.highest_first,
            limit=PICTURES_SHOWN,
        )
    if extreme.measurement == "glare":
        found = [row for row in found if row.value > 0]
    shown = thumbnails(database, data, [row.picture for row in found])
    return {
        "title": extreme.title,
        "pictures": [
            {"card_id": row.card_id, "side": row.side, "text": _value_text(extreme, row), **shown[row.picture.id]}
            for row in found
        ],
    }


def _value_text(extreme: Extreme, row: MeasuredPicture) -> str:
    if extreme.measurement == "pixels":
        return f"{row.picture.width} × {row.picture.height} pixels"
    name = {"sharpness": "sharpness", "exposure": "lightness", "glare": "glare on"}[extreme.measurement]
    return f"{name} {row.value:.0%}"


def slabs(session: Session) -> dict[str, Any]:
    """Row ids of the cards known to be pictured in a slab, and the number of cards of which that is known at all."""
    rows = kinds_of_graded_pictures(session)
    return {"ids": [card_id for card_id, *kinds in rows if "slab" in kinds], "known": len(rows)}
