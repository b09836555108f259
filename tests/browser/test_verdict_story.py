"""A collector's way through the Grade tab: a sample card, a finding, lines and corners, other pairs, a slow network.

The tests of this file run in order on one page.
"""

import base64
import json
import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests.browser.conftest import CHROMIUM_OPTIONS, PATIENCE_S, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

VERDICT, FRONT_VIEW = "#verdict", "#front-lines svg.card"
FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
FLAT_PICTURE, JOIN = "**/flat-*.jpg", "**/gradio_api/queue/join*"
GIVE_PICTURES = """
(element, [kind, pictures]) => {
  const transfer = new DataTransfer(), bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  for (const [name, text] of pictures) transfer.items.add(new File([bytes(text)], name));
  const options = { bubbles: true, cancelable: true };
  const event = kind === "drop"
    ? new DragEvent("drop", { ...options, dataTransfer: transfer })
    : new ClipboardEvent("paste", { ...options, clipboardData: transfer });
  element.dispatchEvent(event);
}
"""
MIDDLE_LEVEL = """
(image) => {
  const pen = document.createElement("canvas").getContext("2d");
  pen.drawImage(image, 0, 0, 9, 9);
  return pen.getImageData(4, 4, 1, 1).data[0];
}
"""


@pytest.fixture
def camera_page(visitor, chromium, server, tmp_path):
    """Open the page in a browser whose camera shows a picture."""
    browsers = []

    def opened(picture):
        film = tmp_path / "film.mjpeg"
        frame = BytesIO()
        picture.resize((1200, 1600)).save(frame, "JPEG", quality=95)
        film.write_bytes(frame.getvalue() * 2)
        options = [*CHROMIUM_OPTIONS, *FAKE_CAMERA, f"--use-file-for-fake-video-capture={film}"]
        browser = visitor.page.context.browser.browser_type.launch(executable_path=chromium, args=options)
        browsers.append(browser)
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_S * 1000)
        page.goto(server.url)
        return page

    yield opened
    for browser in browsers:
        browser.close()


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


def test_a_line_is_dragged_and_the_centering_follows(visitor):
    numbers = visitor.page.locator("#front-lines .numbers tbody td:nth-child(2)").first
    before, line = numbers.inner_text(), visitor.page.locator("#front-lines [data-line=printed-left] .shown")
    line.scroll_into_view_if_needed()
    box = line.bounding_box()
    visitor.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    visitor.page.mouse.down()
    visitor.page.mouse.move(box["x"] + box["width"] / 2 + 10, box["y"] + box["height"] / 2)
    visitor.page.mouse.up()
    wait_for(lambda: numbers.inner_text() != before, "other borders")
    assert visitor.reads("#front-lines .said") == "Not saved yet."


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


def test_a_quarter_turn_by_hand_grades_the_card_as_printed_lengthwise_until_it_is_taken_back(visitor):
    def corner(index: int) -> tuple[float, float]:
        circle = visitor.page.locator(f"#front-outline [data-corner='{index}']")
        return float(circle.get_attribute("cx")), float(circle.get_attribute("cy"))

    def press(button: str) -> None:
        if not visitor.page.locator(f"#front-outline {button}").is_visible():
            visitor.page.locator("#front-outline summary").click()
        visitor.page.locator(f"#front-outline {button}").click()

    _, _, width, height = shown_mm(visitor)
    bottom_left = corner(3)
    press(".turn")
    visitor.page.locator('#verdict[aria-busy="true"]').wait_for()
    waits_for_the_answer(visitor)
    wait_for(lambda: corner(0) == pytest.approx(bottom_left, abs=0.01), "the bottom left corner as the first")
    # The view fits the card: as wide now as it was high.
    assert width < height
    wait_for(lambda: shown_mm(visitor)[2] == pytest.approx(height, abs=0.5), "the view of the turned card")
    # The back, which is not turned, leads it to a part of the card, but not to its own shape.
    visitor.page.evaluate("loupe.views.back.zoomBy(3)")
    wait_for(lambda: shown_mm(visitor)[2] < height / 2, "the turned front to follow the back")
    visitor.page.evaluate("loupe.views.back.showWhole(true)")
    wait_for(lambda: shown_mm(visitor)[2] == pytest.approx(height, abs=0.5), "the whole turned front again")
    press(".reset")
    visitor.page.locator('#verdict[aria-busy="true"]').wait_for()
    waits_for_the_answer(visitor)
    visitor.waits_to_read("#front-outline summary", "as found")


