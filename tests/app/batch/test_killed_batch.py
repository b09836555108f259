"""A batch whose process is killed goes on after a restart; every card ends with one row."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

from app.batch.batch import Batch
from app.batch.sources import batch_from_path
from app.settings import DataFolder
from tests.app.card_factory import picture_of_card
from tests.commands import start

PAIRS = 40


@pytest.mark.long
def test_forty_pairs_with_a_kill_in_the_middle_end_with_forty_rows_each_once(tmp_path: Path):
    for name, borders in (("front", (2.0, 3.0, 3.0, 3.0)), ("back", (3.0, 3.0, 2.5, 3.5))):
        Image.fromarray(picture_of_card(*borders)).save(tmp_path / f"{name}.png")
    manifest = tmp_path / "cards.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("card_id", "front", "back"))
        writer.writerows((f"card-{number}", "front.png", "back.png") for number in range(PAIRS))
    data = DataFolder(tmp_path / "data")
    batch = batch_from_path(data, manifest)
    words = ("grade", "--app-batch", batch.name, "--data", data.root)
    process = start(*words)
    _wait_for_rows(batch, PAIRS // 3, process.pid)
    for member in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
        member.kill()
    process.communicate()
    before = len(batch.rows())
    assert PAIRS // 3 <= before < PAIRS
    finished = start(*words)
    out, err = finished.communicate(timeout=1800)
    assert finished.returncode == 0, err
    assert json.loads(out) == {"cards": PAIRS, "rows": PAIRS}
    numbers = [row["number"] for row in batch.rows_file.read()]
    assert sorted(numbers) == list(range(PAIRS))
    assert batch.state() == "finished"


def _wait_for_rows(batch: Batch, count: int, process_id: int) -> None:
    began = time.monotonic()
    while len(batch.rows()) < count:
        assert psutil.pid_exists(process_id)
        assert time.monotonic() - began < 1800
        time.sleep(0.05)
