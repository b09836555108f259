"""Hosts, origins, routes, files and sizes that the app answers, and the headers of its answers."""

import asyncio
import base64
import hashlib
import io
import re
import shutil
import socket

import psutil
import pytest
from fastapi.testclient import TestClient
from gradio.routes import file_upload_statuses
from PIL import Image

from app.screens.application import LIBRARY
from app.screens.security import CUT_SHORT, host_names
from app.settings import Login, ServerOptions
from tests.app.screens.conftest import mounted

OWN = "http://127.0.0.1:7860"
UPLOAD, FILE = "/gradio_api/upload", "/gradio_api/file="
LARGEST_UPLOAD = 200_000


@pytest.fixture(scope="module")
def home(empty_home):
    return empty_home


@pytest.fixture(scope="module")
def browser(home):
    """A browser of this machine that has opened the app."""
    options = ServerOptions(max_upload_bytes=LARGEST_UPLOAD, public_hosts=("cards.example",))
    with TestClient(mounted(home, options).app, base_url=OWN, client=("127.0.0.1", 50000)) as client:
        yield client


def upload(client, name: str, content: bytes, **options):
    return client.post(UPLOAD, files={"files": (name, content)}, **options)


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "LOCALHOST", "[::1]:7860", "cards.example"])
def test_the_app_answers_at_loopback_and_at_the_names_it_was_given(browser, host):
    assert browser.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "0.0.0.0:7860", "192.168.0.7", "a@127.0.0.1", "127.0.0.1/x", ""]
)
def test_any_other_host_is_refused_with_the_remedy(browser, host):
    for answer in (browser.get("/", headers={"Host": host}), upload(browser, "a.png", b"", headers={"Host": host})):
        assert answer.status_code == 403
        assert "--allow-host" in answer.text
    assert browser.get("/", headers={"X-Forwarded-Host": host or "evil.example"}).status_code == 403


def test_beyond_loopback_the_machine_s_own_names_and_addresses_are_answered():
    addresses = {
        address.address
        for group in psutil.net_if_addrs().values()
        for address in group
        if address.family is socket.AF_INET
    }
    names = host_names("0.0.0.0", ["Cards.example"])
    assert {socket.gethostname().lower(), "localhost", "cards.example", *addresses} <= names
    assert not {"0.0.0.0", "::", ""} & names
    assert host_names("127.0.0.1") == {"127.0.0.1", "localhost", "::1"}
    assert "192.0.2.7" in host_names("192.0.2.7")


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://127.0.0.1:8000", "http://localhost:7860.evil.example", "null", "file://", ""],
)
def test_a_request_from_the_page_of_another_site_is_refused(browser, origin, home):
    for answer in (
        upload(browser, "page.html", b"<script>", headers={"Origin": origin}),
        browser.get("/config", headers={"Origin": origin}),
        browser.options(UPLOAD, headers={"Origin": origin, "Access-Control-Request-Method": "POST"}),
    ):
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    assert list(home.data.uploads.glob("*/page.html")) == []


def test_the_page_itself_programs_without_an_origin_and_the_named_proxy_may_send_requests(browser):
    picture = b"a picture"
    assert upload(browser, "a.png", picture, headers={"Origin": OWN}).status_code == 200
    assert upload(browser, "a.png", picture).status_code == 200
    assert upload(browser, "a.png", picture, headers={"Origin": "https://cards.example"}).status_code == 200


def test_only_derived_pictures_and_uploads_are_sent(browser, home, tmp_path):
    data = home.data
    shown, model, original = data.shown / "a.jpg", data.run_folder(1) / "model.pt", data.pictures / "a.png"
    secret, link = tmp_path / "secret.png", data.uploads / "link.png"
    for path in (shown, model, original, secret, link):
        path.parent.mkdir(parents=True, exist_ok=True)
    for path in (shown, model, original, secret):
        path.write_bytes(b"content")
    link.symlink_to(data.database)
    [uploaded] = upload(browser, "b.png", b"a picture").json()
    for path in (shown, uploaded):
        assert browser.get(f"{FILE}{path}").status_code == 200, path
    paths = [data.database, model, original, secret, link, data.shown, "/etc/hostname", "loupe.db", ""]
    for path in [*paths, f"{data.shown}/../../loupe.db", f"{data.uploads}/../loupe.db"]:
        assert browser.get(f"{FILE}{path}").status_code == 403, path