def test_a_swapped_pair_is_graded_again_after_the_answer_is_taken_away(visitor):
    names = [visitor.reads(f"#{side}-in") for side in ("front", "back")]
    assert "front" in names[0] and "back" in names[1]
    visitor.page.locator("#swap-sides").click()
    wait_for(lambda: "back" in visitor.reads("#front-in") and "front" in visitor.reads("#back-in"), "the swap")
    assert not visitor.sees("#front-lines .stage")
    visitor.page.locator("#grade-start").click()
    assert re.search(r"^([1-9]|10) [A-Z]|^Not graded", waits_for_the_answer(visitor))
    visitor.page.locator("#swap-sides").click()
    wait_for(lambda: "front" in visitor.reads("#front-in"), "the swap back")


def test_the_front_alone_and_the_pair_again_are_graded(visitor, server):
    visitor.removes_picture("back")
    assert "without the back" in visitor.grades()
    assert not visitor.sees("#back-lines .stage")
    visitor.adds_picture("back", server.root / "uploads" / "sample" / "sample-card_back.jpg")
    visitor.sees_preview("back")
    visitor.page.locator("#grade-start").click()
    assert "without the back" not in waits_for_the_answer(visitor)
    visitor.waits_for_lines("back")


def test_two_pictures_dropped_together_go_to_their_sides(visitor, server, tmp_path):
    sample = server.root / "uploads" / "sample"
    paths = [tmp_path / "card 7 back.jpg", tmp_path / "card 7 front.jpg"]
    for path, side in zip(paths, ("back", "front"), strict=True):
        path.write_bytes((sample / f"sample-card_{side}.jpg").read_bytes())
    visitor.page.locator("#both-in input[type=file]").set_input_files(paths)
    wait_for(lambda: "card 7 front" in visitor.reads("#front-in"), "the front")
    assert "card 7 back" in visitor.reads("#back-in")


@pytest.fixture
def two_pictures(tmp_path):
    """A dark picture and a light one."""
    paths = [tmp_path / "dark.png", tmp_path / "light.png"]
    for path, level in zip(paths, (30, 220), strict=True):
        Image.new("RGB", (60, 84), (level, level, level)).save(path)
    return paths


def picture_of(visitor, side: str) -> str:
    """The name of the picture in the field of a side; empty if there is none."""
    name = visitor.page.locator(f"#{side}-in .filename")
    return name.get_attribute("aria-label") if name.count() else ""


# How many events that fill or empty the fields have begun, and how many have ended.
COUNT_FILLINGS = """() => {
    const pictures = window.loupe.pictures, counts = window.fillings = [0, 0];
    ["begin", "end"].forEach((name, which) => {
        const original = pictures[name];
        pictures[name] = () => { counts[which] += 1; return original(); };
    });
}"""


def gives(visitor, kind: str, selector: str, *paths) -> None:
    """Drop pictures on an element, or paste them."""
    pictures = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in paths]
    visitor.page.locator(selector).first.evaluate(GIVE_PICTURES, [kind, pictures])


def test_a_picture_that_comes_while_an_answer_is_under_way_waits_for_it_and_is_not_lost(visitor, two_pictures):
    page, (dark, light) = visitor.page, two_pictures
    on_the_front, on_the_back = "#front-in .block", "#back-in .block"

    page.evaluate(COUNT_FILLINGS)

    def fillings() -> tuple[int, int]:
        return tuple(page.evaluate("window.fillings"))

    def before_the_answer_to(press, then) -> None:
        """Press something, then do something else before the server has even heard of it."""
        wait_for(lambda: fillings()[0] == fillings()[1], "the answer to what was done before")
        before, held = fillings()[0], []
        page.route(JOIN, lambda request: held.append(request))  # noqa: PLW0108 - Playwright marks the function
        press()
        wait_for(lambda: fillings()[0] > before and held, "the request")
        then()
        page.unroute(JOIN)  # lets the held requests go

    def waits_for(front: str, back: str) -> None:
        wait_for(
            lambda: (picture_of(visitor, "front"), picture_of(visitor, "back")) == (front, back), f"{front}, {back}"
        )

    for side in ("front", "back"):
        visitor.removes_picture(side)
    before_the_answer_to(
        lambda: visitor.adds_picture("front", dark), lambda: gives(visitor, "drop", on_the_front, light)
    )
    waits_for("light.png", "")
    preview = page.locator("#front-in img")
    wait_for(lambda: preview.count() and preview.evaluate(MIDDLE_LEVEL) > 200, "the preview of the second picture")
    before_the_answer_to(page.locator("#swap-sides").click, lambda: gives(visitor, "drop", on_the_back, dark))
    waits_for("dark.png", "light.png")
    before_the_answer_to(page.locator("#try-sample").click, lambda: gives(visitor, "drop", on_the_back, dark))
    waits_for("sample-card_front.jpg", "dark.png")
    gives(visitor, "paste", "body", light)
    visitor.waits_to_read("#picture-note", "Both sides have a picture.")
    for side in ("front", "back"):
        visitor.removes_picture(side)
    gives(visitor, "paste", "body", light)
    gives(visitor, "paste", "body", dark)
    waits_for("light.png", "dark.png")


