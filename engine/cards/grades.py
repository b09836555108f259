"""The PSA scale: grades, half grades, qualifiers and training classes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.errors import BadInput

GRADES: tuple[int, ...] = tuple(range(1, 11))
GRADE_NAMES: dict[float, str] = {
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
# The words that PSA prints before the number, by the grade; a half grade has a "+".
LABEL_WORDS: dict[str, int | float] = {
    **{name.upper(): grade for grade, name in GRADE_NAMES.items()},
    **{"GEM MT": 10, "NM": 7, "EX": 5, "VG": 3, "PR": 1},
}
GRADE_PATTERN = re.compile(
    rf"(?:PSA\s*)?(?:(?P<words>{'|'.join(map(re.escape, LABEL_WORDS))})(?P<half>\+?)\s*)?"
    r"(?P<number>[0-9]+(?:[.,][0-9]*)?)",
    re.IGNORECASE,
)


def with_article(grade: int) -> str:
    """A grade in a sentence: "an 8", "a 9"."""
    return f"{'an' if grade == 8 else 'a'} {grade}"


class BadGrade(BadInput):
    """A grade or qualifier that is not on the PSA scale."""


@dataclass(frozen=True)
class NoTarget:
    """A label without a training class, and the reason as a phrase that follows "left out: "."""

    reason: str


def parse_grade(text: str | float | None) -> float | None:
    """Parse a grade as people write it: "9", "8.5", "8,5", "PSA 10", "GEM MT 10", or empty for none.

    Raises BadGrade if the value is not on the scale (1 to 10 in halves, no 9.5), or its words name another grade.
    """
    stripped = "" if text is None else str(text).strip()
    if not stripped:
        return None
    match = GRADE_PATTERN.fullmatch(stripped)
    grade = float(match["number"].replace(",", ".")) if match else float("nan")
    if match and match["words"] and LABEL_WORDS[match["words"].upper()] + (0.5 if match["half"] else 0) != grade:
        raise BadGrade(f"grade {stripped!r}: the words and the number name two grades; keep the right one")
    if grade not in GRADES and grade not in HALF_GRADES:
        raise BadGrade(f"grade {stripped!r} is not on the PSA scale; use 1 to 10, or a half grade from 1.5 to 8.5")
    return grade


def parse_qualifier(text: str | None) -> str | None:
    """Parse a qualifier ("oc") or a no-grade ("Authentic", "N1"), or empty for none; raises BadGrade for others."""
    code = (text or "").strip().upper()
    if not code:
        return None
    if code not in QUALIFIERS and code not in NO_GRADES:
        raise BadGrade(f"qualifier {text!r} is not known; use one of {', '.join([*QUALIFIERS, *NO_GRADES])}")
    return code


def check_label(grade: float | None, qualifier: str | None) -> None:
    """Check that PSA gives such labels; raises BadGrade.

    A qualifier stands beside a whole grade from 1 to 9: PSA gives no half grade and no 10 with one. A card without a
    numerical grade has a code in its place.
    """
    if qualifier in NO_GRADES and grade is not None:
        raise BadGrade(f"{qualifier} ({NO_GRADES[qualifier]}) comes without a grade; leave out the grade {grade:g}")
    if qualifier in QUALIFIERS and grade is None:
        raise BadGrade(f"{qualifier} ({QUALIFIERS[qualifier]}) qualifies a grade; choose the grade too")
    if qualifier in QUALIFIERS and (grade == 10 or grade not in GRADES):
        raise BadGrade(f"PSA gives no {grade:g} with the qualifier {qualifier}; use a whole grade from 1 to 9")


def grade_name(grade: float) -> str:
    """Name that PSA prints for a grade: 9 -> "Mint", 8.5 -> "NM-MT+"."""
    return GRADE_NAMES.get(grade) or f"{GRADE_NAMES[int(grade)]}+"


def training_target(grade: float | None, qualifier: str | None) -> int | NoTarget:
    """Training class of a label, 1 to 10, or NoTarget with the reason.

    A half grade trains as the whole grade below it (8.5 -> 8): PSA gives the half point to a card at the high end of
    that grade. A qualified or ungraded card is left out: its number ignores the flaw that the picture shows.
    """
    if qualifier in NO_GRADES:
        return NoTarget(f"no grade given ({NO_GRADES[qualifier]})")
    if qualifier is not None:
        return NoTarget(f"qualified {qualifier} ({QUALIFIERS[qualifier]}): the grade ignores that flaw")
    if grade is None:
        return NoTarget("not labelled")
    return int(grade)
