"""A collector's way through the Grade tab: sample card, zoom to a finding, swapped sides, two cards, a dragged corner.

The tests of this file run in order on one page.
"""

import re

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

VERDICT, FRONT_VIEW = "#verdict", "#front-lines svg.card"


def waits_for_the_answer(visitor) -> str:
    """Wait until nothing of the answer is to come; returns the verdict."""
    visitor.page.locator("#front-lines .stage[data-ready]").wait_for()
    visitor.page.locator('#verdict[aria-busy="false"]').wait_for()
    return visitor.reads(VERDICT)


def shown_mm(visitor, side: str = "front") -> list[float]:
    """Left, top, width and height of what a view shows of the card, in mm."""
    box = visitor.page.locator(f"#{side}-lines svg.card").get_attribute("viewBox")
    return [float(number) for number in box.split()]


def test_the_sample_card_is_graded_at_one_click(visitor, server):
    visitor.page.locator("#try-sample").click()
    text = waits_for_the_answer(visitor)
    assert re.search(r"^([1-9]|10) [A-Z]", text), text
    for words in ("90 % range: ", "Chance of a 10: ", "Sub-grades", "Corners", "Chance of each grade"):
        assert words in text
    assert visitor.page.locator("#probabilities [role=img]").count() == 10
    visitor.takes_a_picture("01-sample")


def test_a_finding_is_zoomed_to_by_a_press_and_left_by_another_and_the_back_follows(visitor):
    whole, back = shown_mm(visitor), shown_mm(visitor, "back")
    finding = visitor.page.locator("#front-lines [data-finding]").first
    if not finding.is_visible():
        visitor.page.locator("#front-lines .smaller summary").click()
    finding.click()
    wait_for(lambda: shown_mm(visitor)[2] < whole[2] / 2, "the view to come closer")
    assert finding.get_attribute("aria-pressed") == "true"
    wait_for(lambda: shown_mm(visitor, "back")[2] < back[2] / 2, "the back to follow")
    visitor.takes_a_picture("02-finding")
    finding.click()
    wait_for(lambda: abs(shown_mm(visitor)[2] - whole[2]) < 1, "the whole card")


def test_the_wheel_zooms_and_layers_are_switched_off(visitor):
    view = visitor.page.locator(FRONT_VIEW)
    view.scroll_into_view_if_needed()
    before, box = shown_mm(visitor), view.bounding_box()
    visitor.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
    visitor.page.mouse.wheel(0, -300)
    wait_for(lambda: shown_mm(visitor)[2] < 0.9 * before[2], "the view to come closer")
    visitor.page.get_by_role("button", name="Whole card").click()
    wait_for(lambda: abs(shown_mm(visitor)[2] - before[2]) < 1, "the whole card")
    lines = visitor.page.locator("#front-lines .lines")
    visitor.page.locator("#card-layers [data-layer=lines]").uncheck()
    assert not lines.is_visible()
    visitor.page.locator("#card-layers [data-layer=lines]").check()
    assert lines.is_visible()


def test_a_dragged_corner_grades_the_card_again(visitor):
    visitor.page.locator("#front-outline summary").click()
    corner = visitor.page.locator("#front-outline [data-corner='0']")
    corner.scroll_into_view_if_needed()
    x_before, box = float(corner.get_attribute("cx")), corner.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    visitor.page.mouse.move(x, y)
    visitor.page.mouse.down()
    visitor.page.mouse.move(x + 6, y + 3)
    visitor.page.mouse.move(x + 12, y + 6)
    visitor.page.mouse.up()
    visitor.page.locator('#verdict[aria-busy="true"]').wait_for()
    waits_for_the_answer(visitor)
    visitor.waits_to_read("#front-outline summary", "laid by hand")
    assert float(visitor.page.locator("#front-outline [data-corner='0']").get_attribute("cx")) > x_before
    visitor.takes_a_picture("03-corner")


def test_swapped_sides_take_the_answer_away(visitor):
    names = [visitor.reads(f"#{side}-in") for side in ("front", "back")]
    assert "front" in names[0] and "back" in names[1]
    visitor.page.locator("#swap-sides").click()
    wait_for(lambda: "back" in visitor.reads("#front-in") and "front" in visitor.reads("#back-in"), "the swap")
    assert not visitor.sees("#front-lines .stage")
    visitor.page.locator("#swap-sides").click()
    wait_for(lambda: "front" in visitor.reads("#front-in"), "the swap back")


def test_two_pictures_dropped_together_go_to_their_sides(visitor, server, tmp_path):
    sample = server.root / "uploads" / "sample"
    paths = [tmp_path / "card 7 back.jpg", tmp_path / "card 7 front.jpg"]
    for path, side in zip(paths, ("back", "front"), strict=True):
        path.write_bytes((sample / f"sample-card_{side}.jpg").read_bytes())
    visitor.page.locator("#both-in input[type=file]").set_input_files(paths)
    wait_for(lambda: "card 7 front" in visitor.reads("#front-in"), "the front")
    assert "card 7 back" in visitor.reads("#back-in")


def test_two_cards_in_one_picture_are_refused_with_what_to_do(visitor, server, tmp_path):
    one = np.asarray(Image.open(server.root / "uploads" / "sample" / "sample-card_front.jpg"))
    Image.fromarray(np.hstack([one, one])).save(tmp_path / "two.jpg", quality=95)
    visitor.removes_picture("back")
    visitor.adds_picture("front", tmp_path / "two.jpg")
    visitor.sees_preview("front")
    text = visitor.grades()
    assert text.startswith("Not graded") and "two.jpg" in text and "each card by itself" in text
    assert not visitor.sees("#front-lines .stage")
    visitor.takes_a_picture("04-two-cards")


def test_the_page_made_no_external_request_and_raised_no_error(visitor):
    assert {url.split("/")[2].split(":")[0] for url in visitor.requests if url.startswith("http")} == {"127.0.0.1"}
    assert visitor.complaints == []
