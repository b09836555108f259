"""HTTP security of the app: the hosts, origins and routes that it answers, request sizes, and response headers.

The app runs on the user's own machine without a password. A web page open in the same browser must therefore reach
none of it: not by another site's request (Origin), not by a name that another site points at this machine (Host, DNS
rebinding), and not by a file that is uploaded and then opened as a page of this app.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import os
import re
import shutil
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from fastapi import HTTPException
from fastapi.responses import PlainTextResponse
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, MutableHeaders
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.paths import MAX_NAME_BYTES

if TYPE_CHECKING:
    import gradio as gr  # the server sets the variables that it reads on import later

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
# Gradio's routes that the page and gradio_client use. All others are closed: /gradio_api/proxy= and stream/ (which
# fetch or play what a URL names), process_recording (ffmpeg), run/, deep_link, monitoring, ...
ROUTES = re.compile(
    r"/|/(config|theme\.css|robots\.txt|favicon\.ico|manifest\.json|login|logout)/?"
    r"|/(assets|static)/.+"
    r"|/library/[a-z.]+\.js"
    r"|/icons/\d+\.png"
    r"|/gradio_api/(info|app_id|user|login_check|startup-events|theme\.css|upload|upload_progress"
    r"|reset|cancel|heartbeat/[^/]+|queue/(join|data|status)|call/.+|component_server)/?"
)
# Only with --mcp. Gradio's older transports below it stay closed.
MCP_ROUTE = "/gradio_api/mcp/"
UPLOAD_ROUTE, FILE_ROUTE = "/gradio_api/upload", "/gradio_api/file="
# Room that an upload leaves on the disk, so that its answer can still be recorded.
MIN_FREE_BYTES = 2**24
NO_ROOM = "the disk is full: the picture could not be stored; free some space"
CUT_SHORT = "The upload was cut short; send the file again"
# Some clients end a request with a line break or a few words after the last part.
MAX_EPILOGUE_BYTES = 256
# Everything but an upload is a small JSON body.
MAX_BODY_BYTES = 8 * 2**20
# An assistant may send its pictures as text in base64.
MAX_MCP_BODY_BYTES = 32 * 2**20
MULTIPART_OVERHEAD_BYTES = 2**16
# Gradio would take the address of its own page from it.
ADDRESS_HEADERS = frozenset({b"x-gradio-server"})
# Of a file, of which Gradio misreads most ranges, the whole is sent.
RANGE_HEADERS = frozenset({b"range", b"if-range"})
INTERNET = (socket.AF_INET, socket.AF_INET6)
HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:/@?#\s,]+)(:\d{1,5})?")
ORIGIN = re.compile(r"https?://(.+)")
INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), display-capture=(), payment=(), usb=()",
}
# A file is an image of the page or a download. Opened as a page of its own it may do nothing.
FILE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"


def page_policy(script_hashes: Iterable[str]) -> str:
    """The content security policy of the page: nothing from another host, and only the given inline scripts.

    Gradio compiles the scripts of HTML components and plots (unsafe-eval) and writes style attributes.
    """
    scripts = " ".join(f"'{digest}'" for digest in script_hashes)
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' 'unsafe-eval' {scripts}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "media-src 'self' blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "manifest-src 'self'",
            "form-action 'self'",
            "base-uri 'self'",
            "frame-ancestors 'none'",
        ]
    )


def script_hash(script: bytes) -> str:
    """The hash of an inline script as a content security policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script).digest()).decode()


def is_loopback(host: str) -> bool:
    """True if only programs of this machine can reach a server at this name or address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address of a client or host without its interface. Raises ValueError for a name.

    A server at :: knows its IPv4 clients by addresses of IPv6: ::ffff:192.0.2.7 is 192.0.2.7.
    """
    address = ipaddress.ip_address(host.partition("%")[0])
    return (address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None) or address


