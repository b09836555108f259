"""Markdown: tables, and text from users, files and models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# Backslashes before what begins emphasis, code, links, tables and HTML. Underscores within a word begin nothing.
_MARKUP = re.compile(r"[\\`*\[\]<>&|~]|(?<![^\W_])_|_(?![^\W_])|@|:(?=//)|(?<=www)\.", re.IGNORECASE)
# At the start of a line: headings, lists, quotes, rules.
_BLOCK = re.compile(r"^(\d*)([#+=.)-])")


def details(head: str, sentences: Iterable[str]) -> list[str]:
    """The sentences as a list, folded until it is clicked."""
    return ["", f"<details><summary>{head}</summary>", "", *(f"- {text}" for text in sentences), "", "</details>"]


def bullets(texts: Sequence[object], limit: int, rest: str = "more") -> list[str]:
    """Lines of a list of the first `limit` texts, escaped, and of how many more there are."""
    left = [f"- and {len(texts) - limit} {rest}"] if len(texts) > limit else []
    return [*(f"- {escape(text)}" for text in texts[:limit]), *left]


def counted(cards: int) -> str:
    """A number of cards: "1 card", "12 cards"."""
    return "1 card" if cards == 1 else f"{cards} cards"


def code_block(lines: Iterable[str]) -> list[str]:
    """The lines as a block of code, within a fence that none of them can close."""
    lines = list(lines)
    ticks = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, ticks + 1)
    return [fence, *lines, fence]


def escape(text: object) -> str:
    """The text on one line, to be shown as it is: no markup, no link, no picture that a browser would load."""
    line = " ".join(str(text).split())
    return _BLOCK.sub(r"\1\\\2", _MARKUP.sub(r"\\\g<0>", line))


def table(heads: Sequence[object], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of a table, and an empty line after it. Cells with text of others must be escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    return [*("| " + " | ".join(map(str, line)) + " |" for line in lines), ""]
