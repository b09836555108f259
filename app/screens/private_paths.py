"""Paths of the server in texts for a browser: a file of the program or of its data is shown by its name alone."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# A backslash elsewhere is that of Markdown, before a sign of a name.
SEPARATOR = "/" if os.sep == "/" else r"(?:/|\\{1,2})"
FOLDER = rf"[^/{'' if os.sep == '/' else re.escape(os.sep)}\s<>\"'`]+{SEPARATOR}"
# Folders within have names of the program's own, without blanks; a file may have any name.
# Not within a ratio, an address, a tag, or the base64 of a picture.
ANY_FOLDERS = re.compile(rf"(?<![\w.<>:/\\,+=-])(?:[A-Za-z]:)?{SEPARATOR}(?:{FOLDER})+(?=[^\s<>\"'`])")
BEGINNING, END = r"(?<![\w.-])", r"(?![\w.-])"
# A file that the browser loads has its path in its value; that is no text.
FILE_KEYS = frozenset({"path", "url"})


class PrivatePaths:
    """Folders whose place on the server is not shown."""

    def __init__(self, folders: Iterable[Path]) -> None:
        paths = {path for folder in folders for path in (folder.absolute(), folder.resolve())}
        # The longest first: a folder may be within another one.
        ordered = sorted((path for path in paths if path.name), key=lambda path: -len(str(path)))
        inside = "|".join(map(_as_shown, ordered)) or "(?!)"  # nothing
        self._inside = re.compile(rf"{BEGINNING}(?:{inside}){SEPARATOR}(?:{FOLDER})*(?=[^\s<>\"'`])")
        self._whole = [(re.compile(f"{BEGINNING}{_as_shown(path)}{END}"), path.name) for path in ordered]

    def hide(self, text: str, *, is_local: bool) -> str:
        """The text with names in place of paths: "/home/ann/data/uploads/3f/a.png: no card" is "a.png: no card".

        is_local  the reader uses this machine, and may see where his own files are
        """
        text = self._inside.sub("", text)
        for pattern, name in self._whole:
            text = pattern.sub(name, text)
        return text if is_local else ANY_FOLDERS.sub("", text)

    def hide_in(self, value: Any, *, is_local: bool) -> Any:
        """A JSON value with `hide` applied to its texts, but not to the paths of files that the browser loads."""
        if isinstance(value, str):
            return self.hide(value, is_local=is_local)
        if isinstance(value, list | tuple):
            return [self.hide_in(item, is_local=is_local) for item in value]
        if isinstance(value, dict):
            return {
                key: item if key in FILE_KEYS else self.hide_in(item, is_local=is_local) for key, item in value.items()
            }
        return value


def _as_shown(path: Path) -> str:
    """Pattern of a path that may be escaped for Markdown or HTML."""
    return "".join(map(_sign_as_shown, str(path)))


def _sign_as_shown(sign: str) -> str:
    # Two alternatives for the same text would take a time exponential in the length of the path.
    in_html = html.escape(sign)
    other = "" if in_html == sign else f"|{re.escape(in_html)}"
    return rf"(?:\\?{re.escape(sign)}{other})"
