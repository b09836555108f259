"""The PSA scale: its order and names, half grades and qualifiers, and what of it a model may be trained on."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.errors import BadInput

GRADES: tuple[int, ...] = tuple(range(1, 11))
NAMES: dict[float, str] = {
    1: "Poor",
    1.5: "Fair",
    2: "Good",
    3: "Very Good",
    4: "VG-EX",
    5: "Excellent",
    6: "EX-MT",
    7: "Near Mint",
    8: "NM-MT",
    9: "Mint",
    10: "Gem Mint",
}
HALF_GRADES: tuple[float, ...] = tuple(g + 0.5 for g in range(1, 9))
QUALIFIERS: dict[str, str] = {
    "OC": "off-centre",
    "MC": "miscut",
    "MK": "marked",
    "ST": "stained",
    "PD": "print defect",
    "OF": "out of focus",
}
NO_GRADES: dict[str, str] = {
    "AUTHENTIC": "authentic, without a grade",
    "ALTERED": "authentic, altered",
    "N1": "trimmed",
    "N2": "restored",
    "N3": "recoloured",
    "N4": "questionable authenticity",
    "N5": "altered stock",
    "N6": "below minimum size",
    "N7": "cleaned",
    "N8": "miscut beyond grading",
    "N9": "not gradable",
}
WRITTEN = re.compile(r"(?:PSA\s*)?([0-9]+(?:\.[0-9]*)?)", re.IGNORECASE)


class BadGrade(BadInput):
    """A grade or qualifier that the PSA scale does not know."""


@dataclass(frozen=True)
class LeftOut:
    """Why a recorded label is no training target, as a phrase that follows "left out: "."""

    reason: str


def parse_grade(text: str | float | None) -> float | None:
    """Read a grade as people write it: "9", "8.5", "PSA 10", or empty for none.

    Raises BadGrade where the value is not on the scale (1 to 10 in halves, no 9.5).
    """
    written = "" if text is None else str(text).strip()
    if not written:
        return None
    number = WRITTEN.fullmatch(written)
    grade = float(number[1]) if number else float("nan")
    if grade not in GRADES and grade not in HALF_GRADES:
        raise BadGrade(f"grade {written!r} is not on the PSA scale; use 1 to 10, or a half grade from 1.5 to 8.5")
    return grade


def parse_qualifier(text: str | None) -> str | None:
    """Read a qualifier ("oc") or a no-grade ("Authentic", "N1"), or empty for none; raises BadGrade for others."""
    word = (text or "").strip().upper()
    if not word:
        return None
    if word not in QUALIFIERS and word not in NO_GRADES:
        known = ", ".join([*QUALIFIERS, *NO_GRADES])
        raise BadGrade(f"qualifier {text!r} is not known; use one of {known}")
    return word


def grade_name(grade: float) -> str:
    """The name PSA prints for a grade: 9 -> "Mint", 8.5 -> "NM-MT+"."""
    return NAMES.get(grade) or f"{NAMES[int(grade)]}+"


def training_target(grade: float | None, qualifier: str | None) -> int | LeftOut:
    """The model's class for a recorded label, 1 to 10, or why it has none.

    A half grade trains as the whole grade below it: PSA gives the half point to a card that meets that whole
    grade's standard at its high end. 8.5 -> 8. A qualified or ungraded card is left out: its number describes
    what the card would be without the flaw the picture shows.
    """
    if qualifier in NO_GRADES:
        return LeftOut(f"no grade given ({NO_GRADES[qualifier]})")
    if qualifier is not None:
        return LeftOut(f"qualified {qualifier} ({QUALIFIERS[qualifier]}): the grade ignores that flaw")
    if grade is None:
        return LeftOut("not labelled")
    return int(grade)
