"""A batch in the browser: three pairs, the page loaded again meanwhile, prices, and the report, printed offline."""

from __future__ import annotations

import csv
import os
import re
import signal
from pathlib import Path

import psutil
import pytest
from PIL import Image

from app.batch.batch import Batch
from tests.browser.conftest import PATIENCE_S, Server, Visitor, answers, free_port, wait_for
from tests.card_factory import card_picture, write_cards
from tests.commands import start

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Of the long test; 500 take about ten minutes.
PAIRS = int(os.environ.get("LOUPE_BATCH_PAIRS", "40"))


@pytest.mark.long
def test_a_batch_survives_a_reload_is_sorted_by_gain_and_prints_one_page_per_card(
    visitor: Visitor, server: Server, tmp_path: Path
):
    folder = write_cards(tmp_path / "cards", [9, 8, 4]).parent
    (folder / "card-001_front.png").write_bytes(b"no picture")
    visitor.turn_to("Batch")
    visitor.enters("#batch-path", folder)
    visitor.page.locator("#batch-start").click()
    visitor.waits_to_read("#batch-status", "of 3 cards done")
    visitor.open(server.url)
    visitor.turn_to("Batch")
    visitor.waits_to_read("#batch-status", "3 of 3 cards done")
    assert "1 could not be graded" in visitor.reads("#batch-status")
    rows = visitor.page.locator("#batch-table tbody tr")
    assert rows.count() == 3
    assert "card-001_front.png" in rows.last.inner_text()
    thumbnails = visitor.page.locator("#batch-table img")
    assert thumbnails.count() == 2
    wait_for(lambda: thumbnails.first.evaluate("image => image.naturalWidth") > 0, "the thumbnail to load")
    visitor.takes_a_picture("batch")
    visitor.page.locator("#batch-report").click()
    link = visitor.page.locator("#batch-file a[download]").first
    with visitor.page.expect_download() as download:
        link.click()
    report = tmp_path / "report.html"
    download.value.save_as(report)
    offline = visitor.page.context.browser.new_context(offline=True, java_script_enabled=False)
    page = offline.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(report.as_uri())
    assert page.locator("article").count() == 2
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    pdf = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 3  # two cards, and the list of those not graded
    offline.close()
    assert visitor.complaints == []


@pytest.mark.long
def test_a_batch_ends_with_every_card_once_after_a_reload_a_killed_server_and_a_killed_batch(
    visitor: Visitor, tmp_path: Path
):
    manifest = tmp_path / "cards.csv"
    for side in ("front", "back"):
        Image.fromarray(card_picture(8, 3, side)).save(tmp_path / f"{side}.png")
    with manifest.open("w", newline="", encoding="utf-8") as file:
        rows = [(f"card-{number}", "front.png", "back.png") for number in range(PAIRS)]
        csv.writer(file).writerows([("card_id", "front", "back"), *rows])
    port = free_port()
    words = ("--data", tmp_path / "data", "--port", port, "--no-browser")
    url = f"http://127.0.0.1:{port}"

    def opens_the_batch() -> None:
        wait_for(lambda: answers(url), "the server to answer")
        visitor.open(url)
        visitor.turn_to("Batch")

    server = start(*words)
    opens_the_batch()
    visitor.enters("#batch-path", manifest)
    visitor.page.locator("#batch-start").click()
    batch = Batch(tmp_path / "data" / "batches" / "batch-0001")
    wait_for(lambda: len(batch.rows()) >= PAIRS // 5, "a fifth of the rows", patience_s=PATIENCE_S + PAIRS)
    visitor.page.reload()
    visitor.waits_to_read("#batch-status", f"of {PAIRS} cards done")
    [process] = [child for child in psutil.Process(server.pid).children() if "--app-batch" in child.cmdline()]
    server.send_signal(signal.SIGKILL)
    server.communicate()
    at_kill = len(batch.rows())
    wait_for(lambda: len(batch.rows()) > at_kill, "a row without a server")
    for member in [*process.children(recursive=True), process]:
        member.kill()
    wait_for(lambda: batch.state() == "interrupted", "the end of the batch's process")
    assert len(batch.rows()) < PAIRS, "some are left"
    server = start(*words)
    opens_the_batch()
    visitor.waits_to_read("#batch-status", "Interrupted.")
    visitor.page.locator("#batch-resume").click()
    visitor.waits_to_read("#batch-status", f"{PAIRS} of {PAIRS} cards done", patience_s=PATIENCE_S + 3 * PAIRS)
    numbers = [row["number"] for row in batch.rows_file.read()]
    assert sorted(numbers) == list(range(PAIRS))
    assert not any("error" in row for row in batch.rows_file.read())
    server.send_signal(signal.SIGINT)
    server.communicate(timeout=PATIENCE_S)
