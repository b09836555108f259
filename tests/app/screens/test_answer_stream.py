"""An event that starts while the stream of answers ends."""

import asyncio
import json
import time

import pytest

from app.screens import answer_stream
from app.screens.answer_stream import AnswerStream


async def gradio(scope, receive, send):
    """Ends a stream at once, and accepts an event at once if it arrives whole."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"].endswith("data"):
        await send({"type": "http.response.body", "body": b'data: {"msg":"close_stream"}\n\n', "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    else:
        assert json.loads((await receive())["body"])["fn_index"] == 3
        await send({"type": "http.response.body", "body": b'{"event_id": "1"}', "more_body": False})


async def seconds_until_the_event_is_answered(stream_page: str, event_page: str) -> float:
    app, answered_at = AnswerStream(gradio), []
    body = json.dumps({"session_hash": event_page, "fn_index": 3}).encode()

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            answered_at.append(time.monotonic())

    stream = {"type": "http", "method": "GET", "path": "/gradio_api/queue/data", "headers": []}
    await app(stream | {"query_string": f"session_hash={stream_page}".encode()}, receive, send)
    event = {"type": "http", "method": "POST", "path": "/gradio_api/queue/join", "headers": [], "query_string": b""}
    await app(event, receive, send)
    return answered_at[1] - answered_at[0]


@pytest.mark.parametrize(("event_page", "pause_s", "waits"), [("ann", 0.05, True), ("ben", 10.0, False)])
def test_the_response_to_an_event_waits_until_its_own_page_has_read_the_end_of_its_stream(
    monkeypatch, event_page, pause_s, waits
):
    monkeypatch.setattr(answer_stream, "PAUSE_S", pause_s)
    assert (asyncio.run(seconds_until_the_event_is_answered("ann", event_page)) >= pause_s) == waits
