"""SHA-256 of files, and files named by it."""

import hashlib

from engine.storage.file_hash import sha256, write_by_hash


def test_a_file_is_named_by_its_hash_and_writing_it_again_changes_nothing(tmp_path, monkeypatch):
    content = b"loupe" * 100_000
    expected = hashlib.sha256(content).hexdigest()
    path, digest = write_by_hash(tmp_path, content, ".pt")
    assert (path, digest, sha256(path)) == (tmp_path / f"{expected[:16]}.pt", expected, expected)
    monkeypatch.chdir(tmp_path)
    assert write_by_hash(tmp_path.relative_to(tmp_path), content, ".pt") == (path, digest)
    assert list(tmp_path.iterdir()) == [path]
