"""Atomic writes: at every moment the file is the old one or the complete new one."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.storage.atomic import atomic_write, write_bytes


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


def test_two_processes_that_write_one_file_at_once_do_not_mix_their_content(tmp_path, monkeypatch):
    file = tmp_path / "graph.onnx"
    with atomic_write(file, shared=True) as first:
        first.write_text("from one process")
        monkeypatch.setattr(os, "getpid", lambda: -1)
        with atomic_write(file, shared=True) as second:
            second.write_text("from another")
        assert file.read_text() == "from another"
    assert file.read_text() == "from one process"
    assert list(tmp_path.iterdir()) == [file]


def test_two_threads_that_write_one_file_at_once_do_not_mix_their_content(tmp_path):
    file = tmp_path / "flat.jpg"
    with ThreadPoolExecutor(1) as pool, atomic_write(file, shared=True) as first:
        first.write_text("from one thread")
        pool.submit(write_bytes, file, b"from another", shared=True).result()
        assert file.read_text() == "from another"
    assert file.read_text() == "from one thread"
    assert list(tmp_path.iterdir()) == [file]
