"""Fixtures of the browser tests: a server on an empty data folder, and a browser window on its page."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.commands import start

PATIENCE_S = 120.0
DEAD_PROXY = "http://127.0.0.1:9"
CHROMIUM_OPTIONS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
HAS_MCP = find_spec("mcp") is not None
LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")


def wait_for(happened: Callable[[], bool], description: str, patience_s: float = PATIENCE_S) -> float:
    """Wait until `happened` returns True; returns the seconds waited."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < patience_s, f"waited {patience_s:.0f} s in vain for: {description}"
        time.sleep(0.05)
    return time.monotonic() - began


@dataclass
class Server:
    """The running server, and the network connections of its process tree."""

    url: str
    root: Path
    process: psutil.Process
    connections: set[str] = field(default_factory=set)  # addresses of other machines

    def query(self, sql: str) -> list[Any]:
        """The first column of a query's result, read from the database file as another program would."""
        with closing(sqlite3.connect(self.root / "loupe.db")) as connection:
            return [row[0] for row in connection.execute(sql)]

    def watch(self, ended: threading.Event) -> None:
        """Record the connections of the server and its runs until `ended` is set."""
        while not ended.wait(0.2):
            try:
                family = [self.process, *self.process.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            for process in family:
                try:
                    addresses = [
                        connection.raddr.ip for connection in process.net_connections("inet") if connection.raddr
                    ]
                except psutil.NoSuchProcess:
                    continue
                self.connections.update(address for address in addresses if address not in LOOPBACK)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError):
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app on an empty data folder; its runs are killed at the end."""
    root, port = tmp_path_factory.mktemp("served") / "data", free_port()
    # Behind a proxy that does not answer: the app must reach neither itself nor anything else through it.
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), DEAD_PROXY)
    mcp = ["--mcp"] if HAS_MCP else []
    process = start("--data", root, "--port", port, "--no-browser", *mcp, env={**os.environ, **proxies})
    served = Server(f"http://127.0.0.1:{port}", root, psutil.Process(process.pid))
    wait_for(lambda: process.poll() is not None or answers(served.url), "the server to answer")
    ended = threading.Event()
    watcher = threading.Thread(target=served.watch, args=(ended,))
    watcher.start()
    yield served
    ended.set()
    watcher.join()
    runs = served.process.children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    for run in runs:
        if run.is_running():
            run.kill()
    assert "Traceback" not in err, err


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Chromium. Without it or playwright the tests are skipped; in CI they fail."""
    path = shutil.which("chromium")
    missing = [] if path else ["chromium on the PATH (Debian: apt install chromium)"]
    missing += [] if find_spec("playwright") else ["playwright (the extra 'test')"]
    if path and not missing:
        return path
    sentence = f"the browser tests need {' and '.join(missing)}"
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)


@dataclass
class Visitor:
    """A user of the page; complaints are the errors of its scripts."""

    page: Any
    pictures: Path
    requests: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def notes_component_errors(self, message: Any) -> None:
        """Add an error of a component's script, which Gradio only writes to the console, to the complaints."""
        if message.type == "error" and message.text.startswith("Error "):
            self.complaints.append(message.text)

    def open(self, url: str) -> None:
        """Load the page and wait until it responds."""
        self.page.goto(url)
        self.page.get_by_role("tab", name="Label").wait_for()

    def turn_to(self, tab: str) -> None:
        """Open a tab."""
        self.page.get_by_role("tab", name=tab).click()

    def sees(self, selector: str) -> bool:
        """True if the element is visible."""
        return bool(self.page.locator(selector).is_visible())

    def reads(self, selector: str) -> str:
        """The visible text of an element."""
        return str(self.page.locator(selector).inner_text())

    def waits_to_read(self, selector: str, text: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until an element shows a text."""
        self.page.locator(selector).get_by_text(text).first.wait_for(timeout=patience_s * 1000)

    def adds_picture(self, side: str, path: Path) -> None:
        """Put a file into the field of a side in place of the one there."""
        self.removes_picture(side)
        self.page.locator(f"#{side}-in input[type=file]").set_input_files(path)

    def removes_picture(self, side: str) -> None:
        """Empty the field of a side."""
        clear = self.page.locator(f"#{side}-in").get_by_role("button", name="Clear")
        if clear.count():
            clear.click()
        self.page.locator(f"#{side}-in input[type=file]").wait_for(state="attached")

    def sees_preview(self, side: str) -> None:
        """Wait until the picture of a side is visible beside its field."""
        picture = self.page.locator(f"#{side}-in img")
        picture.wait_for()
        wait_for(lambda: picture.evaluate("image => image.naturalWidth") > 0, "the preview to load")

    def grades(self) -> str:
        """Press Grade and wait for the answer; returns the verdict."""
        self.page.locator("#grade-start").click()
        self.page.locator('#verdict[aria-busy="false"]').wait_for()
        return self.reads("#verdict")

    def waits_for_lines(self, side: str) -> None:
        """Wait until the card of a graded side is drawn with its lines; a failure tells the state of the page."""
        drawn = self.page.locator(f"#{side}-lines .stage[data-ready]")
        try:
            wait_for(lambda: drawn.count() > 0 and drawn.is_visible(), f"the lines on the {side}")
        except AssertionError:
            stage = self.page.locator(f"#{side}-lines .stage").evaluate_all("all => all.map(one => one.outerHTML)")
            pytest.fail(
                f"no lines on the {side}: the verdict reads {self.reads('#verdict')!r}, complaints: {self.complaints}, "
                f"stage: {str(stage)[:500]}"
            )

    def chooses(self, selector: str, entry: str) -> None:
        """Choose the first entry of a dropdown that contains a text."""
        self.page.locator(f"{selector} input").click()
        self.page.get_by_role("option").filter(has_text=entry).first.click()

    def enters(self, selector: str, value: object) -> None:
        """Type into a field and leave it; setting its value would fire no events."""
        box = self.page.locator(f"{selector} input, {selector} textarea").first
        box.click()
        box.press("Control+a")
        box.press_sequentially(str(value))
        box.press("Tab")

    def opens_advanced_settings(self) -> None:
        """Show the recipes and settings of the Train tab."""
        if not self.sees("#recipe"):
            self.page.locator("#advanced").get_by_role("button").first.click()
            self.page.locator("#recipe").wait_for()

    def takes_a_picture(self, name: str) -> None:
        """Save a screenshot of the whole page."""
        self.page.screenshot(path=self.pictures / f"{name}.png", full_page=True)


@pytest.fixture(scope="module")
def visitor(chromium: str, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """One browser window for all tests of a module."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - may be missing, see `chromium`

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE_S * 1000)
        person = Visitor(page, tmp_path_factory.mktemp("screenshots"))
        page.on("request", lambda request: person.requests.add(request.url))
        page.on("pageerror", lambda error: person.complaints.append(str(error)))
        page.on("console", person.notes_component_errors)
        person.open(server.url)
        yield person
        browser.close()
