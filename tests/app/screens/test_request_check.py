"""A request that the page does not send is answered with one sentence, never with an internal error."""

import pytest
from fastapi.testclient import TestClient

from app.screens.request_check import UNUSABLE
from app.settings import ServerOptions
from tests.app.screens.conftest import mounted

ROUTES = ["queue/join", "call/grade", "call/v2/grade", "reset", "cancel", "component_server"]
BODIES = [
    b"",
    b"{",
    b"\xff\xfe",
    b"null",
    b"[]",
    b'"text"',
    b'{"data": [NaN], "fn_index": 1, "session_hash": "a"}',
    b'{"data": [1e400], "fn_index": 1, "session_hash": "a"}',
    b'{"data": ["\\ud800"], "fn_index": 1, "session_hash": "a"}',
    b"[" * 100_000,
    b'{"data": ' + b"[" * 500 + b"]" * 500 + b"}",
]


@pytest.fixture(scope="module")
def browser(empty_home):
    """A browser of this machine, which gets the exceptions of the app raised."""
    app = mounted(empty_home, ServerOptions()).app
    with TestClient(app, base_url="http://127.0.0.1:7860", client=("127.0.0.1", 50000)) as client:
        yield client


@pytest.mark.parametrize("route", ROUTES)
def test_a_body_that_is_no_json_object_of_the_page_is_refused(browser, route):
    for body in BODIES:
        for kind in ("application/json", "multipart/form-data", "text/plain"):
            answer = browser.post(f"/gradio_api/{route}", content=body, headers={"Content-Type": kind})
            assert answer.status_code == 400, (route, body[:40], kind)
            assert answer.text.startswith("The request is not JSON") or "JSON object" in answer.text


@pytest.mark.parametrize("number", [-1, 99_999, 2**63, 1.5, True, "1", None, [], {}])
def test_an_event_that_the_page_does_not_have_is_refused(browser, number):
    body = {"data": [], "fn_index": number, "session_hash": "a"}
    answer = browser.post("/gradio_api/queue/join", json=body)
    assert (answer.status_code, "reload the page" in answer.text) == (400, True)


def test_a_function_that_the_page_does_not_have_is_refused(browser):
    for name in ("nothing", "", "../x", "%00"):
        answer = browser.post(f"/gradio_api/call/{name}", json={"data": []})
        assert answer.status_code in {400, 404}, name


def test_an_event_of_the_page_is_passed_on_with_its_whole_body(browser, empty_home):
    page = mounted(empty_home, ServerOptions()).page
    number, event = next((number, event) for number, event in page.fns.items() if event.name == "show_changes")
    body = {"data": [None] * len(event.inputs), "fn_index": number, "session_hash": "é" * 1000}
    assert browser.post("/gradio_api/queue/join", json=body).json().keys() == {"event_id"}


def test_a_function_of_a_component_is_called_by_the_page_and_no_other_one_is(browser):
    components = browser.get("/config").json()["components"]
    number = next(part["id"] for part in components if part["props"].get("elem_id") == "front-lines")
    call = {"session_hash": "a", "component_id": number, "fn_name": "numbers_of_lines", "data": {"side": "front"}}
    answer = browser.post("/gradio_api/component_server/", json=call)
    assert "arrived incomplete" in answer.json()["sentence"]
    for wrong in (
        {"component_id": number + 100_000},
        {"component_id": "front-lines"},
        {"component_id": True},
        {"fn_name": "preprocess"},
        {"fn_name": "nothing"},
        {"fn_name": ["numbers_of_lines"]},
        {"session_hash": None},
    ):
        answer = browser.post("/gradio_api/component_server", json=call | wrong)
        assert (answer.status_code, "reload the page" in answer.text) == (400, True), wrong
    del call["data"]
    assert browser.post("/gradio_api/component_server", json=call).status_code == 400


def test_values_that_gradio_cannot_use_are_refused_in_one_sentence(browser):
    part = b'--b\r\nContent-Disposition: form-data; name="files"\r\n\r\nx\r\n--b--\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    without_file = browser.post("/gradio_api/upload", content=part, headers=kind)
    unknown_value = browser.post("/gradio_api/call/v2/label", json={"nope": 1})
    for answer in (without_file, unknown_value):
        assert (answer.status_code, answer.text) == (400, UNUSABLE)


def test_the_answer_to_an_unknown_event_ends_without_an_error(browser):
    for route in ("call/health", "call/v2/health"):
        assert browser.get(f"/gradio_api/{route}/unknown").status_code == 200


def test_a_page_of_before_a_restart_gets_the_end_of_its_events_without_an_error(browser):
    answer = browser.get("/gradio_api/queue/data?session_hash=before")
    assert (answer.status_code, '"session_not_found":true' in answer.text) == (200, True)


def test_several_events_in_one_request_are_refused(browser):
    body = {"data": [], "fn_index": 1, "session_hash": "a", "batched": True}
    assert browser.post("/gradio_api/queue/join", json=body).status_code == 400
