"""Dragging the eight lines of a graded card: the numbers follow, and saved lines are there after a reload.

The tests of this file run in order on one page. Millimeters are computed from the size of the card's picture in screen
pixels and the millimeters that it spans.
"""

import re
from urllib.parse import urlsplit

import pytest

from engine.simulate.cards import SimulationConfig
from engine.simulate.folder import write_cards
from tests.browser.conftest import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CORRECTION_COUNT = "SELECT count(*) FROM lines_events"
LEFT_LINE, TOP_EDGE = "#front-lines [data-line=printed-left]", "#front-lines [data-line=physical-top]"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """A bordered card photographed by the simulator: its folder and its truth."""
    folder = tmp_path_factory.mktemp("simulated")
    recipe = SimulationConfig(seed=3, kinds=(("photo", 1.0),))
    return folder, write_cards(folder, recipe, 2, workers=1).cards[1]


@pytest.fixture(scope="module")
def card(simulated):
    """The picture of its front."""
    return simulated[0] / "images" / "card-000001_front.jpg"


@pytest.fixture(scope="module")
def left_mm(simulated):
    """Its left border in the program's millimeters: it assumes a width of 63 mm, whatever the true width is."""
    truth = simulated[1]
    return truth.front.centering.left_mm * 63 / truth.width_mm


def grade(visitor, path) -> None:
    visitor.page.locator("#front-in input[type=file]").set_input_files(path)
    visitor.page.locator("#front-in img").wait_for()
    visitor.page.locator("#grade-start").click()
    visitor.waits_for_lines("front")
    visitor.page.locator('#verdict[aria-busy="false"]').wait_for()
    visitor.page.locator("#front-lines svg.card").scroll_into_view_if_needed()


def px_per_mm(visitor) -> float:
    """Screen pixels per millimeter of the card: the drawing keeps its aspect within its box."""
    card = visitor.page.locator("#front-lines svg.card")
    box = card.bounding_box()
    _, _, width_mm, height_mm = map(float, card.get_attribute("viewBox").split())
    return min(box["width"] / width_mm, box["height"] / height_mm)


def borders(visitor) -> dict[str, float]:
    """The four borders in mm, from the table."""
    cells: list[str] = []
    while len(cells) != 2:  # The editor is replaced when the answer to a moved line arrives.
        visitor.page.locator("#front-lines .numbers tbody td:nth-child(2)").nth(1).wait_for()
        cells = visitor.page.locator("#front-lines .numbers tbody td:nth-child(2)").all_inner_texts()
    (left, right), (top, bottom) = ([float(mm) for mm in cell.split(" + ")] for cell in cells)
    return {"left": left, "right": right, "top": top, "bottom": bottom}


def middle_of(visitor, selector: str) -> tuple[float, float]:
    """The middle of a line, in screen pixels; a press of a button may have scrolled the line out of sight."""
    line = visitor.page.locator(f"{selector} .shown")
    line.scroll_into_view_if_needed()
    box = line.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(visitor, start: tuple[float, float], by: tuple[float, float]) -> None:
    mouse = visitor.page.mouse
    mouse.move(*start)
    mouse.down()
    mouse.move(start[0] + by[0] / 2, start[1] + by[1] / 2)
    mouse.move(start[0] + by[0], start[1] + by[1])
    mouse.up()


def touch(visitor, start: tuple[float, float], by: tuple[float, float]) -> None:
    """Drag with a finger, by the touch events of a touch screen."""
    session = visitor.page.context.new_cdp_session(visitor.page)
    for kind, fraction in (("touchStart", 0.0), ("touchMove", 0.5), ("touchMove", 1.0)):
        point = {"x": start[0] + fraction * by[0], "y": start[1] + fraction * by[1]}
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def waits_for_border(visitor, name: str, mm: float, within: float = 0.03) -> None:
    wait_for(lambda: abs(borders(visitor)[name] - mm) <= within, f"{name} {mm:.2f} mm, not {borders(visitor)}", 20)


def test_a_graded_card_shows_its_eight_lines_and_their_numbers(visitor, server, card, left_mm):
    grade(visitor, card)
    assert visitor.page.locator("#front-lines [data-line]").count() == 8
    assert not visitor.sees("#back-lines .side")
    assert borders(visitor)["left"] == pytest.approx(left_mm, abs=0.15)
    assert "PSA allows a 10 (" in visitor.reads("#ceiling")
    assert visitor.page.locator("#front-lines .save").is_disabled()
    visitor.takes_a_picture("01-lines-measured")


def test_dragging_a_line_by_pixels_changes_its_border_by_the_same_distance_in_mm(visitor, server):
    before, pixels = borders(visitor), 20
    drag(visitor, middle_of(visitor, LEFT_LINE), (pixels, 0))
    waits_for_border(visitor, "left", before["left"] + pixels / px_per_mm(visitor))
    after = borders(visitor)
    assert after["right"] == pytest.approx(before["right"], abs=0.02)
    assert after["top"] == pytest.approx(before["top"], abs=0.02)
    assert visitor.reads("#front-lines .said") == "Not saved yet."
    assert server.query(CORRECTION_COUNT) == [0]


