"""A file that is written aside is at every moment the old one or the whole new one."""

import pytest

from engine.storage.atomic import aside


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path):
    file = tmp_path / "told.json"
    file.write_text("old")
    with aside(file) as part, part.open("w") as opened:
        opened.write("new, ")
        opened.flush()
        assert file.read_text() == "old"
        opened.write("whole")
    assert file.read_text() == "new, whole"
    assert list(tmp_path.iterdir()) == [file]


def test_what_ends_the_writing_leaves_the_old_file_and_is_overwritten_the_next_time(tmp_path):
    file = tmp_path / "told.json"
    file.write_text("old")
    with pytest.raises(KeyboardInterrupt), aside(file) as part:
        part.write_text("half of what is much longer than the next")
        raise KeyboardInterrupt
    assert file.read_text() == "old"
    with aside(file) as part:
        part.write_text("next")
    assert file.read_text() == "next"
