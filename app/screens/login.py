"""Login of the app: one user with a password, and a limit on wrong passwords."""

from __future__ import annotations

import ipaddress
import re
import time
from collections import deque

import psutil
from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.screens.security import ip_address, is_loopback

MAX_FAILURES = 5
WINDOW_S = 300.0
LOGIN_ROUTE = "/login"
EVENTS = "/gradio_api/"
# What the page asks for before the login.
OPEN_ROUTES = re.compile(rf"{EVENTS}(app_id|user|login_check|startup-events|theme\.css)/?")
# Gradio's login page shows no other message of ours.
WAIT_MESSAGE = f"After {MAX_FAILURES} wrong passwords, wait {WINDOW_S / 60:.0f} minutes."
TOO_MANY = f"Too many wrong passwords; wait {WINDOW_S / 60:.0f} minutes, then try again"


class LoginLimit:
    """ASGI middleware: after five wrong passwords from one address, that address waits five minutes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._failures: dict[str, deque[float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; a login only while the client has attempts left."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"].rstrip("/") != LOGIN_ROUTE:
            await self._app(scope, receive, send)
            return
        failures = self._recent_failures(_client(scope))
        if len(failures) >= MAX_FAILURES:
            await JSONResponse({"detail": TOO_MANY}, 429)(scope, receive, send)
            return
        # Counted before the answer, so that attempts at the same time are counted too.
        failures.append(time.monotonic())

        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                failures.clear()
            await send(message)

        await self._app(scope, receive, send_and_count)

    def _recent_failures(self, client: str) -> deque[float]:
        oldest = time.monotonic() - WINDOW_S
        for address in [address for address, times in self._failures.items() if not times or times[-1] < oldest]:
            del self._failures[address]
        times = self._failures.setdefault(client, deque())
        while times and times[0] < oldest:
            times.popleft()
        return times


def require_login(request: Request) -> None:
    """Raise HTTPException for a request without a login, which Gradio asks for on some of its routes only."""
    path, cookies, app = request.scope["path"], request.cookies, request.app
    if not path.startswith(EVENTS) or OPEN_ROUTES.fullmatch(path):
        return
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    if not any(cookies.get(name) in app.tokens for name in names):
        raise HTTPException(401, "Not authenticated")


def labeler() -> str:
    """The name to record with a label or a line: that of the login, without one that of the machine's user."""
    from gradio.context import LocalContext  # noqa: PLC0415 - the server sets variables before Gradio is imported

    request = LocalContext.request.get(None)
    return (request.username if request is not None else None) or psutil.Process().username()


def _client(scope: Scope) -> str:
    """The client's address; of IPv6 the first 64 bits, within which one machine takes any address it likes.

    This machine, which has the whole of 127.0.0.0/8, is one client.
    """
    host = scope["client"][0] if scope.get("client") else ""
    if is_loopback(host):
        return "this machine"
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)