def test_an_upload_that_fails_is_named_and_the_next_one_takes_its_place(visitor, two_pictures):
    visitor.removes_picture("front")
    visitor.page.route("**/gradio_api/upload?*", lambda route: route.abort(), times=1)
    gives(visitor, "paste", "body", two_pictures[0])
    visitor.waits_to_read("#picture-note", "dark.png did not reach Loupe. Try again.")
    gives(visitor, "paste", "body", two_pictures[0])
    wait_for(lambda: picture_of(visitor, "front") == "dark.png", "the picture")
    assert visitor.reads("#picture-note") == ""


# The number of the event that a press of the button starts; others may still be under way.
EVENT_OF_SWAP = """async () => {
    const { components, dependencies } = await (await fetch("/config")).json();
    const button = components.find(({ props }) => props.elem_id === "swap-sides").id;
    return dependencies.find(({ targets }) => targets.some(([id, name]) => id === button && name === "click")).id;
}"""


def test_after_an_answer_that_is_lost_the_page_says_so_and_goes_on(visitor, two_pictures):
    page, lost = visitor.page, []
    swap = page.evaluate(EVENT_OF_SWAP)

    def lose_swap(route):
        if json.loads(route.request.post_data)["fn_index"] == swap:
            lost.append(route)
        else:
            route.continue_()

    page.evaluate("window.loupe.pictures.lostAfterMs = 500")
    page.route(JOIN, lose_swap)
    page.locator("#swap-sides").click()
    gives(visitor, "drop", "#front-in .block", two_pictures[1])
    visitor.waits_to_read("#picture-note", "Loupe did not answer.")
    wait_for(lambda: picture_of(visitor, "front") == "light.png", "the picture that waited")
    page.evaluate("window.loupe.pictures.lostAfterMs = 60000")
    assert lost.pop().abort() is None
    page.unroute(JOIN)


def test_two_cards_in_one_picture_are_refused_with_what_to_do(visitor, server, tmp_path):
    one = np.asarray(Image.open(server.root / "uploads" / "sample" / "sample-card_front.jpg"))
    Image.fromarray(np.hstack([one, one])).save(tmp_path / "two.jpg", quality=95)
    visitor.removes_picture("back")
    visitor.adds_picture("front", tmp_path / "two.jpg")
    visitor.sees_preview("front")
    visitor.waits_to_read("#front-advice", "More than one card; photograph each card by itself.")
    text = visitor.grades()
    assert text.startswith("Not graded") and "two.jpg" in text and "each card by itself" in text
    assert not visitor.sees("#front-lines .stage")
    visitor.takes_a_picture("04-two-cards")


def test_a_picture_whose_first_request_fails_is_shown_by_the_second(visitor, server):
    aborted = []

    def abort(route):
        aborted.append(route.request.url)
        route.abort()

    visitor.page.route(FLAT_PICTURE, abort, times=1)
    # The browser would show a picture of before from its memory.
    visitor.open(server.url)
    visitor.page.locator("#try-sample").click()
    waits_for_the_answer(visitor)
    for side in ("front", "back"):
        visitor.waits_for_lines(side)
    assert len(aborted) == 1
    visitor.page.unroute(FLAT_PICTURE)


def test_a_picture_that_does_not_load_leaves_the_findings_and_a_sentence_and_the_next_grading_shows_it(visitor, server):
    visitor.page.route(FLAT_PICTURE, lambda route: route.abort())
    visitor.open(server.url)
    visitor.page.locator("#try-sample").click()
    visitor.waits_to_read("#front-lines .stage", "could not be loaded")
    visitor.page.locator('#verdict[aria-busy="false"]').wait_for()
    assert visitor.page.locator("#front-lines .numbers tbody tr").count() == 2
    visitor.page.unroute(FLAT_PICTURE)
    visitor.page.locator("#grade-start").click()
    waits_for_the_answer(visitor)
    assert visitor.reads("#front-lines .trouble") == ""


