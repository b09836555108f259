"""Files that a client of the API gives: uploads, by their path or their address, and data: URLs."""

from __future__ import annotations

import base64
import hashlib
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from app.screens.security import FILE_ROUTE
from app.settings import UserError
from engine.storage.atomic import write_bytes

NOT_UPLOADED = (
    "the {} is not an uploaded file; upload it first, in gradio_client with handle_file(PATH), or give a data: URL"
)


def uploaded_file(file: Any, name: str, uploads: Path) -> Path:
    """The path of a file in the upload folder. Raises UserError for anything else.

    file  that gradio_client has uploaded; or a text: a data: URL, which is stored there, the address of an uploaded
          file on this server, or its path
    name  in the message
    """
    text = file.get("path") if isinstance(file, Mapping) else getattr(file, "path", file)
    if not isinstance(text, str):
        raise UserError(NOT_UPLOADED.format(name))
    if text.startswith("data:"):
        return _store(text, name, uploads)
    try:
        if text.startswith(("http://", "https://")):
            # Of an address only the path counts: nothing is fetched, and the check below is that of every path.
            text = unquote(urlsplit(text).path.partition(FILE_ROUTE)[2])
        path = Path(text).resolve(strict=True)
    except (OSError, ValueError) as error:
        raise UserError(NOT_UPLOADED.format(name)) from error
    if not path.is_file() or not path.is_relative_to(uploads.resolve()):
        raise UserError(NOT_UPLOADED.format(name))
    return path


def _store(url: str, name: str, uploads: Path) -> Path:
    """Store what a data: URL holds as a file of its name, in a folder of its hash."""
    head, _, data = url.partition(",")
    kind, _, encoding = head.removeprefix("data:").rpartition(";")
    try:
        content = base64.b64decode(data, validate=True)
    except ValueError:
        content = b""
    if encoding != "base64" or not content:
        raise UserError(
            f"the {name} is a data: URL without a file; give data:image/jpeg;base64, and the file in base64"
        )
    suffix = mimetypes.guess_extension(kind) or ""
    path = uploads / hashlib.sha256(content).hexdigest() / f"{name.replace(' ', '-')}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, content, shared=True)
    return path
