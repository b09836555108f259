"""Drop zone of the import: folders, pictures, ZIP and CSV files are uploaded with their place in the folder."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import gradio as gr
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.labels.card_imports import CardImports
from app.labels.page_functions import Name, checked
from app.screens.checked_blocks import UNUSABLE
from app.screens.html_component import html_component
from app.screens.label_desk import without_paths
from app.screens.private_paths import PrivatePaths
from app.screens.uploaded_files import uploaded_file
from app.settings import DataFolder, ServerOptions, UserError
from engine.cards.pairs import Refused
from engine.paths import MAX_NAME_BYTES

MAX_FILES_AT_ONCE, MAX_FOLDERS, MAX_LEFT_OUT = 500, 30, 10_000

LongText = Annotated[str, Field(max_length=4000)]


class Upload(BaseModel):
    """A file in the folder of uploads, and its path within the folder that the user chose."""

    model_config = ConfigDict(frozen=True)

    path: LongText
    name: LongText


class Uploads(BaseModel):
    """Files to add to an import; `name` is "" for a new one."""

    model_config = ConfigDict(frozen=True)

    name: Name = ""
    files: Annotated[list[Upload], Field(max_length=MAX_FILES_AT_ONCE)] = []


class LeftOutFile(BaseModel):
    """A file that the page did not send."""

    model_config = ConfigDict(frozen=True)

    path: LongText
    reason: LongText


class Dropped(BaseModel):
    """Value of the component once all files are there."""

    model_config = ConfigDict(frozen=True)

    name: Name
    title: LongText
    left_out: Annotated[list[LeftOutFile], Field(max_length=MAX_LEFT_OUT)] = []

    @property
    def refused(self) -> list[Refused]:
        """The files that were left out."""
        return [Refused(item.path, item.reason) for item in self.left_out]


def import_drop(imports: CardImports, data: DataFolder, options: ServerOptions, private_paths: PrivatePaths) -> gr.HTML:
    """The component; its `submit` event has a value that `dropped_from_page` reads."""
    functions = [
        checked("stage_files", Uploads, partial(_stage, imports, data)),
        checked("discard_upload", Uploads, partial(_discard, imports)),
    ]
    limits = {"max_picture_bytes": options.max_picture_bytes, "max_upload_bytes": options.max_upload_bytes}
    hidden = without_paths(functions, private_paths)
    return html_component(__file__, "import-drop", value=limits, server_functions=hidden)


def dropped_from_page(value: Any) -> Dropped:
    """The import that the page has uploaded. Raises UserError for a value that is none."""
    try:
        return Dropped.model_validate(value)
    except ValidationError as error:
        raise UserError(UNUSABLE) from error


def _stage(imports: CardImports, data: DataFolder, uploads: Uploads) -> dict[str, Any]:
    """Move uploaded files into the folder of their import; returns {name}."""
    paths = [(uploaded_file(file.path, "file", data.uploads), _relative(file.name)) for file in uploads.files]
    name = uploads.name or imports.new_folder()
    folder = imports.open_uploads(name)
    for path, relative in paths:
        target = folder / relative
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, target)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise UserError(f"{relative} is a file and a folder at once; rename one of them") from error
    return {"name": name}


def _discard(imports: CardImports, uploads: Uploads) -> dict[str, Any]:
    """Delete the files of an upload that was cancelled."""
    if uploads.name:
        imports.open_uploads(uploads.name)
        imports.discard(uploads.name)
    return {}


def _relative(name: str) -> Path:
    """The path of a file within its import. Raises UserError for one that leads out of it."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    is_usable = (
        0 < len(parts) <= MAX_FOLDERS
        and "\0" not in name
        and not any(part in ("..", "/") or ":" in part or len(part.encode()) > MAX_NAME_BYTES for part in parts)
    )
    if not is_usable:
        raise UserError(f"{name[:60]!r} is no name of a file in a folder; rename it")
    return Path(*parts)
