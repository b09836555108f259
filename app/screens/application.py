"""The web application: Gradio's page, mounted behind access control and the login."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import Depends, FastAPI
from fastapi.staticfiles import StaticFiles

from app.screens.answer_stream import AnswerStream
from app.screens.home_screen import add_home_screen
from app.screens.login import WAIT_MESSAGE, LoginLimit, require_login
from app.screens.page import PAGE_OPTIONS, PAGE_SCRIPTS
from app.screens.request_check import RequestCheck
from app.screens.security import AccessControl, host_names
from app.settings import DataFolder, ServerOptions

# Scripts of others that the page uses, with their licenses.
LIBRARY = Path(__file__).with_name("library")


def application(page: gr.Blocks, data: DataFolder, options: ServerOptions) -> FastAPI:
    """Mount the page. Unlike Gradio's own `launch`, this asks nothing over the network while it starts."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    events = {number: event.api_name or "" for number, event in page.fns.items() if event.fn is not None}
    server_functions = {
        (number, function.__name__)
        for number, component in page.blocks.items()
        if isinstance(component, gr.HTML)
        for function in component.server_fns
    }
    app.add_middleware(AnswerStream)
    app.add_middleware(RequestCheck, events=events, server_functions=server_functions)
    if options.login is not None:
        app.add_middleware(LoginLimit)
    # Added last, so that it is asked first.
    app.add_middleware(
        AccessControl,
        hosts=host_names(options.host, options.public_hosts),
        public_hosts=frozenset(name.lower() for name in options.public_hosts),
        folders=(data.shown, data.uploads),
        uploads=data.uploads,
        max_upload=options.max_upload_bytes,
        page_scripts=PAGE_SCRIPTS,
        serves_mcp=options.mcp,
    )
    add_home_screen(app)
    app.mount("/library", StaticFiles(directory=LIBRARY))
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        server_name=options.host,
        server_port=options.port,
        app_kwargs=None if options.login is None else {"dependencies": [Depends(require_login)]},
        auth=None if options.login is None else (options.login.user, options.login.password),
        auth_message=WAIT_MESSAGE,
        # Gradio sends the files of an allowed folder as what they are, those of the upload folder as a download unless
        # they are pictures.
        allowed_paths=[str(data.shown)],
        max_file_size=options.max_upload_bytes,
        mcp_server=options.mcp,
        **PAGE_OPTIONS,
    )
    if page.mcp_error:
        raise RuntimeError(page.mcp_error)
    if page.mcp_server_obj is not None:
        _answer_json(page.mcp_server_obj)
    # Gradio checks the paths in a handler's values only in a page that was launched, and mounting does not count.
    page.has_launched = True
    return app


def _answer_json(server: Any) -> None:
    """Let Gradio's MCP server give results as JSON; it would write a dictionary as Python does."""

    def as_json(results: list[Any], root_url: str) -> list[Any]:
        del root_url  # no endpoint returns a file
        return [
            server.types.TextContent(type="text", text=json.dumps(result, ensure_ascii=False)) for result in results
        ]

    server.postprocess_output_data = as_json
