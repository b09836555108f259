"""Report of graded cards as one HTML file: a page per card, pictures embedded, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from app.collection.collection_text import percent
from app.models.calibration_report import grade_range
from app.report.embedded_pictures import Pictures
from engine.cards.grades import grade_name, with_article
from engine.cards.rubric import Side
from engine.inference.model_card import ModelCard
from engine.measure.centering.ceiling import as_sentence
from engine.measure.findings.findings import cost_text
from engine.storage.atomic import atomic_write

# More would not fit on one page; the JSON has all of them.
MAX_FINDINGS, MAX_REASONS, MAX_LIMITS = 6, 6, 4
TEMPLATES = Path(__file__).parent
PAGES_MARK = "<!-- pages -->"
SIDES: tuple[Side, Side] = ("front", "back")
PICTURE_NAMES = {
    "measured": "lines and findings",
    "quad": "picture with outline",
    "overlay": "what lowers the grade",
}
NO_MODEL = "No grading model: the card was measured, not graded."


def card_page(name: str, report: Mapping[str, Any], pictures: Pictures, model: ModelCard | None) -> str:
    """The HTML of a card's page, to be added to a `ReportFile`.

    report    the JSON of `grade`
    pictures  see `embedded_pictures`
    model     card of the model, if it has one
    """
    return _template("card.html").render(
        name=name,
        verdict=_verdict(report),
        chances=_chances(report["probabilities"]),
        subgrades=[_subgrade(name, subgrade) for name, subgrade in report["subgrades"].items()],
        sides=[_side(side, report[side], pictures.get(side, {})) for side in SIDES],
        ceiling=_ceiling(report),
        reasons=[as_sentence(reason) for reason in report["reasons"][:MAX_REASONS]],
        model=_model(report["model"], model),
        made_on=_day(date.today()),
        version=version("loupe"),
    )


class ReportFile:
    """A report that is being written, see `report_file`."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._failures: list[tuple[str, str]] = []

    def add_page(self, page: str) -> None:
        """Add the HTML of `card_page`."""
        self._file.write(page)

    def add_failure(self, name: str, sentence: str) -> None:
        """Add a card that could not be graded to the list on the last page."""
        self._failures.append((name, sentence))

    def finish(self) -> None:
        """Write the list of failures, if there are any."""
        if self._failures:
            self._file.write(_template("failures.html").render(failures=self._failures))


@contextmanager
def report_file(path: Path) -> Iterator[ReportFile]:
    """Write a report to a file, atomically and page by page. Raises DiskFull."""
    head, foot = (TEMPLATES / "report.html").read_text(encoding="utf-8").split(PAGES_MARK)
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(head)
        report = ReportFile(file)
        yield report
        report.finish()
        file.write(foot)


@cache
def _template(name: str) -> Template:
    # All values are escaped: names of cards and sentences of models are other people's text.
    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined).get_template(
        name
    )


def _verdict(report: Mapping[str, Any]) -> dict[str, str]:
    """Grade, its name, and the range below."""
    if report["grade"] is None:
        return {"grade": "–", "name": "No grade", "range": ""}
    name, interval = grade_name(report["grade"]), report["interval"]
    text = f"{100 * interval['coverage']:.4g} % range: {grade_range(interval['low'], interval['high'])}"
    if report["abstained"]:
        return {"grade": "?", "name": "Not graded: too uncertain", "range": f"Most likely {report['grade']}. {text}"}
    return {"grade": str(report["grade"]), "name": name, "range": text}


def _chances(probabilities: Sequence[float] | None) -> str:
    if probabilities is None:
        return ""
    return f"Chance of a 10: {percent(probabilities[-1])}. Chance of a 9 or better: {percent(sum(probabilities[-2:]))}."


def _subgrade(name: str, subgrade: Mapping[str, Any]) -> dict[str, str]:
    if subgrade["grade"] is None:
        return {"name": name.capitalize(), "grade": "–", "range": f"not measured, because {subgrade['reason']}"}
    low, high = subgrade["low"], subgrade["high"]
    return {"name": name.capitalize(), "grade": str(subgrade["grade"]), "range": f"range {grade_range(low, high)}"}


def _side(name: str, side: Mapping[str, Any] | None, pictures: Mapping[str, str]) -> dict[str, Any]:
    title = name.capitalize()
    if side is None:
        return {"name": title, "pictures": [], "centering": "No picture of this side.", "findings": None, "more": 0}
    named = [
        {"source": pictures[key], "label": label, "key": key} for key, label in PICTURE_NAMES.items() if key in pictures
    ]
    findings = side["findings"]
    return {
        "name": title,
        "pictures": named,
        "centering": _centering(side),
        "findings": [
            f"{finding['number']}. {_place(finding)}: {finding['what']}, {cost_text(finding['grades_lost'])}"
            for finding in findings[:MAX_FINDINGS]
        ],
        "more": max(0, len(findings) - MAX_FINDINGS),
    }


def _place(finding: Mapping[str, Any]) -> str:
    return str(finding["place"]).capitalize()


def _centering(side: Mapping[str, Any]) -> str:
    """Borders in percent, with the uncertainty, and in millimeters; or the reason why they are not measured."""
    centering = side["centering"]
    if centering is None:
        return f"Centering not measured, because {side['centering_reason']}."
    borders = ", ".join(f"{name} {centering[f'{name}_mm']:.2f}" for name in ("left", "right", "top", "bottom"))
    return (
        f"Centering {centering['lr_written']} left/right, {centering['tb_written']} top/bottom "
        f"(± {max(centering['lr_uncertainty'], centering['tb_uncertainty']):.1f}). Borders in mm: {borders}."
    )


def _ceiling(report: Mapping[str, Any]) -> str:
    grade, reason = report["centering_ceiling"], as_sentence(report["ceiling_reason"])
    if grade is None:
        return reason
    verb = "may limit" if report["grade"] is not None and report["ceiling_applied"] is None else "limits"
    limit = "allows a 10" if grade == 10 else f"{verb} this card to {with_article(grade)}"
    return f"Centering {limit}. {reason}"


def _model(identity: Mapping[str, Any] | None, card: ModelCard | None) -> list[str]:
    """Name, hash and training data of the model, and its known limits."""
    if identity is None:
        return [NO_MODEL]
    learned_from = identity["trained_on"] if card is None else card.learned_from
    head = f"Model {identity['name']} ({identity['sha256'][:12]}), trained on {learned_from.rstrip('.')}."
    return [head, *([] if card is None else card.limits[:MAX_LIMITS])]


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