def test_an_uploaded_page_is_a_download_that_runs_nothing(browser):
    for name in ("page.html", "drawing.svg", "page.xhtml", "script.js"):
        [path] = upload(browser, name, b"<script>document.title = 'ran'</script>").json()
        answer = browser.get(f"{FILE}{path}")
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert "sandbox" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "address",
    ["http://192.0.2.1/a.png", "https://192.0.2.1/a.png", "ftp://192.0.2.1/a", "//192.0.2.1/a", "file:///etc"],
)
def test_no_route_fetches_a_url(browser, address):
    assert browser.get(f"{FILE}{address}").status_code == 403
    assert browser.get(f"/gradio_api/proxy={address}").status_code == 404
    assert browser.get(f"/gradio_api/file/{address}").status_code == 404


def test_routes_that_the_page_does_not_use_are_closed(browser):
    for path in (
        "deep_link",
        "process_recording",
        "run/grade",
        "api/grade",
        "vibe-edit",
        "runs",
        "token",
        "dev/reload",
        "stream/a/b/c",
        "mcp/",
        "mcp/sse",
        "../x",
    ):
        for answer in (browser.get(f"/gradio_api/{path}"), browser.post(f"/gradio_api/{path}")):
            assert answer.status_code == 404, path
    assert browser.get("/monitoring").status_code == 404


def test_the_viewer_of_the_card_is_served_from_this_machine_with_its_license(browser):
    script = browser.get("/library/openseadragon.min.js")
    assert script.status_code == 200 and "javascript" in script.headers["content-type"]
    assert "library/openseadragon.min.js" in browser.get("/").text
    assert "Redistribution and use" in (LIBRARY / "openseadragon-license.txt").read_text(encoding="utf-8")
    for path in ("/library/", "/library/openseadragon-license.txt", "/library/..%2fpage.py", "/library/page.js"):
        assert browser.get(path).status_code == 404


def test_the_manifest_names_icons_of_the_sizes_that_they_have(browser):
    manifest = browser.get("/manifest.json")
    assert manifest.headers["content-type"].startswith("application/manifest+json")
    icons = [(icon["src"], icon["sizes"]) for icon in manifest.json()["icons"]]
    assert {sizes for _, sizes in icons} == {"192x192", "512x512"}
    for source, sizes in [*icons, ("/icons/180.png", "180x180")]:
        answer = browser.get(source)
        assert answer.headers["content-type"] == "image/png"
        assert "{}x{}".format(*Image.open(io.BytesIO(answer.content)).size) == sizes
    assert browser.get("/icons/77.png").status_code == 404
    assert "manifest.json" in browser.get("/").text


def test_no_other_page_may_use_the_camera_and_no_page_the_microphone(browser):
    policy = browser.get("/").headers["Permissions-Policy"]
    assert "camera=(self)" in policy and "microphone=()" in policy


@pytest.mark.parametrize("path", ["/", "/config", "/nowhere", "/theme.css", "/static/js/nothing.js"])
def test_every_answer_forbids_frames_sniffing_and_other_hosts(browser, path):
    headers = browser.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "connect-src 'self'" in policy
    assert re.search(r"http|\*", policy) is None, "no source but the app itself"


def test_the_policy_allows_the_page_s_own_scripts_and_no_others(browser):
    answer = browser.get("/")
    [sources] = re.findall(r"script-src ([^;]+)", answer.headers["Content-Security-Policy"])
    assert "'unsafe-inline'" not in sources
    scripts = re.findall(r"<script(?:\s+data-[a-z-]+)?>(.*?)</script>", answer.text, re.DOTALL)
    assert len(scripts) >= 3
    for script in scripts:
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in sources


def test_an_upload_that_is_too_large_is_refused_and_nothing_is_left(browser, home):
    before = set(home.data.uploads.rglob("*"))
    assert upload(browser, "a.png", bytes(LARGEST_UPLOAD + 2**17)).status_code == 413

    def in_pieces():
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        for _ in range(60):
            yield bytes(10_000)
        yield b"\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert browser.post(UPLOAD, content=in_pieces(), headers=headers).status_code == 413
    assert set(home.data.uploads.rglob("*")) == before


