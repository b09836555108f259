"""Atomic writes: at every moment the file is the old one or the complete new one."""

import pytest

from engine.storage.atomic import atomic_write


def test_the_old_file_remains_until_the_new_one_is_complete(tmp_path):
    file = tmp_path / "told.json"
    file.write_text("old")
    with atomic_write(file) as temporary, temporary.open("w") as stream:
        stream.write("new, ")
        stream.flush()
        assert file.read_text() == "old"
        stream.write("whole")
    assert file.read_text() == "new, whole"
    assert list(tmp_path.iterdir()) == [file]


def test_an_interrupted_write_leaves_the_old_file_and_its_remains_are_overwritten(tmp_path):
    file = tmp_path / "told.json"
    file.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_write(file) as temporary:
        temporary.write_text("half of what is much longer than the next")
        raise KeyboardInterrupt
    assert file.read_text() == "old"
    with atomic_write(file) as temporary:
        temporary.write_text("next")
    assert file.read_text() == "next"
