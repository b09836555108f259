"""The whole workflow in the browser: import, label, train, grade, correct, retrain.

The tests of this file run in order on one page.
"""

import asyncio
import base64
import contextlib
import csv
import io
import json
import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pillow_heif
import pytest
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from app.screens.security import MCP_ROUTE
from tests.browser.conftest import HAS_MCP, wait_for
from tests.card_factory import card_picture, write_cards
from tests.commands import PROGRAM, SMALL_RUN, run

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = PROGRAM.parent
GRADES = [1 + (7 * number // 3) % 10 for number in range(25)]
GRADES_NOW = "SELECT coalesce(grade, 0) FROM cards LEFT JOIN label_events e ON e.id = label_id ORDER BY cards.id"
USER_LABEL_COUNT = "SELECT count(*) FROM label_events WHERE source = 'person'"
MARKUP = (
    '![x](http://evil.example/md.png)<img src="http://evil.example/i.png"><div style="position:fixed;inset:0">x</div>'
)
# Press a key on 20 cards, 50 ms apart, noting which card is on the screen in full when it is pressed.
TWENTY_KEYS = """
async (keys) => {
  for (const key of keys) {
    document.body.dispatchEvent(new KeyboardEvent("keydown", { code: "Digit" + key, key, bubbles: true }));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
"""
NUMBERS = ("image_size", "batch_size", "phase2_epochs")


@pytest.fixture(scope="module")
def shoebox(tmp_path_factory):
    """A folder of cards in which one file is not a picture."""
    folder = tmp_path_factory.mktemp("shoebox")
    manifest = write_cards(folder, [*GRADES, 9])
    (folder / "card-025_front.png").write_bytes(b"no picture")
    return manifest.parent


@pytest.fixture(scope="module")
def new_card(tmp_path_factory):
    """Both sides of a card that was not imported."""
    folder = tmp_path_factory.mktemp("new_card")
    paths = [folder / f"{side}.png" for side in ("front", "back")]
    for path in paths:
        Image.fromarray(card_picture(4, seed=99, side=path.stem)).save(path)
    return paths


def latest_grades(server, count: int) -> list[float]:
    """The last `count` labels of the user, oldest first."""
    latest = f"SELECT grade FROM label_events WHERE source = 'person' ORDER BY id DESC LIMIT {count}"
    return server.query(latest)[::-1]


def labels_given(server) -> int:
    return server.query(USER_LABEL_COUNT)[0]


def shown_card(visitor) -> str:
    """The name of the card to label, once it is on the screen in full."""
    ready = visitor.page.locator("#label-desk .desk[data-card]:not(.waiting)")
    wait_for(lambda: ready.count() == 1, "the card to be shown in full")
    return visitor.reads("#current-grade").split()[-1]


def place_of(visitor) -> int:
    """The place in the queue of the card on the screen in full, 0 while there is none."""
    ready = visitor.page.locator("#label-desk .waiting").count() == 0
    value = visitor.page.locator("#queue-place").input_value()
    return int(value) if ready and value else 0


def state_of(server, run_id: int) -> str:
    return server.query(f"SELECT state FROM runs WHERE id = {run_id}")[0]


def epochs_of(server, run_id: int) -> int:
    return server.query(f"SELECT count(*) FROM epochs WHERE run_id = {run_id}")[0]


def start_run(visitor, epochs: int, encoder: str = SMALL_RUN["front_encoder"]) -> None:
    """Fill in the form for a small run and start it."""
    visitor.opens_advanced_settings()
    visitor.chooses("#recipe", "baseline")
    for name in ("front_encoder", "back_encoder"):
        visitor.chooses(f"#set-{name}", encoder)
    for name in NUMBERS:
        visitor.enters(f"#set-{name}", {**SMALL_RUN, "batch_size": 2, "phase2_epochs": epochs}[name])
    visitor.page.locator("#start-run").click()


def epochs_shown(visitor) -> list[str]:
    """The first column of the table of epochs, the latest first."""
    rows = visitor.page.locator("#epochs [role=row]:has([role=gridcell])").all()
    return [row.inner_text().split()[0] for row in rows]


def test_an_empty_data_folder_shows_instructions_and_no_empty_parts(visitor, server):
    visitor.waits_to_read("#grading-model", "trained only on 296 Pokemon cards")
    assert not any(
        visitor.sees(selector) for selector in ("#probabilities", "#front-lines", "#keep-card", "#own-grade")
    )
    visitor.takes_a_picture("01-grade-first-visit")
    visitor.turn_to("Label")
    visitor.page.locator("#import-path").wait_for()
    assert not any(visitor.sees(selector) for selector in ("#grade-1", "#no-grade", "#next-card", "#label-filter"))
    visitor.takes_a_picture("02-label-first-visit")
    visitor.turn_to("Train")
    visitor.waits_to_read("#train-cards", "No labelled cards yet")
    empty = ("#retrain", "#start-run", "#stop-run", "#use-model", "#run-chart-1", "#epochs", "#run-log", "#recipe")
    assert not any(visitor.sees(selector) for selector in empty)
    visitor.takes_a_picture("03-train-first-visit")


def test_a_heic_picture_is_shown_and_graded_as_the_first_one_after_the_start(visitor, new_card, tmp_path):
    visitor.turn_to("Grade")
    path = tmp_path / "front.heic"
    pillow_heif.from_pillow(Image.open(new_card[0])).save(path)
    visitor.adds_picture("front", path)
    visitor.sees_preview("front")
    verdict = visitor.grades()
    assert "Front: " in verdict
    assert "cannot be used" not in verdict
    visitor.removes_picture("front")
    wait_for(lambda: visitor.reads("#verdict").strip() == "", "the answer to go with its picture")


# Notes the greatest height of the progress while a preview is made. That of tiny cards is over before the page can show
# more than the seconds that it takes.
WATCH_IMPORT = """
() => {
  window.progressHeight = 0;
  new MutationObserver(() => {
    const outcome = document.getElementById("import-outcome");
    if (/[0-9]s/.test(outcome.innerText)) {
      window.progressHeight = Math.max(window.progressHeight, outcome.getBoundingClientRect().height);
    }
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}
"""


def test_cards_are_imported_and_a_bad_picture_is_named(visitor, server, shoebox):
    visitor.turn_to("Label")
    visitor.enters("#import-path", shoebox)
    visitor.page.evaluate(WATCH_IMPORT)
    visitor.page.locator("#import-start").click()
    visitor.waits_to_read("#import-preview", "26 with front and back")
    assert visitor.page.evaluate("window.progressHeight") > 40, "the progress is visible"
    assert server.query("SELECT count(*) FROM cards") == [0], "nothing is written before it is confirmed"
    visitor.takes_a_picture("03-import-preview")
    visitor.page.locator("#import-confirm").click()
    visitor.waits_to_read("#import-outcome", "25 cards added, 0 already imported, 1 refused")
    assert "card-025_front.png" in visitor.reads("#import-outcome")
    visitor.page.locator("#grade-1").wait_for()
    visitor.waits_to_read("#label-counts", "25 cards")
    assert server.query("SELECT count(*) FROM cards") == [25]
    visitor.takes_a_picture("04-label-imported")


def test_a_grade_is_corrected_by_click_and_by_key(visitor, server):
    for press, grade in (
        (lambda: visitor.page.locator("#grade-9").click(), 9),
        (lambda: visitor.page.keyboard.press("7"), 7),
        (lambda: visitor.page.keyboard.press("0"), 10),
    ):
        before, card = labels_given(server), shown_card(visitor)
        press()
        visitor.waits_to_read("#label-status", f"Saved: {card} is {grade}")
        assert labels_given(server) == before + 1
        latest = "FROM label_events JOIN cards ON cards.id = card_id ORDER BY label_events.id DESC LIMIT 1"
        assert server.query(f"SELECT grade {latest}") == [grade]
        assert server.query(f"SELECT name {latest}") == [card]
        wait_for(lambda card=card: shown_card(visitor) != card, "the next card")


def test_a_key_right_after_the_half_is_ticked_gives_the_half_grade(visitor, server):
    card = shown_card(visitor)
    visitor.page.get_by_label("Half grade").click()
    visitor.page.keyboard.press("8")
    visitor.waits_to_read("#label-status", f"Saved: {card} is 8.5")
    assert latest_grades(server, 1) == [8.5]


def test_a_label_is_undone_and_given_again_by_keys(visitor, server):
    card = shown_card(visitor)
    label = visitor.reads("#current-grade").split()[1]
    visitor.page.keyboard.press("3")
    visitor.waits_to_read("#label-status", f"Saved: {card} is 3")
    visitor.page.keyboard.press("u")
    visitor.waits_to_read("#label-status", f"Undone: {card} is {label}")
    assert shown_card(visitor) == card, "the card is shown again"
    visitor.page.keyboard.press("Control+y")
    visitor.waits_to_read("#label-status", f"Given again: {card} is 3")
    visitor.page.keyboard.press("Control+z")
    visitor.waits_to_read("#label-status", f"Undone: {card} is {label}")
    assert latest_grades(server, 4) == [3, float(label), 3, float(label)]
    visitor.page.keyboard.press("ArrowRight")


def test_twenty_keys_50_ms_apart_label_twenty_cards_in_their_order(visitor, server):
    visitor.page.keyboard.press("Home")
    wait_for(lambda: place_of(visitor) == 1, "the first card")
    shown_card(visitor)
    shown = visitor.page.locator("#label-desk .desk").get_attribute("data-card")
    before, pressed = labels_given(server), [1 + number % 9 for number in range(20)]
    visitor.page.evaluate(TWENTY_KEYS, list(map(str, pressed)))
    wait_for(lambda: labels_given(server) >= before + 20, "twenty labels", patience_s=20)
    wait_for(lambda: place_of(visitor) == 21, "the next card")
    assert labels_given(server) == before + 20
    assert latest_grades(server, 20) == pressed
    labelled = "SELECT card_id FROM label_events WHERE source = 'person' ORDER BY id DESC LIMIT 20"
    cards = server.query(labelled)[::-1]
    assert len(set(cards)) == 20
    assert cards[0] == int(shown), "the first key is for the card on the screen"


def test_keys_are_kept_while_the_server_is_away_and_the_page_says_so(visitor, server):
    before = labels_given(server)
    visitor.page.route("**/component_server/**", lambda route: route.abort())
    try:
        for key in "34":
            visitor.page.keyboard.press(key)
        visitor.waits_to_read("#label-desk .connection", "kept in this browser")
        assert "Saved" not in visitor.reads("#label-status")
        assert labels_given(server) == before
    finally:
        visitor.page.unroute("**/component_server/**")
    wait_for(lambda: labels_given(server) == before + 2, "the kept labels", patience_s=20)
    assert latest_grades(server, 2) == [3, 4]
    wait_for(lambda: not visitor.sees("#label-desk .connection"), "the sentence to go")
    visitor.waits_to_read("#label-status", "Saved")


def test_every_key_is_shown_and_the_place_is_kept_by_a_reload(visitor):
    visitor.page.keyboard.press("Shift+?")
    assert {"corners close up", "swap front and back", "not gradable"} <= set(
        visitor.reads("#label-desk .help").splitlines()
    )
    visitor.page.keyboard.press("Escape")
    assert not visitor.sees("#label-desk .help")
    visitor.page.locator("#queue-place").fill("7")
    visitor.page.locator("#queue-place").press("Enter")
    wait_for(lambda: place_of(visitor) == 7, "the jump")
    name = shown_card(visitor)
    visitor.page.reload()
    assert shown_card(visitor) == name
    assert place_of(visitor) == 7
    visitor.takes_a_picture("04b-label-desk")


def test_a_bulk_change_is_undone_at_once_and_a_count_opens_its_cards_in_the_queue(visitor, server):
    before = server.query(GRADES_NOW)
    visitor.turn_to("Dataset")
    visitor.waits_to_read("#dataset-page .total", "25 cards")
    nines = before.count(9)
    visitor.page.locator('#dataset-page [data-part="grade"][data-value="9"]').click()
    visitor.waits_to_read("#dataset-page .list-name", f"{nines} card")
    wait_for(lambda: visitor.page.locator("#dataset-gallery .tile img").count() == 2 * nines, "both sides of each card")
    visitor.page.locator("#dataset-page .select-all").click()
    visitor.page.locator("#dataset-page .new-grade").select_option("2")
    visitor.page.locator('#dataset-page [data-act="label"]').click()
    visitor.waits_to_read("#dataset-page .outcome", "2 Good now")
    assert latest_grades(server, nines) == [2] * nines
    visitor.page.locator("#dataset-page .undo").click()
    visitor.waits_to_read("#dataset-page .outcome", "as before")
    assert server.query(GRADES_NOW) == before
    visitor.waits_to_read("#dataset-page .list-name", f"{nines} card")
    visitor.takes_a_picture("04c-dataset")
    visitor.page.locator("#dataset-page .queue").click()
    wait_for(lambda: visitor.reads("#queue-length") == str(nines), "the chosen cards")
    assert visitor.page.locator("#label-filter input").input_value() == "Chosen in the Dataset tab"
    visitor.chooses("#label-filter", "All cards")
    wait_for(lambda: visitor.reads("#queue-length") == "25", "all cards")


def test_a_digit_typed_into_a_field_labels_nothing(visitor, server):
    before = labels_given(server)
    visitor.page.locator("#label-filter input").click()
    visitor.page.keyboard.type("789")
    visitor.page.keyboard.press("Escape")
    visitor.turn_to("Train")
    visitor.page.locator("#retrain").wait_for()
    visitor.page.keyboard.press("5")
    visitor.page.wait_for_timeout(1000)
    assert labels_given(server) == before


def test_both_epochs_of_a_run_arrive_live(visitor, server):
    start_run(visitor, epochs=2, encoder="resnet18")  # its model will be the grading model
    visitor.waits_to_read("#run-status", "Run 1: baseline, running")
    visitor.takes_a_picture("05-train-running")
    visitor.waits_to_read("#run-status", "best validation QWK")  # after the first epoch
    visitor.waits_to_read("#run-status", "Run 1: baseline, finished")
    assert epochs_of(server, 1) == 2
    wait_for(lambda: epochs_shown(visitor) == ["2", "1"], "both rows")
    for number in (1, 2, 3):
        assert visitor.sees(f"#run-chart-{number}")
    assert "epoch 2: train loss" in visitor.page.locator("#run-log textarea").input_value()
    visitor.takes_a_picture("06-train-finished")


def test_a_reload_during_a_run_keeps_showing_its_progress(visitor, server):
    start_run(visitor, epochs=200)
    wait_for(lambda: server.query("SELECT max(id) FROM runs") == [2] and epochs_of(server, 2) >= 1, "an epoch")
    visitor.chooses("#compared-runs", "Run 1:")
    visitor.waits_to_read("#run-chart-1", "run 1")  # drawn after the browser has kept the choice
    visitor.page.reload()
    visitor.turn_to("Train")
    field = visitor.page.locator("#set-phase2_epochs input")
    wait_for(lambda: field.count() and field.input_value() == "200", "the form as it was, and its section open")
    visitor.waits_to_read("#compared-runs", "Run 1:")
    visitor.waits_to_read("#run-status", "Run 2: baseline, running")
    done = epochs_of(server, 2)
    wait_for(lambda: f"epoch {done + 2}: train loss" in visitor.page.locator("#run-log textarea").input_value(), "more")
    assert state_of(server, 2) == "running"


def test_the_page_answers_a_label_key_within_three_seconds_while_a_run_trains(visitor, server):
    visitor.turn_to("Label")
    visitor.page.locator("#grade-1").wait_for()
    card = shown_card(visitor)
    began = time.monotonic()
    visitor.page.keyboard.press("6")
    visitor.waits_to_read("#label-status", f"Saved: {card} is 6", patience_s=3)
    assert time.monotonic() - began < 3
    assert state_of(server, 2) == "running"


def test_a_stopped_run_leaves_a_checkpoint(visitor, server):
    visitor.turn_to("Train")
    visitor.page.locator("#stop-run").click()
    visitor.waits_to_read("#run-status", "Run 2: baseline, stopped")
    checkpoint = visitor.page.locator("#run-status code").filter(has_text="ckpt").inner_text()
    assert (server.root / "runs" / "run-0002" / checkpoint).is_file()
    assert state_of(server, 2) == "stopped"
    visitor.takes_a_picture("07-train-stopped")


def test_a_stopped_run_resumes_at_its_checkpoint(visitor, server):
    done = epochs_of(server, 2)
    visitor.page.locator("#resume-run").click()
    visitor.waits_to_read("#run-status", "Run 2: baseline, running")
    wait_for(lambda: epochs_of(server, 2) > done, "a further epoch")
    assert server.query("SELECT epoch FROM epochs WHERE run_id = 2") == list(range(1, epochs_of(server, 2) + 1))


def test_a_finished_run_s_model_needs_a_reason_to_become_the_grading_model(visitor, server):
    visitor.chooses("#chosen-run", "Run 1:")
    visitor.waits_to_read("#run-status", "Run 1: baseline, finished")
    visitor.chooses("#compared-model", "Run 1:")
    visitor.page.locator("#use-model").click()
    visitor.waits_to_read("#comparison-verdict", "It should not replace the model in use")
    assert server.query("SELECT run_id FROM promotions") == []
    visitor.enters("#promotion-reason", "to see it at work")
    visitor.page.locator("#promote-anyway").click()
    visitor.waits_to_read("#model-in-use", "run 1")
    assert server.query("SELECT run_id FROM promotions") == [1]
    assert server.query("SELECT reason FROM promotions") == ["to see it at work"]
    visitor.takes_a_picture("08-train-models")


def test_a_pair_is_graded_with_both_cards_and_ten_bars(visitor, server, new_card):
    visitor.turn_to("Grade")
    sha256 = server.query("SELECT sha256 FROM promotions")[0]
    # In a collapsed section: not visible, but in the page.
    model = visitor.page.locator("#grading-model")
    wait_for(lambda: sha256[:12] in model.text_content(), "the promoted model")
    for side, path in zip(("front", "back"), new_card, strict=True):
        visitor.page.locator(f"#{side}-in input[type=file]").set_input_files(path)
        visitor.page.locator(f"#{side}-in img").wait_for()
    visitor.page.locator("#grade-start").click()
    visitor.waits_to_read("#verdict", "% range: ")
    assert sha256[:12] in visitor.page.locator("#verdict").text_content()
    for side in ("front", "back"):
        visitor.waits_for_lines(side)
    visitor.page.locator('#verdict[aria-busy="false"]').wait_for()
    bars = visitor.page.locator('#probabilities [role=img][aria-label^="grade "]')
    wait_for(lambda: bars.count() == 10, "ten bars")
    visitor.takes_a_picture("09-grade-graded")


def test_a_front_alone_and_a_pair_again_are_graded_one_after_the_other(visitor, new_card):
    visitor.removes_picture("back")
    wait_for(lambda: not visitor.sees("#front-lines .stage"), "the answer to go with the back")
    assert "without the back" in visitor.grades()
    assert visitor.sees("#front-lines .stage")
    assert not visitor.sees("#back-lines .stage")
    visitor.adds_picture("back", new_card[1])
    visitor.sees_preview("back")
    verdict = visitor.grades()
    assert "without the back" not in verdict
    assert "% range: " in verdict
    assert visitor.sees("#back-lines .stage")


def test_a_picture_exchanged_while_a_card_is_graded_drops_that_grading_and_the_next_press_counts(visitor, new_card):
    visitor.page.locator("#grade-start").click()
    visitor.removes_picture("back")
    # While an event is under way, Gradio shows its seconds there.
    wait_for(lambda: visitor.reads("#verdict").strip() == "", "the dropped grading to end without an answer")
    assert not visitor.sees("#front-lines .stage")
    visitor.page.locator("#grade-start").click()
    visitor.adds_picture("back", new_card[1])
    visitor.sees_preview("back")
    verdict = visitor.grades()
    assert "% range: " in verdict
    assert "without the back" not in verdict


def test_a_new_front_asks_whether_the_back_left_over_is_still_the_right_one(visitor, new_card):
    for answer, has_back in (("keep it", True), ("Remove", False)):
        visitor.adds_picture("front", new_card[0])
        visitor.page.get_by_text("Is this still the right back?").wait_for()
        assert "Not graded" in visitor.grades(), "not with another card's back"
        visitor.page.get_by_role("button", name=answer).click()
        wait_for(lambda: not visitor.page.get_by_text("Is this still the right back?").is_visible(), "the answer taken")
        assert visitor.page.locator("#back-in img").count() == has_back
    visitor.adds_picture("back", new_card[1])
    visitor.sees_preview("back")


@pytest.mark.parametrize("name", ["text.jpg", "notes.txt", "empty.heic"])
def test_a_file_that_is_no_picture_takes_the_answer_away_and_is_named_in_its_place(visitor, server, tmp_path, name):
    if name == "text.jpg":
        visitor.grades()
        visitor.page.locator("#front-lines .stage").wait_for()
    path = tmp_path / name
    path.write_text("" if name == "empty.heic" else "no picture")
    visitor.adds_picture("front", path)
    visitor.waits_to_read("#verdict", f"{name}: ")
    assert not visitor.sees("#front-lines .stage")
    assert not any(part.is_visible() for part in visitor.page.get_by_text("Error", exact=True).all())
    assert list(server.root.glob(f"uploads/*/{name}")) == [], "a refused file is deleted"
    visitor.takes_a_picture(f"10-grade-refused-{name}")


def test_a_pair_is_saved_as_a_card_with_a_corrected_grade(visitor, server, new_card):
    visitor.adds_picture("front", new_card[0])
    visitor.page.get_by_role("button", name="keep it").click()
    assert "% range: " in visitor.grades(), "grading works after refused files"
    before = labels_given(server)
    visitor.chooses("#own-grade", "4")
    visitor.page.locator("#keep-card").click()
    visitor.waits_to_read("#kept", "labelled 4")
    assert server.query("SELECT count(*) FROM cards") == [26]
    assert labels_given(server) == before + 1


def test_a_kept_card_is_weighed_comes_back_is_deleted_and_taken_out_of_the_bin(visitor, server):
    visitor.turn_to("Collection")
    visitor.page.locator("#card-gradings table").wait_for()
    for field, price in (("price-raw", 20), ("price-10", 400), ("fee", 25)):
        visitor.enters(f"#card-{field}", price)
    visitor.page.locator("#card-work-out").click()
    visitor.waits_to_read("#card-worth-text", "Expected gain")
    assert server.query("SELECT grading_fee FROM submission_costs") == [25]
    visitor.chooses("#returned-grade", "3.5")
    visitor.enters("#returned-cert", 12345678)
    visitor.page.locator("#save-returned").click()
    wait_for(
        lambda: "Came back as 3.5 Very Good+, certificate 12345678" in visitor.reads("#card-returned"), "the grade"
    )
    assert latest_grades(server, 1) == [3.5]
    assert "of 1 (" in visitor.reads("#track-record")
    visitor.takes_a_picture("12-collection")
    visitor.page.locator("#delete-card").click()
    visitor.waits_to_read("#collection-status", "1 card moved to the bin")
    visitor.waits_to_read("#collection-summary", "Your collection is empty")
    assert server.query("SELECT count(*) FROM cards WHERE deleted_at IS NULL") == [25]
    visitor.page.locator("#undo-delete").click()
    visitor.waits_to_read("#collection-status", "1 card taken out of the bin")
    visitor.page.locator("#card-gradings table").wait_for()
    assert server.query("SELECT count(*) FROM cards WHERE deleted_at IS NULL") == [26]


@pytest.fixture(scope="module")
def note(tmp_path_factory):
    """A file that is no picture."""
    path = tmp_path_factory.mktemp("note") / "note.jpg"
    path.write_text("no picture", encoding="utf-8")
    return path


def example(server, language: str, containing: str, new_card) -> str:
    """A code block of the README with the address of this server, and this card as front.jpg and back.jpg."""
    blocks = re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    [block] = [block for block in blocks if containing in block]
    block = block.replace("http://127.0.0.1:7860", server.url)
    return block.replace("front.jpg", str(new_card[0])).replace("back.jpg", str(new_card[1]))


def test_the_example_in_python_grades_a_card_and_bad_input_gets_its_sentence(server, new_card, note):
    names: dict[str, Any] = {}
    exec(example(server, "python", "gradio_client", new_card), names)
    with closing(names["client"]) as client:
        assert sum(names["result"]["probabilities"]) == pytest.approx(1)
        assert client.predict(handle_file(new_card[0]), None, "", api_name="/grade")["back"] is None
        for front, back, sentence in (
            (handle_file(note), None, "note.jpg: "),
            (None, handle_file(new_card[1]), "the front is missing; upload a picture of it"),
            (7, None, "the front is not an uploaded file"),
            (handle_file(new_card[0]), 7, "the back is not an uploaded file"),
        ):
            with pytest.raises(AppError, match=sentence):
                client.predict(front, back, "", api_name="/grade")


def test_the_example_with_curl_works_and_bad_input_gets_its_sentence(server, new_card):
    first, second = example(server, "sh", "curl", new_card).splitlines()

    def answer(first: str) -> str:
        event = json.loads(printed(first))["event_id"]
        return printed(second.replace("EVENT_ID", event))

    def printed(line: str) -> str:
        command = ["bash", "-c", f"{line} -sS --noproxy '*'"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert json.loads(answer(first).partition("data: ")[2])[0]["status"] == "ok"
    refused = answer(first.replace("call/health", "call/grade").replace("[]", '[7, null, ""]'))
    assert "event: error" in refused and "the front is not an uploaded file" in refused


def test_the_example_of_an_assistant_works_and_bad_input_gets_its_sentence(server, new_card, note):
    if not HAS_MCP:
        assert not os.environ.get("CI"), "the extra 'test' brings it"
        pytest.skip("the package mcp is not installed (the extra 'mcp')")
    printed = io.StringIO()
    names: dict[str, Any] = {}
    # A thread without Playwright's event loop.
    with ThreadPoolExecutor(1) as pool, contextlib.redirect_stdout(printed):
        pool.submit(exec, example(server, "python", "ClientSession", new_card), names).result()
    graded = json.loads(printed.getvalue())
    assert sum(graded["probabilities"]) == pytest.approx(1)
    assert graded["back"] is None
    [settings] = re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert json.loads(settings)["mcpServers"]["loupe"]["url"] == f"http://127.0.0.1:7860{MCP_ROUTE}"

    async def calls() -> list[tuple[bool, str]]:
        """The answer that an assistant gets for the address of an upload, and for bad input."""
        address = f"{server.url}{MCP_ROUTE}"
        async with (
            names["streamable_http_client"](address) as (read, write, _),
            names["ClientSession"](read, write) as session,
        ):
            await session.initialize()
            assert {tool.name for tool in (await session.list_tools()).tools} >= {"grade", "grade_batch", "health"}
            with new_card[0].open("rb") as file:
                uploaded = httpx.post(f"{server.url}/gradio_api/upload", files={"files": file}).json()[0]
            front = f"{server.url}/gradio_api/file={quote(uploaded)}"
            text = "data:image/jpeg;base64," + base64.b64encode(note.read_bytes()).decode()
            values = [{"front": front, "back": None}, {"front": text}, {"front": str(new_card[0])}, {"front": 7}, {}]
            results = [await session.call_tool("grade", value) for value in values]
        return [(result.isError, result.content[0].text) for result in results]

    with ThreadPoolExecutor(1) as pool:
        by_address, *refused = pool.submit(asyncio.run, calls()).result()
    assert json.loads(by_address[1])["grade"] in range(1, 11)
    assert all(is_error for is_error, _ in refused)
    sentences = ["front.jpg: ", "the front is not an uploaded file", "", "front"]
    assert all(sentence in text for sentence, (_, text) in zip(sentences, refused, strict=True)), refused


def test_a_retraining_uses_the_new_label_and_waits_for_the_earlier_run(visitor, server):
    visitor.turn_to("Train")
    visitor.waits_to_read("#train-cards", "26 labelled cards are ready")
    start_run(visitor, epochs=1)
    visitor.waits_to_read("#run-status", "Run 3: baseline, queued")
    assert server.query("SELECT pairs FROM snapshots ORDER BY id") == [25, 25, 26]
    wait_for(lambda: "waits for the run before it" in visitor.page.locator("#run-log textarea").input_value(), "a turn")
    visitor.takes_a_picture("09-train-queued")
    visitor.page.locator("#stop-run").click()
    visitor.waits_to_read("#run-status", "Run 3: baseline, stopped")
    assert state_of(server, 2) == "running"
    visitor.chooses("#chosen-run", "Run 2:")
    visitor.waits_to_read("#run-status", "Run 2: baseline, running")
    visitor.page.locator("#stop-run").click()
    visitor.waits_to_read("#run-status", "Run 2: baseline, stopped")


def test_a_failed_import_is_explained_in_its_place_and_covers_no_button(visitor, server):
    visitor.turn_to("Label")
    visitor.page.locator("#grade-3").wait_for()
    visitor.page.get_by_role("button", name="Import cards").click()
    visitor.enters("#import-path", "/nowhere/<b>at all</b>")
    visitor.page.locator("#import-start").click()
    visitor.waits_to_read("#import-outcome", "Not imported")
    assert "/nowhere/<b>at all</b>: there is no such" in visitor.reads("#import-outcome")
    assert not any(part.is_visible() for part in visitor.page.get_by_text("Error", exact=True).all())
    before = labels_given(server)
    visitor.page.locator("#grade-3").click()  # fails if anything lies over it
    wait_for(lambda: labels_given(server) == before + 1, "the label")


def test_markup_in_names_is_shown_as_text(visitor, server, shoebox, tmp_path):
    manifest = tmp_path / "markup.csv"
    with manifest.open("w", newline="") as file:
        csv.writer(file).writerows([("card_id", "front"), (MARKUP, shoebox / "card-000_back.png")])
    visitor.enters("#import-path", manifest)
    visitor.page.locator("#import-start").click()
    visitor.waits_to_read("#import-preview", "1 card")
    assert MARKUP in visitor.reads("#import-preview")
    visitor.page.locator("#import-confirm").click()
    visitor.waits_to_read("#import-outcome", "1 cards added")
    # The desk stays at the card that the labeler is at.
    visitor.chooses("#label-filter", "Only unlabelled")
    visitor.waits_to_read("#current-grade", "Not labelled")
    assert MARKUP in visitor.reads("#current-grade")
    assert visitor.page.locator("#current-grade :is(img, p[style*=fixed])").count() == 0
    visitor.page.locator("#grade-3").click()
    wait_for(lambda: f"{MARKUP} is 3" in visitor.reads("#label-status"), "the label")
    visitor.turn_to("Train")
    visitor.opens_advanced_settings()
    visitor.page.get_by_role("button", name="Hypothesis and success criteria").click()
    visitor.enters("#run-hypothesis", MARKUP)
    visitor.page.locator("#start-run").click()
    visitor.waits_to_read("#run-status", "Run 4")
    assert MARKUP in visitor.reads("#run-status")
    visitor.takes_a_picture("11-markup")


def test_a_second_server_and_a_used_port_give_one_clear_message(visitor, server, tmp_path):
    port = urlsplit(server.url).port
    same_folder = run("--data", server.root, "--port", "1", "--no-browser")
    assert server.url in same_folder.error_line
    assert "--data" in same_folder.error_line
    same_port = run("--data", tmp_path / "other", "--port", port, "--no-browser")
    assert str(port) in same_port.error_line
    assert "--port" in same_port.error_line


def test_the_page_made_no_external_request_and_raised_no_error(visitor, server):
    requests = [url for url in visitor.requests if urlsplit(url).scheme not in ("data", "blob")]
    assert {urlsplit(url).hostname for url in requests} == {"127.0.0.1"}
    assert server.connections == set()
    assert visitor.complaints == []
