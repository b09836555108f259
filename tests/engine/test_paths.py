"""Paths are taken as they are pasted: quoted, as a URL, with ~."""

import os
from pathlib import Path

import pytest

from engine.paths import BadPath, expand_path, unreadable_reason


@pytest.mark.parametrize(
    "pasted",
    [
        "/cards/my scans",
        '"/cards/my scans"',
        " '/cards/my scans' ",
        "“/cards/my scans”",
        "file:///cards/my%20scans",
        "file://localhost/cards/my%20scans",
        '"file:///cards/my scans"',
        Path("file:///cards/my%20scans"),
    ],
)
def test_quotes_and_file_urls_are_removed(pasted):
    assert expand_path(pasted) == Path("/cards/my scans")


@pytest.mark.parametrize("name", ['it\'s "good"', "file.jpg", "'", '""', "filed/x"])
def test_other_names_are_kept(name):
    assert expand_path(name) == Path(name)


def test_a_zero_byte_and_an_unknown_home_are_refused():
    for path in ('"/a\0"', "~nobody-of-this-name/x"):
        with pytest.raises(BadPath):
            expand_path(path)


def test_only_regular_files_of_a_limited_size_may_be_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"12345")
    assert unreadable_reason(tmp_path / "file", 5) == ""
    assert "larger" in unreadable_reason(tmp_path / "file", 4)
    assert "pipe" in unreadable_reason(tmp_path / "pipe", 5)
    assert "folder" in unreadable_reason(tmp_path, 5)