def test_the_card_is_drawn_once_a_viewer_arrives_that_is_slower_than_the_answer(visitor, server):
    held = []

    def hold(route):
        held.append(route)

    visitor.page.route("**/library/*.js", hold)
    visitor.open(server.url)
    visitor.page.locator("#try-sample").click()
    visitor.page.locator("#front-lines .numbers tbody tr").first.wait_for()
    visitor.page.locator('#verdict[aria-busy="false"]').wait_for()
    assert visitor.page.locator("#front-lines .stage[data-ready]").count() == 0
    for route in held:
        route.continue_()
    for side in ("front", "back"):
        visitor.waits_for_lines(side)


def test_the_camera_advises_and_its_pictures_go_to_their_sides(visitor, server, camera_page):
    card = Image.open(server.root / "uploads" / "sample" / "sample-card_front.jpg")
    page = camera_page(card)
    page.get_by_role("button", name="Use the camera").click()
    page.locator("#camera .advice").get_by_text("Good.").wait_for()
    for side in ("front", "back"):
        page.get_by_role("button", name=f"Take the {side}", exact=True).click()
        # Not the name while it uploads, which is there for some milliseconds only.
        page.locator(f'#{side}-in .filename[aria-label="camera-{side}.jpg"]').wait_for()
        page.locator(f"#{side}-in img").wait_for()
    page.get_by_role("button", name="Use the camera").wait_for()  # closed after the second side
    assert page.evaluate("document.querySelector('#camera video').srcObject === null")


@pytest.mark.parametrize(
    ("spoil", "advice"),
    [
        (lambda card: card.filter(ImageFilter.GaussianBlur(9)), "Blurred"),
        (lambda card: card.point(lambda level: level // 5), "Too dark"),
    ],
)
def test_the_camera_says_what_is_wrong_before_the_picture_is_taken(visitor, server, camera_page, spoil, advice):
    page = camera_page(spoil(Image.open(server.root / "uploads" / "sample" / "sample-card_front.jpg")))
    page.get_by_role("button", name="Use the camera").click()
    page.locator("#camera .advice").get_by_text(advice).wait_for()


def test_the_open_tab_stands_in_the_address_for_a_reload_and_the_way_back(visitor):
    def waits_for_tab(name):
        visitor.page.locator(f'[role=tab][data-tab-id="{name}"][aria-selected=true]').wait_for()

    visitor.turn_to("Batch")
    wait_for(lambda: visitor.page.url.endswith("/#batch"), "the address")
    visitor.page.reload()
    waits_for_tab("batch")
    visitor.page.go_back()
    waits_for_tab("grade")


def test_a_phone_follows_the_colors_of_its_system_until_they_are_switched_and_its_buttons_fit_a_finger(visitor, server):
    browser = visitor.page.context.browser
    phone = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = phone.new_page()
    page.set_default_timeout(PATIENCE_S * 1000)
    page.emulate_media(color_scheme="dark")
    page.goto(server.url)
    dark, switch = page.locator("body.dark"), page.locator("#color-switch")
    dark.wait_for()
    page.emulate_media(color_scheme="light")
    dark.wait_for(state="detached")
    page.locator("#grade-start").wait_for()
    buttons = page.locator("button:visible:not(.upload-container, [aria-hidden] *)")
    heights = buttons.evaluate_all("all => all.map((button) => [button.innerText, button.offsetHeight])")
    assert len(heights) > 5
    assert [entry for entry in heights if entry[1] < 44] == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    switch.click()
    dark.wait_for()
    page.reload()
    dark.wait_for()
    page.get_by_role("button", name="Light colors").click()
    dark.wait_for(state="detached")
    assert page.evaluate("localStorage.getItem('loupe-colors')") is None, "that of the system is no choice"
    phone.close()


def test_the_page_can_be_installed_on_a_home_screen(visitor):
    session = visitor.page.context.new_cdp_session(visitor.page)
    manifest = session.send("Page.getAppManifest")
    assert (manifest["url"].split("/")[-1], manifest["errors"]) == ("manifest.json", [])
    errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert {error["errorId"] for error in errors} <= {"in-incognito"}, "a test's window is a private one"


def test_the_page_made_no_external_request_and_raised_no_error(visitor):
    assert {url.split("/")[2].split(":")[0] for url in visitor.requests if url.startswith("http")} == {"127.0.0.1"}
    assert visitor.complaints == []
