"""Labeling desk at 1,000 to 100,000 cards: opening the queue, a key to the next card, many labelers, an import.

Each figure is a ratio to what a labeler may be asked to wait for. The parts of the server are timed on its functions,
those of the browser in a Chromium that presses keys on the page.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from sqlalchemy import func, select

from app.labels.label_desk import LabelDesk
from app.labels.queue_orders import ALL_CARDS, RANKED
from app.models.model_registry import sha256_in_use
from app.settings import DataFolder
from benchmarks.harness import NothingMeasured, Row
from benchmarks.many_cards import fill
from benchmarks.speed.start import served
from db.schema import LabelEvent
from db.session import Database
from labeling.import_cards import import_cards

CARDS = (1_000, 10_000, 100_000)
EVENTS_PER_CARD = 10
KEYS, OPENINGS = 60, 5
KEY_LIMIT_S, OPENING_LIMIT_S = 0.15, 1.0
LABELERS, LABELING_S, KEY_EVERY_S = 20, 60.0, 2.0
MAX_SLOWER_WITH_OTHERS = 4.0
MAX_BYTES_PER_EVENT = 400
IMPORTED, MIN_IMPORTS_PER_S = 1500, 300
FRONT_PX = (350, 250)
PATIENCE_MS = 120_000
# Milliseconds from a key until the next card is on the screen in full.
PRESS = """
(key) => new Promise((resolve) => {
  const desk = document.querySelector(".desk"), before = desk.dataset.card, began = performance.now();
  const look = () => {
    if (desk.dataset.card !== before && !desk.classList.contains("waiting")) resolve(performance.now() - began);
    else requestAnimationFrame(look);
  };
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key, code: "Digit" + key, bubbles: true }));
  look();
})
"""


def measure() -> list[Row]:
    """All parts, on databases of their own in a temporary folder."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        fronts = write_fronts(Path(name) / "fronts", IMPORTED)
        rows.append(_import_row(Path(name), fronts[0].parent))
        model = _starter_sha256(DataFolder(Path(name)))
        for cards in CARDS:
            data = DataFolder(Path(name) / f"{cards}")
            with Database.open(data.database) as database:
                fill(database, fronts[: 2 * KEYS], cards=cards, events_per_card=EVENTS_PER_CARD, model_sha256=model)
                rows += _opening_rows(database, data, cards)
                rows += _key_rows(database, data, cards)
                if cards == CARDS[-1]:
                    rows.append(_size_row(database, data, cards))
                    rows.append(_many_labelers_row(database, data))
            rows += _browser_rows(data, cards)
    return rows