def test_a_request_of_ten_megabytes_that_is_no_upload_is_refused(browser):
    text = '{"data": ["' + "a" * 10**7 + '"], "fn_index": 0, "session_hash": "a"}'
    in_pieces = (text[start : start + 10**6].encode() for start in range(0, len(text), 10**6))
    for content in (text, in_pieces):
        assert browser.post("/gradio_api/queue/join", content=content).status_code == 413


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_get_that_another_page_sends_without_an_origin_is_refused(browser, site):
    """An image, a frame or a link in a page of another site, or of another port of this machine."""
    for path in ("/config", "/logout", "/gradio_api/heartbeat/a", f"{FILE}/x.png"):
        for mode in ("no-cors", "navigate"):
            assert browser.get(path, headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}).status_code == 403
    assert browser.get("/", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}).status_code == 403
    assert browser.get("/", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}).status_code == 200
    for own in ("same-origin", "none"):
        assert browser.get("/config", headers={"Sec-Fetch-Site": own}).status_code == 200


def test_no_header_names_another_server_as_the_page_s_own(browser):
    for path in ("/", "/config"):
        answer = browser.get(path, headers={"X-Gradio-Server": "http://evil.example"})
        assert answer.status_code == 200
        assert "evil.example" not in answer.text


def test_a_name_that_no_file_can_have_is_not_found(browser):
    for path in (f"/static/{'a' * 300}", f"/assets/{'é' * 200}"):
        assert browser.get(path).status_code == 404


def test_an_upload_without_room_on_the_disk_is_refused_in_one_sentence_and_nothing_is_left(browser, home, monkeypatch):
    before = set(home.data.uploads.rglob("*"))
    usage = shutil.disk_usage(home.data.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=2**20))
    answer = upload(browser, "a.png", bytes(10_000))
    assert (answer.status_code, "\n" in answer.text) == (400, False)
    assert answer.text.startswith("the disk is full: the picture could not be stored")
    assert set(home.data.uploads.rglob("*")) == before


def ask(app, path: str, *messages: dict, headers=(), method="POST", query="") -> list[dict]:
    """Send the messages of one request as they are, and return those of the answer."""
    scope = {"type": "http", "http_version": "1.1", "method": method, "scheme": "http", "root_path": "", "path": path}
    scope |= {
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 1),
    }
    scope["headers"] = [(b"host", b"127.0.0.1:7860"), *headers]
    waiting, answer = list(messages), []

    async def receive():
        return waiting.pop(0)

    async def send(message):
        answer.append(message)

    asyncio.run(app(scope, receive, send))
    return answer


@pytest.mark.parametrize("path", ["gradio_api/queue/join", "gradio_api/call/health", "gradio_api/reset", "login"])
def test_a_client_that_leaves_in_the_middle_of_its_request_is_no_error(home, path):
    kind = (b"content-type", b"application/x-www-form-urlencoded" if path == "login" else b"application/json")
    begun = {"type": "http.request", "body": b'{"data": [', "more_body": True}
    app = mounted(home, ServerOptions(login=Login("ann", "right"))).app
    ask(app, f"/{path}", begun, {"type": "http.disconnect"}, headers=[kind])


def test_a_client_that_leaves_before_it_hears_of_the_progress_of_its_upload_is_no_error(home):
    app = mounted(home, ServerOptions()).app
    left = [{"type": "http.disconnect"}] * 3
    file_upload_statuses.track("a")  # as an upload under way is
    ask(app, "/gradio_api/upload_progress", *left, method="GET", query="upload_id=a")


def test_of_an_upload_that_breaks_off_nothing_is_left(browser, home):
    before = set(home.data.uploads.rglob("*"))
    begun = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\nabc'
    kind = (b"content-type", b"multipart/form-data; boundary=x")
    app = mounted(home, ServerOptions()).app
    message = {"type": "http.request", "body": begun, "more_body": True}
    ask(app, UPLOAD, message, {"type": "http.disconnect"}, headers=[kind])
    assert set(home.data.uploads.rglob("*")) == before
    answer = browser.post(UPLOAD, content=begun, headers={"Content-Type": kind[1].decode()})
    assert (answer.status_code, answer.text) == (400, CUT_SHORT)
    assert set(home.data.uploads.rglob("*")) == before


@pytest.mark.parametrize(
    "asked", ["bytes=0-0,2-2", "bytes=0-0-0", "bytes=3-1", "bytes=0-1", "bytes=\u00b2-3", "bytes=-"]
)
def test_a_file_is_sent_whole_whichever_part_is_asked_for(browser, asked):
    [path] = upload(browser, "part.png", b"a picture").json()
    answer = browser.get(f"{FILE}{path}", headers={"Range": asked.encode("latin-1")})
    assert (answer.status_code, answer.content) == (200, b"a picture")
