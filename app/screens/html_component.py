"""Components of the page in HTML, CSS and JavaScript files beside their module, and the pictures that they load."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from app.settings import DataFolder
from engine.storage.atomic import write_bytes


def html_component(
    module: str,
    elem_id: str,
    *,
    value: Any = None,
    first_script: str = "",
    server_functions: Sequence[Callable[..., Any]] = (),
) -> gr.HTML:
    """The component of the files that have the name of a module, its `__file__`, with .html, .css and .js.

    value             that the script finds at first
    first_script      runs before the .js file, in one scope with it
    server_functions  that the script may call
    """
    html, css, script = (
        Path(module).with_suffix(suffix).read_text(encoding="utf-8") for suffix in (".html", ".css", ".js")
    )
    return gr.HTML(
        value=value,
        html_template=html,
        css_template=css,
        js_on_load=first_script + script,
        server_functions=list(server_functions),
        elem_id=elem_id,
    )


def picture_for_page(picture: Image.Image, data: DataFolder, name: str, **options: Any) -> Path:
    """Write a picture into the upload folder for the browser to load; returns its path.

    name     begins the file's name, which goes on with the hash of its bytes: browsers cache a picture by its name
    options  of Pillow's `save`: with `quality` a JPEG, else a PNG
    """
    suffix, kind = (".jpg", "JPEG") if "quality" in options else (".png", "PNG")
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    path = data.uploads / f"{name}-{hashlib.sha256(buffer.getvalue()).hexdigest()[:32]}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    # The browser may be reading the file of the same picture from a grading before.
    write_bytes(path, buffer.getvalue(), shared=True)
    return path
