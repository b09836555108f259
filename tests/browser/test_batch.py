"""A batch in the browser: three pairs, the page loaded again meanwhile, prices, and the report, printed offline."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.browser.conftest import Server, Visitor, wait_for
from tests.card_factory import write_cards

pytestmark = [pytest.mark.browser, pytest.mark.slow]


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
