"""Text of users and files stands in Markdown as it is; the oracle is a Markdown parser."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from app.markdown import bullets, code_block, escape, table

MARKUP = [
    '![x](http://evil.example/a.png)<div style="position:fixed">cover</div>',
    "<img src=http://evil.example/a.png>",
    "[link](javascript:alert(1)) <script>alert(1)</script>",
    "# heading",
    "- item",
    "1. item",
    "> quote",
    "---",
    "***bold*** __init__ _a_ `code` ~~gone~~ a|b",
    "&lt; &amp; &#60; \\ \\* \\\\",
    "http://evil.example www.evil.example a@evil.example",
    "card_with_underscores-001_front.png 9.5 (±0.3)",
    "two\nlines\n\n# and a heading",
]


def shown(markdown: str) -> tuple[str, set[str]]:
    """The text that a reader sees, and the kinds of markup in it beside the list that it stands in."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(f"- {markdown}")
    inline = [child for token in tokens for child in token.children or []]
    around = {"bullet_list_open", "list_item_open", "paragraph_open", "inline", "bullet_list_close"}
    kinds = {token.type for token in [*tokens, *inline]} - around - {"list_item_close", "paragraph_close"}
    return "".join(child.content for child in inline), kinds


@pytest.mark.parametrize("text", MARKUP)
def test_markup_is_shown_as_text(text):
    assert shown(escape(text)) == (" ".join(text.split()), {"text"})


@given(st.text(st.characters(max_codepoint=0x2FF, exclude_categories=["Cc", "Cs"]), min_size=1))
@example("\\<b>")
def test_any_text_is_shown_as_it_is(text):
    line = " ".join(text.split())
    content, kinds = shown(escape(text))
    assert content == line
    assert kinds <= {"text"}


@pytest.mark.parametrize("start", ["http://", "https://", "WWW.", "ftp://"])
def test_addresses_become_no_links(start):
    assert start not in escape(f"{start}evil.example")
    assert "\\@" in escape("a@evil.example")


def test_no_line_closes_its_block_of_code():
    for lines in (["a"], ["```", "<b>"], ["`````"]):
        [token] = MarkdownIt().parse("\n".join(code_block(lines)))
        assert (token.type, token.content.splitlines()) == ("fence", lines)


def test_a_table_has_a_cell_for_each_value_and_ends_before_the_next_line():
    lines = table(["run", "QWK"], [(1, 0.5), ("two", "")])
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse("\n".join([*lines, "after it"]))
    cells = [after.content for token, after in pairwise(tokens) if token.type in ("th_open", "td_open")]
    assert cells == ["run", "QWK", "1", "0.5", "two", ""]
    assert tokens[-2].content == "after it"


def test_a_list_ends_with_the_number_of_texts_that_are_left_out():
    assert bullets(["a *b*", "c", "d"], 2) == ["- a \\*b\\*", "- c", "- and 1 more"]
    assert bullets(["a", "b"], 2, "more, see the log") == ["- a", "- b"]
