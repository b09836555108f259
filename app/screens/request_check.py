"""Check of the requests to Gradio's routes: a JSON object that names an event of the page, else one sentence.

Gradio answers most others with an internal error and a traceback in the terminal.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Set
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

JOIN_ROUTE, CALL_ROUTE, UPLOAD_ROUTE = "/gradio_api/queue/join", "/gradio_api/call/", "/gradio_api/upload"
STREAM_ROUTE = "/gradio_api/queue/data"
# Answers that are sent event by event: to a call, and to a page, which asks for those of before a restart again.
EVENT_ROUTES = (CALL_ROUTE, STREAM_ROUTE, "/gradio_api/upload_progress")
SERVER_FUNCTION_ROUTE = "/gradio_api/component_server"
INTERNAL_ERROR = 500
# What Gradio raises for an upload without a file, for values that are not those of the function, and for the answer to
# an event that it does not know.
UNUSABLE_VALUES = (TypeError, ValueError, LookupError, AttributeError, RuntimeError)
UNUSABLE = "The request is not one that the page or gradio_client sends"
MAX_DEPTH = 40  # the value of a line editor has six levels


def receive_again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read already once more, and then what comes after it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_whole() -> Message:
        return messages.pop() if messages else await receive()

    return receive_whole


class RequestCheck:
    """ASGI middleware; it reads the whole body, whose size is limited before.

    events            number -> name of the page's events that have a handler on the server
    server_functions  (component id, name) of the functions that the page's components call with one argument
    """

    def __init__(self, app: ASGIApp, *, events: dict[int, str], server_functions: Set[tuple[int, str]]) -> None:
        self._app, self._events, self._server_functions = app, events, server_functions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        path = scope.get("path", "").rstrip("/")
        is_checked = path.startswith("/gradio_api/") and path != UPLOAD_ROUTE
        if scope["type"] != "http" or scope["method"] != "POST" or not is_checked:
            await self._answer(scope, receive, send)
            return
        try:
            body = await Request(scope, receive).body()
        except HTTPException as error:  # larger than allowed
            await PlainTextResponse(error.detail, error.status_code)(scope, receive, send)
            return
        problem = self._problem(path, body)
        if problem:
            await PlainTextResponse(problem, 400)(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
        json_scope = {**scope, "headers": [*headers, (b"content-type", b"application/json")]}
        await self._answer(json_scope, receive_again(body, receive), send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; one whose values Gradio cannot use is refused, and an answer that has begun just ends."""
        path = scope.get("path", "")
        if not path.startswith((UPLOAD_ROUTE, *EVENT_ROUTES)):
            await self._app(scope, receive, send)
            return
        internal_error: list[Message] = []
        has_begun = False

        async def send_unless_failed(message: Message) -> None:
            nonlocal has_begun
            if internal_error or (message["type"] == "http.response.start" and message["status"] >= INTERNAL_ERROR):
                internal_error.append(message)
                return
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_unless_failed)
        except UNUSABLE_VALUES:
            if has_begun:
                await send({"type": "http.response.body", "body": b""})
            else:
                await PlainTextResponse(UNUSABLE, 400)(scope, receive, send)
        else:
            for message in internal_error:
                await send(message)

    def _problem(self, path: str, body: bytes) -> str:
        """The sentence of a refusal; empty if the request is one that the page could send."""
        try:
            content = json.loads(body.decode(), parse_constant=_refuse_number, parse_float=_finite)
            json.dumps(content, ensure_ascii=False).encode()  # fails for half of a surrogate pair
        except (ValueError, RecursionError):
            return "The request is not JSON in UTF-8"
        # Gradio's "batched" is several requests in one.
        if not isinstance(content, dict) or _is_deeper(content, MAX_DEPTH) or content.get("batched"):
            return "The request is not a JSON object that the page sends"
        if path == JOIN_ROUTE and (type(content.get("fn_index")) is not int or content["fn_index"] not in self._events):
            return "There is no such event on the page; reload the page"
        if path == SERVER_FUNCTION_ROUTE and not self._is_server_call(content):
            return "There is no such function of the page; reload the page"
        name = path.removeprefix(CALL_ROUTE).removeprefix("v2/")
        if path.startswith(CALL_ROUTE) and name not in self._events.values():
            return f"There is no function {name!r}"
        return ""

    def _is_server_call(self, content: dict[str, Any]) -> bool:
        number, name = content.get("component_id"), content.get("fn_name")
        is_known = type(number) is int and isinstance(name, str) and (number, name) in self._server_functions
        return is_known and isinstance(content.get("session_hash"), str) and "data" in content


def _refuse_number(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_number(text)


def _is_deeper(value: Any, depth: int) -> bool:
    """True if lists and objects are nested more deeply than `depth`."""
    level: list[Any] = [value]
    for _ in range(depth):
        level = [item for container in level for item in _items(container) if isinstance(item, dict | list)]
        if not level:
            return False
    return True


def _items(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container
