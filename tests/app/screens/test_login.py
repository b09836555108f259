"""The login: who may use the app, how often a password may be tried, and whose name stands with a label."""

import asyncio

import gradio as gr
import pytest
from fastapi.testclient import TestClient

from app.screens import login
from app.settings import Login, ServerOptions
from app.terminal import PASSWORD_VARIABLE
from db import labels
from tests.app.screens.conftest import mounted
from tests.commands import call
from tests.db.row_factory import add_card, add_picture

OWN = "http://127.0.0.1:7860"
ANN = {"username": "ann", "password": "right"}


@pytest.fixture(scope="module")
def served(empty_home):
    return mounted(empty_home, ServerOptions(login=Login("ann", "right")))


@pytest.fixture
def browser(served):
    """A browser that has just been opened."""
    served.app.middleware_stack = None  # built again, with no wrong password counted
    return TestClient(served.app, base_url=OWN)


def test_without_a_login_nothing_but_the_login_page_is_answered(browser):
    assert '"auth_required":true' in browser.get("/").text
    for path in ("config", "gradio_api/info", "gradio_api/file=/etc/hostname", "gradio_api/queue/data?session_hash=a"):
        assert browser.get(f"/{path}").status_code in (401, 403), path
    events = [{"data": [], "session_hash": "a", "fn_index": index} for index in (*range(40), 99_999)]
    # An index that no event has is refused before the login is looked at.
    assert {browser.post("/gradio_api/queue/join", json=event).status_code for event in events} == {400, 401}
    assert browser.post("/gradio_api/upload", files={"files": ("a.png", b"a")}).status_code == 401
    event = {"session_hash": "a", "fn_index": 0, "event_id": "b"}
    for path in ("reset", "cancel"):  # which Gradio itself leaves open
        assert browser.post(f"/gradio_api/{path}", json=event).status_code == 401, path
    assert browser.get("/gradio_api/heartbeat/a").status_code == 401


def test_the_right_password_opens_the_app(browser):
    assert browser.post("/login", data=ANN).status_code == 200
    assert browser.get("/config").status_code == 200
    assert browser.post("/gradio_api/reset", json={"event_id": "b"}).status_code == 200


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"username": "bob"}, {"password": ""}])
def test_a_wrong_name_or_password_does_not(browser, wrong):
    assert browser.post("/login", data={**ANN, **wrong}).status_code >= 400
    assert browser.get("/config").status_code == 401


def test_after_five_wrong_passwords_one_waits_before_the_right_one_counts(browser, monkeypatch):
    for _ in range(5):
        assert browser.post("/login", data={**ANN, "password": "wrong"}).status_code == 400
    for path in ("/login", "/login/"):
        refused = browser.post(path, data=ANN)
        assert refused.status_code == 429
        assert "wait" in refused.json()["detail"]
    monkeypatch.setattr(login, "WINDOW_S", 0.0)
    assert browser.post("/login", data=ANN).status_code == 200


def test_a_right_password_forgives_the_wrong_ones_before_it(browser):
    for _ in range(4):
        for _ in range(4):
            browser.post("/login", data={**ANN, "password": "wrong"})
        assert browser.post("/login", data=ANN).status_code == 200


def test_one_machine_has_no_more_attempts_by_changing_its_ipv6_address():
    scope = {"client": ("2001:db8:1:2::7", 1)}
    assert login._client(scope) == login._client({"client": ("2001:db8:1:2:ffff::9", 2)})
    assert login._client(scope) != login._client({"client": ("2001:db8:1:3::7", 1)})
    assert login._client({"client": ("192.0.2.7", 1)}) == "192.0.2.7"


def test_this_machine_is_one_client_and_other_machines_are_told_apart_at_a_server_of_both_protocols():
    names = {login._client({"client": (host, 1)}) for host in ("127.0.0.1", "127.3.4.5", "::1", "::ffff:127.0.0.1")}
    assert len(names) == 1
    assert login._client({"client": ("::ffff:192.0.2.7", 1)}) == "192.0.2.7"


def test_the_name_of_the_login_stands_with_the_labels(served):
    database = served.home.database
    with database.writing() as session:
        picture = add_picture(session, path=served.home.data.root, sha256="a" * 64, width=1, height=1, phash="0" * 16)
        card_id = add_card(session, name="c", front_id=picture.id).id
    event = next(event for event in served.page.fns.values() if event.api_name == "label")
    for name in ("ann", None):
        request = gr.Request(client={"host": "127.0.0.1", "port": 1}, headers={}, username=name)
        asyncio.run(served.page.process_api(event, ["c", 7, ""], None, request))
    with database.reading() as session:
        first, second = labels.label_history(session, card_id=card_id)
    assert (first.grade, first.author) == (7, "ann")
    assert second.author == login.labeler() != ""


def test_a_login_without_a_password_is_refused_before_the_app_starts(monkeypatch, tmp_path):
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    refused = call("--data", tmp_path, "--auth", "ann", "--no-browser")
    assert PASSWORD_VARIABLE in refused.error_line
