"""The printable report: every text is escaped, nothing is loaded, each card has its page."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.report.html_report import card_page, report_file
from engine.inference.model_card import ModelCard
from tests.app.card_factory import picture_of_card
from tests.commands import call

HOSTILE = "</h1><script>alert('x')</script> & \"quoted\""


class Reader(HTMLParser):
    """The tags, attribute values and text of a page, as a browser reads them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.text += "\n" if tag == "br" else ""
        self.sources += [value or "" for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def side(**changes: Any) -> dict[str, Any]:
    return {"centering": None, "centering_reason": "the border is too dark", "findings": [], **changes}


def values(**changes: Any) -> dict[str, Any]:
    """The part of the JSON of `grade` that the report shows."""
    return {
        "grade": 9,
        "probabilities": [0, 0, 0, 0, 0, 0, 0.05, 0.15, 0.5, 0.3],
        "interval": {"coverage": 0.9, "low": 8, "high": 10},
        "abstained": False,
        "reasons": ["the model was trained only on simulated cards"],
        "subgrades": {
            "centering": {"grade": None, "reason": "no border was found"},
            "corners": {"grade": 8, "low": 7, "high": 9},
        },
        "centering_ceiling": 9,
        "ceiling_reason": "front centering is 58/42",
        "ceiling_applied": {"grade": 9, "probability_moved": 0.1},
        "model": {"name": "starter", "sha256": "a1b2c3d4e5f6" * 5, "trained_on": "cards"},
        "front": side(),
        "back": None,
        **changes,
    }


def card(**changes: Any) -> ModelCard:
    fields: dict[str, Any] = {"data": [], "recipe": "loupe", "changes": {}, "commands": [], "measured": []}
    return ModelCard(
        **{**fields, "sha256": "0" * 64, "learned_from": "400 cards", "agreement": {}, "licence": "MIT", **changes}
    )


def test_texts_of_others_are_shown_as_they_are_and_begin_no_tag():
    finding = {"number": 1, "place": HOSTILE, "what": HOSTILE, "grades_lost": 2}
    page = Reader(
        card_page(
            HOSTILE,
            values(reasons=[HOSTILE], front=side(findings=[finding])),
            {},
            card(limits=[HOSTILE], learned_from=HOSTILE),
        )
    )
    assert "script" not in page.tags
    assert page.text.count("<script>alert('x')</script> & \"quoted\"") >= 6


def test_a_page_states_verdict_range_chances_sub_grades_centering_and_model():
    text = " ".join(Reader(card_page("Charizard", values(), {}, card(limits=["It knows one game."]))).text.split())
    for sentence in (
        "Charizard",
        "9 Charizard Mint 90 % range: 8 to 10",
        # .3, and .5 + .3
        "Chance of a 10: 30 %. Chance of a 9 or better: 80 %.",
        "Centering – not measured, because no border was found",
        "Corners 8 range 7 to 9",
        "Centering not measured, because the border is too dark.",
        "Centering limits this card to a 9. Front centering is 58/42.",
        "No picture of this side.",
        "trained on 400 cards",
        "It knows one game.",
    ):
        assert sentence in text


def test_a_ceiling_that_the_grade_does_not_take_into_account_may_limit_the_card():
    text = Reader(card_page("card", values(grade=10, ceiling_applied=None), {}, None)).text
    assert "Centering may limit this card to a 9. Front centering is 58/42." in text


def test_a_card_without_a_grade_says_so_and_shows_no_chances():
    without = values(grade=None, probabilities=None, interval=None, abstained=True, model=None)
    text = Reader(card_page("card", without, {}, None)).text
    assert "No grade" in text
    assert "Chance" not in text
    assert "Most likely 9" in Reader(card_page("card", values(abstained=True), {}, None)).text


def test_a_side_with_many_findings_lists_the_worst_and_counts_the_rest():
    findings = [{"number": n, "place": "left edge", "what": "chip 1.0 mm long", "grades_lost": 0} for n in range(1, 10)]
    text = Reader(card_page("card", values(front=side(findings=findings)), {}, None)).text
    assert text.count("Left edge: chip 1.0 mm long, within a 10") == 6
    assert "and 3 more" in text


def test_an_interrupted_report_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("earlier")
    with pytest.raises(KeyboardInterrupt), report_file(path) as report:
        report.add_page("<article></article>")
        raise KeyboardInterrupt
    assert path.read_text() == "earlier"
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_the_command_writes_a_page_per_card_with_its_pictures_and_lists_what_it_could_not_grade(tmp_path):
    picture = tmp_path / "front.png"
    Image.fromarray(picture_of_card(3.0, 3.0, 3.0, 3.0)).save(picture)
    manifest = tmp_path / "cards.csv"
    manifest.write_text("card_id,front,back\nkept,front.png,\ngone,gone.png,\n", encoding="utf-8")
    report = tmp_path / "new" / "report.html"
    result = call("grade", "--batch", manifest, "--report", report, "--data", tmp_path / "data")
    assert result.exit_code == 0, result
    page = Reader(report.read_text(encoding="utf-8"))
    assert page.tags.count("article") == 1
    assert len(page.sources) == page.tags.count("img") == 2  # measured, and with the outline; no model, no heat map
    for source in page.sources:
        head, content = source.split(",")
        assert head == "data:image/jpeg;base64"
        assert max(Image.open(io.BytesIO(base64.b64decode(content))).size) <= 900
    assert "gone.png" in page.text
    assert not re.search(r"url\(|@import|https?:", report.read_text(encoding="utf-8"))


def test_a_report_that_cannot_be_written_is_refused_before_any_card_is_graded(tmp_path):
    folder: Path = tmp_path / "folder"
    folder.mkdir()
    result = call("grade", tmp_path / "front.png", "--report", folder, "--data", tmp_path / "data")
    assert "is a folder; give the name of a file with --report" in result.error_line