def is_local(request: gr.Request) -> bool:
    """True if an event comes from a browser on this machine, and not through a reverse proxy on it."""
    forwarded = any(name in request.headers for name in ("x-forwarded-for", "x-forwarded-host", "forwarded"))
    return not forwarded and request.client is not None and is_loopback(request.client.host)


def host_names(host: str, extra: Iterable[str] = ()) -> frozenset[str]:
    """The names under which a server at `host` answers: loopback, beyond it this machine's own, and the extra ones."""
    names = {*LOOPBACK_NAMES, *(name.lower() for name in extra)}
    if not is_loopback(host):
        name = socket.gethostname().lower()
        addresses = [entry for entries in psutil.net_if_addrs().values() for entry in entries]
        # A link-local IPv6 address comes with the name of its interface: fe80::1%eth0.
        own = {entry.address.partition("%")[0] for entry in addresses if entry.family in INTERNET}
        names |= {host.lower(), name, f"{name}.local", *own}
    return frozenset(names - {"0.0.0.0", "::", ""})


class AccessControl:
    """ASGI middleware in front of the whole app; refuses with one sentence.

    hosts         names in a Host header that are answered, see `host_names`
    public_hosts  names of a reverse proxy in front of this server, which may pass on another Host
    folders       folders whose files may be sent
    uploads       folder of the uploaded files
    max_upload    bytes of one upload
    serves_mcp    answer at MCP_ROUTE
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: frozenset[str],
        public_hosts: frozenset[str],
        folders: Sequence[Path],
        uploads: Path,
        max_upload: int,
        page_scripts: Iterable[str] = (),
        serves_mcp: bool = False,
    ) -> None:
        self._app = app
        self._hosts, self._public_hosts = hosts, public_hosts
        self._folders, self._uploads, self._max_upload = folders, uploads, max_upload
        self._serves_mcp = serves_mcp
        self._page_scripts = [script_hash(script.encode()) for script in page_scripts]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        path = scope["path"]
        unwanted = ADDRESS_HEADERS | RANGE_HEADERS if path.startswith(FILE_ROUTE) else ADDRESS_HEADERS
        scope = {**scope, "headers": [item for item in scope["headers"] if item[0] not in unwanted]}
        headers = Headers(scope=scope)
        refusal = self._refusal(headers, path)
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send, page_policy(())))
        elif path == "/":
            # Compressed, the page could not be searched for its scripts.
            plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
            await self._app({**scope, "headers": plain}, receive, self._with_page_policy(send))
        else:
            policy = FILE_POLICY if path.startswith(FILE_ROUTE) else page_policy(())
            with suppress(ClientDisconnect):  # nobody waits for the answer
                await self._app(scope, self._limited(receive, headers, path), _with_headers(send, policy))

    def _refusal(self, headers: Headers, path: str) -> PlainTextResponse | None:
        """The answer to a request that is refused by its headers or its path alone."""
        hosts = [*headers.getlist("host"), *headers.getlist("x-forwarded-host")]
        unknown = [host for host in hosts if _host_name(host) not in self._hosts]
        if unknown or not hosts:
            name = unknown[0] if unknown else ""
            sentence = f"Loupe does not answer at {name!r}; if that is a name of this server, add --allow-host"
            return PlainTextResponse(sentence, 403)
        if any(not self._is_own(origin, hosts) for origin in headers.getlist("origin")) or _is_from_elsewhere(
            headers, path
        ):
            return PlainTextResponse("Loupe takes no requests from the pages of other sites", 403)
        if path.startswith(FILE_ROUTE):
            if not self._may_be_sent(path.removeprefix(FILE_ROUTE)):
                return PlainTextResponse("There is no such file here", 403)
        elif not self._is_route(path) or any(len(os.fsencode(name)) > MAX_NAME_BYTES for name in path.split("/")):
            return PlainTextResponse("There is no such page here", 404)
        return None

    def _is_route(self, path: str) -> bool:
        return ROUTES.fullmatch(path) is not None or (self._serves_mcp and path.rstrip("/") + "/" == MCP_ROUTE)

    def _is_own(self, origin: str, hosts: Sequence[str]) -> bool:
        """True if the page that sent the request is this app's own."""
        match = ORIGIN.fullmatch(origin.lower())
        if match is None:
            return False
        return match[1] in [host.lower() for host in hosts] or _host_name(match[1]) in self._public_hosts

    def _may_be_sent(self, name: str) -> bool:
        """True for an existing file of the folders; a link counts as the file that it leads to."""
        try:
            path = Path(name).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):
            return False
        return path.is_file() and any(path.is_relative_to(folder.resolve()) for folder in self._folders)

    def _limited(self, receive: Receive, headers: Headers, path: str) -> Receive:
        """Refuse a body that is larger than allowed, by its announced length or while it arrives; and an upload that
        breaks off, or that the disk has no room for.
        """
        is_upload = path.rstrip("/") == UPLOAD_ROUTE
        max_json = MAX_MCP_BODY_BYTES if path.startswith(MCP_ROUTE) else MAX_BODY_BYTES
        max_bytes = self._max_upload + MULTIPART_OVERHEAD_BYTES if is_upload else max_json
        announced = headers.get("content-length", "")
        received = int(announced) if announced.isdecimal() and int(announced) > max_bytes else 0
        end = _last_line(headers.get("content-type", ""))
        tail, is_complete = b"", False

        async def receive_limited() -> Message:
            nonlocal received, tail, is_complete
            message = await receive()
            body = message.get("body", b"")
            received += len(body)
            # Gradio deletes what it has written of an upload after a MultiPartException only.
            if received > max_bytes:
                sentence = f"This is over the maximum allowed size of {max_bytes} bytes"
                raise MultiPartException(sentence) if is_upload else HTTPException(413, sentence)
            if not is_upload or is_complete:
                return message
            if not self._has_room(len(body)):
                raise MultiPartException(NO_ROOM)
            tail = (tail + body)[-len(end) - MAX_EPILOGUE_BYTES :]
            is_complete = message["type"] == "http.request" and not message.get("more_body")
            if message["type"] == "http.disconnect" or (is_complete and end not in tail):
                raise MultiPartException(CUT_SHORT)
            return message

        return receive_limited

    def _has_room(self, size_bytes: int) -> bool:
        folder = next(folder for folder in (self._uploads, *self._uploads.parents) if folder.is_dir())
        return shutil.disk_usage(folder).free >= size_bytes + MIN_FREE_BYTES

    def _with_page_policy(self, send: Send) -> Send:
        """Hold the page back until its inline scripts are known, and name them in its policy."""
        start: Message = {}
        body = bytearray()

        async def send_page(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            if message["type"] != "http.response.body":
                await send(message)
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            scripts = [script_hash(script) for script in INLINE_SCRIPT.findall(bytes(body))]
            add_headers = _with_headers(send, page_policy([*scripts, *self._page_scripts]))
            await add_headers(start)
            await send({"type": "http.response.body", "body": bytes(body)})

        return send_page


def _last_line(content_type: str) -> bytes:
    """The line that ends the parts of an upload; empty if its header names no boundary."""
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    return b"--%b--" % boundary if boundary else b""


def _host_name(host: str) -> str | None:
    """The name or address in a Host header, without port and brackets; None if it is malformed."""
    match = HOST.fullmatch(host.strip().lower())
    return None if match is None else match[1].strip("[]")


def _is_from_elsewhere(headers: Headers, path: str) -> bool:
    """True if a browser names another site as the sender, also for a GET without an Origin; a link to the page is not.

    A program at another port of this machine counts as the same site, but not as the same origin.
    """
    is_link = path == "/" and headers.get("sec-fetch-mode") == "navigate"
    return headers.get("sec-fetch-site") in {"cross-site", "same-site"} and not is_link


def _with_headers(send: Send, policy: str) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in {**HEADERS, "Content-Security-Policy": policy}.items():
                headers[name] = value
        await send(message)

    return send_with_headers
