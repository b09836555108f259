"""The stream of answers that Gradio's page listens to, and an event that starts while it ends.

Gradio ends the stream with the last answer it owes a page, and the page opens another with its next event, unless it
believes that one is open. An event that starts between the two, after the end was sent and before the page has read
it, is accepted, but its answer is sent to nobody: the page waits for ever. The response to such an event therefore
waits until the page has read the end. (Seen with Gradio 6.31 once in some hundred events that follow each other.)
"""

from __future__ import annotations

import asyncio
import json
import time
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.screens.request_check import JOIN_ROUTE, STREAM_ROUTE, receive_again

END = b'"close_stream"'
PAUSE_S = 0.06


class AnswerStream:
    """ASGI middleware that delays the response to an event until `PAUSE_S` after the end of its page's last stream."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._ended: dict[str, float] = {}  # page -> when the end was sent, for the last PAUSE_S

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; the end of a stream is noted, and the response to an event may wait for it."""
        path = scope.get("path", "").rstrip("/")
        if scope["type"] == "http" and path == STREAM_ROUTE:
            await self._stream(scope, receive, send)
        elif scope["type"] == "http" and path == JOIN_ROUTE and scope["method"] == "POST":
            await self._join(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [""])[0]

        async def send_noting_end(message: Message) -> None:
            if END in message.get("body", b""):
                now = time.monotonic()
                self._ended = {other: at for other, at in self._ended.items() if now - at < PAUSE_S} | {page: now}
            await send(message)

        await self._app(scope, receive, send_noting_end)

    async def _join(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        page = str(json.loads(body).get("session_hash"))

        async def send_after_end(message: Message) -> None:
            if message["type"] == "http.response.start":
                while (left_s := self._ended.get(page, 0.0) + PAUSE_S - time.monotonic()) > 0:
                    await asyncio.sleep(left_s)
            await send(message)

        await self._app(scope, receive_again(body, receive), send_after_end)