def test_an_edge_dragged_into_the_card_narrows_its_border(visitor):
    before, pixels = borders(visitor), 10
    drag(visitor, middle_of(visitor, TOP_EDGE), (0, pixels))
    waits_for_border(visitor, "top", before["top"] - pixels / px_per_mm(visitor))


def test_lines_can_be_dragged_by_touch(visitor):
    before, pixels = borders(visitor), -12
    touch(visitor, middle_of(visitor, LEFT_LINE), (pixels, 0))
    waits_for_border(visitor, "left", before["left"] + pixels / px_per_mm(visitor))


def test_the_arrow_keys_move_the_chosen_line_and_no_other(visitor):
    before = borders(visitor)
    line = visitor.page.locator(f"{LEFT_LINE} .hit")
    line.focus()
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowRight", "ArrowLeft", "ArrowUp"):
        line.press(key)
    waits_for_border(visitor, "left", before["left"] + 0.05 + 0.5)
    assert line.get_attribute("aria-valuetext").endswith("mm from the card's left")
    assert borders(visitor)["bottom"] == before["bottom"]


def test_a_line_is_tilted_by_either_of_its_ends(visitor):
    before = borders(visitor)
    end = visitor.page.locator("#front-lines [data-dots=printed-left] .grip").first
    box = end.bounding_box()
    drag(visitor, (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2), (10, 0))
    # The border is measured at the side's middle, halfway between the two ends.
    waits_for_border(visitor, "left", before["left"] + 10 / px_per_mm(visitor) / 2, within=0.05)
    visitor.takes_a_picture("02-lines-tilted")


def test_a_dot_can_be_dragged_though_another_line_crosses_it(visitor):
    """The left frame line is dragged over the top edge's first dot; the dot still moves the edge and not the line."""
    dot = visitor.page.locator("#front-lines [data-dots=physical-top] .grip").first
    line = visitor.page.locator(f"{LEFT_LINE} .hit")
    box, start = dot.bounding_box(), middle_of(visitor, LEFT_LINE)
    at = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    drag(visitor, start, (at[0] - start[0], 0))
    depth, crossing = (float(node.get_attribute("aria-valuenow")) for node in (dot, line))
    drag(visitor, at, (0, 14))
    assert float(dot.get_attribute("aria-valuenow")) == pytest.approx(depth + 14 / px_per_mm(visitor), abs=0.03)
    assert float(line.get_attribute("aria-valuenow")) == crossing


def test_a_reset_restores_the_measured_lines(visitor, left_mm):
    visitor.page.locator("#front-lines .reset").click()
    waits_for_border(visitor, "left", left_mm, within=0.15)
    assert visitor.page.locator("#front-lines .save").is_disabled()


def test_saved_lines_are_restored_after_a_reload(visitor, server, card):
    before = borders(visitor)
    drag(visitor, middle_of(visitor, LEFT_LINE), (30, 0))
    waits_for_border(visitor, "left", before["left"] + 30 / px_per_mm(visitor))
    corrected = borders(visitor)
    visitor.page.locator("#front-lines .save").click()
    visitor.waits_to_read("#front-lines .said", "Corrected by hand on")
    assert server.query(CORRECTION_COUNT) == [1]
    percent = 100 * corrected["left"] / (corrected["left"] + corrected["right"])
    ceiling = visitor.reads("#ceiling")
    assert float(re.search(r"Front centering is (\d+\.?\d*)/", ceiling)[1]) == pytest.approx(percent, abs=1), ceiling
    visitor.takes_a_picture("03-lines-saved")
    visitor.open(server.url)
    grade(visitor, card)
    visitor.waits_to_read("#front-lines .said", "Corrected by hand on")
    assert borders(visitor) == pytest.approx(corrected, abs=0.03)


def test_saving_a_reset_restores_the_measured_lines(visitor, server, card, left_mm):
    visitor.page.locator("#front-lines .reset").click()
    visitor.page.locator("#front-lines .save").click()
    visitor.waits_to_read("#front-lines .said", "Measured lines restored")
    assert server.query(CORRECTION_COUNT) == [2]
    visitor.open(server.url)
    grade(visitor, card)
    assert visitor.reads("#front-lines .said") == ""
    assert borders(visitor)["left"] == pytest.approx(left_mm, abs=0.15)


def test_corners_and_edges_are_shown_at_whole_multiples_of_their_own_pixels(visitor):
    visitor.page.locator("#front-lines .close summary").click()
    for selector in (".close .corners", ".close .edges"):
        assert visitor.page.locator(f"#front-lines {selector} svg").count() == 4
    visitor.takes_a_picture("04-lines-close-up")


def test_the_page_made_no_external_request_and_raised_no_error(visitor, server):
    requests = [url for url in visitor.requests if urlsplit(url).scheme not in ("data", "blob")]
    assert {urlsplit(url).hostname for url in requests} == {"127.0.0.1"}
    assert visitor.complaints == []