def write_fronts(folder: Path, count: int) -> list[Path]:
    """Write small pictures of cards, all different: a printed frame and a textured picture on a plain ground."""
    folder.mkdir()
    random = np.random.default_rng(0)
    paths = [folder / f"{index:05}_front.jpg" for index in range(count)]
    for path in paths:
        rgb = np.full((*FRONT_PX, 3), 200, np.uint8)
        texture = random.integers(0, 256, (FRONT_PX[0] // 8, FRONT_PX[1] // 8, 3), np.uint8)
        art = cv2.resize(texture, (FRONT_PX[1] - 40, FRONT_PX[0] - 40), interpolation=cv2.INTER_CUBIC)
        rgb[20:-20, 20:-20] = art
        cv2.imwrite(str(path), rgb)
    return paths


def _import_row(folder: Path, fronts: Path) -> Row:
    with Database.open(DataFolder(folder / "import").database) as database:
        began = time.perf_counter()
        imported = import_cards(database, fronts)
        per_s = imported.added / (time.perf_counter() - began)
    if imported.added != IMPORTED:
        raise AssertionError(f"{imported.added} of {IMPORTED} cards were imported")
    what = f"cards imported a second, {per_s:.0f}, {os.cpu_count()} cores"
    return Row(what, f"{MIN_IMPORTS_PER_S}", per_s / MIN_IMPORTS_PER_S, IMPORTED, at_least=1.0)


def _opening_rows(database: Database, data: DataFolder, cards: int) -> Iterator[Row]:
    desk = LabelDesk(database, data)
    for entry in (ALL_CARDS, next(iter(RANKED))):
        seconds = statistics.median(
            _seconds(lambda entry=entry: (_ask(desk, "open_queue", entry=entry), _ask(desk, "label_counts")))
            for _ in range(OPENINGS)
        )
        what = f"opening “{entry}”, {cards:,} cards: server"
        yield Row(what, "one second", seconds / OPENING_LIMIT_S, OPENINGS, at_most=1.0)


def _key_rows(database: Database, data: DataFolder, cards: int) -> Iterator[Row]:
    seconds = list(_Labeler(LabelDesk(database, data), "ada", 0).keys(KEYS))
    p95 = float(np.percentile(seconds, 95))
    what = f"key to next card, {cards:,} cards, {cards * EVENTS_PER_CARD:,} events, 95 %: server"
    yield Row(what, "150 ms", p95 / KEY_LIMIT_S, KEYS, at_most=1.0)


def _size_row(database: Database, data: DataFolder, cards: int) -> Row:
    bare = data.database.with_name("bare.db")
    with Database.open(bare) as without:
        fill(without, [], cards=cards, events_per_card=1, model_sha256=_starter_sha256(data))
    events = cards * (EVENTS_PER_CARD - 1)
    per_event = (data.database.stat().st_size - bare.stat().st_size) / events
    return Row(f"{per_event:.0f} bytes a label event", "400", per_event / MAX_BYTES_PER_EVENT, events, at_most=1.0)


def _many_labelers_row(database: Database, data: DataFolder) -> Row:
    """A labeler alone and many together, a key every two seconds each; every label must be there once."""
    desk = LabelDesk(database, data)
    before = _event_count(database)
    alone = _label_for(desk, [0])
    together = _label_for(desk, range(1, LABELERS + 1))
    given = _event_count(database) - before
    if given != len(alone) + len(together):
        raise AssertionError(f"{len(alone) + len(together)} labels were given, and {given} were recorded")
    slow, quick = (float(np.percentile(seconds, 95)) for seconds in (together, alone))
    what = f"key to next card, {LABELERS} labelers, 95 %"
    return Row(what, f"one labeler, {1000 * quick:.0f} ms", slow / quick, len(together), at_most=MAX_SLOWER_WITH_OTHERS)


def _label_for(desk: LabelDesk, numbers: Sequence[int]) -> list[float]:
    """Seconds of each key of some labelers who work at the same time, each on cards of his own."""
    seconds: list[float] = []
    keys = int(LABELING_S / KEY_EVERY_S)

    def work(number: int) -> None:
        time.sleep(number % LABELERS * KEY_EVERY_S / LABELERS)
        seconds.extend(_Labeler(desk, f"labeler {number}", number * 2 * keys).keys(keys, every_s=KEY_EVERY_S))

    threads = [threading.Thread(target=work, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seconds


class _Labeler:
    """A page that gives labels to the cards of the queue, one after another."""

    def __init__(self, desk: LabelDesk, name: str, first: int) -> None:
        self._desk, self._name, self._number = desk, name, 0
        ids = _ask(desk, "open_queue")["ids"].split(",")
        self._ids = [int(card_id) for card_id in ids[first : first + 10 * KEYS]]

    def keys(self, count: int, *, every_s: float = 0.0) -> Iterator[float]:
        """Label the next cards; yields the seconds from a key until the card after it is known."""
        card = self._card(0)
        for place in range(count):
            began = time.perf_counter()
            self._number += 1
            act = {"kind": "label", "number": self._number, "grade": 1 + place % 10}
            known = {"key": card["key"], "last_event": card["last_event"]}
            _ask(self._desk, "label_acts", name=self._name, page=self._name, acts=[{**act, **known}])
            card = self._card(place + 1)
            seconds = time.perf_counter() - began
            yield seconds
            time.sleep(max(every_s - seconds, 0.0))

    def _card(self, place: int) -> dict[str, Any]:
        return dict(_ask(self._desk, "queue_cards", name=self._name, ids=[self._ids[place]])["cards"][0])


def _browser_rows(data: DataFolder, cards: int) -> Iterator[Row]:
    """Keys pressed in a browser; none without one."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("no chromium on the PATH: the browser's part is not measured", file=sys.stderr)
        return
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - a dependency of the tests only

    with served(data.root) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1366, "height": 900})
        page.add_init_script('localStorage.setItem("loupe-labeler", JSON.stringify("ada"))')
        page.set_default_timeout(PATIENCE_MS)
        page.goto(url)
        page.get_by_role("tab", name="Label").click()
        page.locator(".desk[data-card]:not(.waiting)").wait_for()
        milliseconds = [page.evaluate(PRESS, str(1 + number % 9)) for number in range(KEYS)]
        browser.close()
    p95 = float(np.percentile(milliseconds[1:], 95)) / 1000
    yield Row(f"key to next card, {cards:,} cards, 95 %: browser", "150 ms", p95 / KEY_LIMIT_S, KEYS - 1, at_most=1.0)


def _starter_sha256(data: DataFolder) -> str:
    sha256 = sha256_in_use(data)
    if sha256 is None:
        raise NothingMeasured("the model that comes with Loupe is missing")
    return sha256


def _ask(desk: LabelDesk, function_name: str, /, **value: Any) -> dict[str, Any]:
    functions: dict[str, Callable[[Any], dict[str, Any]]] = {
        function.__name__: function for function in desk.functions()
    }
    answer = functions[function_name](value)
    if "problem" in answer:
        raise AssertionError(f"{function_name}: {answer['problem']}")
    return answer


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _event_count(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count(LabelEvent.id))) or 0
