"""A full disk, imitated by a limit on the size of files: one sentence, nothing partial left, space reserved in time."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.storage import checkpoint
from engine.storage.atomic import atomic_write, write_bytes, write_text
from engine.storage.disk_space import DiskFull, disk_full_message, reserve, translate_disk_full
from engine.storage.jsonl import JsonLinesFile
from tests.full_disk import largest_file, skip_without_mounts


def write_checkpoint(path: Path) -> None:
    checkpoint.save(path, {"model": {"a": torch.zeros(100_000)}})


def write_lines(path: Path) -> None:
    JsonLinesFile(path).append("x" * 1000 for _ in range(400))


@pytest.mark.parametrize(
    "write",
    [
        write_checkpoint,
        write_lines,
        lambda path: write_text(path, "x" * 400_000),
        lambda path: write_bytes(path, b"x" * 400_000),
    ],
)
def test_a_full_disk_is_one_sentence_that_names_the_file(tmp_path, write):
    path = tmp_path / "file"
    with largest_file(200_000), pytest.raises(DiskFull) as full:
        write(path)
    assert str(full.value).startswith(
        f"the disk is full: {path} could not be written (File too large); free some space"
    )
    assert "\n" not in str(full.value)


def test_a_write_that_fails_leaves_the_old_file_and_frees_the_space_it_took(tmp_path):
    path = tmp_path / "m.pt"
    checkpoint.save(path, {"epoch": 1})
    with largest_file(200_000), pytest.raises(DiskFull):
        write_checkpoint(path)
    assert [file.name for file in tmp_path.iterdir()] == ["m.pt"]
    assert checkpoint.load(path)["epoch"] == 1


def test_of_a_copy_the_file_that_could_not_be_written_is_named():
    error = OSError(errno.ENOSPC, "No space left on device", "/uploads/front.png", None, "/batches/1/front.png")
    assert disk_full_message(error).startswith("the disk is full: /batches/1/front.png could not be written")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_every_form_of_no_space_is_a_full_disk_and_nothing_else_is(number):
    with pytest.raises(DiskFull, match="/data/x could not be written"), translate_disk_full():
        raise OSError(number, os.strerror(number), "/data/x")
    for other in (OSError(errno.EACCES, "Permission denied", "x"), RuntimeError("out of memory"), ValueError("x")):
        with pytest.raises(type(other)) as caught, translate_disk_full():
            raise other
        assert caught.value is other
        assert disk_full_message(other) is None


def test_a_sentence_that_names_the_file_is_not_replaced_by_an_outer_one(tmp_path):
    outer, inner = atomic_write(tmp_path / "outer"), translate_disk_full(tmp_path / "inner.txt")
    with pytest.raises(DiskFull, match=r"inner\.txt could not"), outer, inner:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("system", ["with posix_fallocate", "without it"])
def test_reserved_bytes_are_allocated_and_used_ones_are_kept(tmp_path, monkeypatch, system):
    if system == "without it":
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    path = tmp_path / "map"
    path.write_bytes(b"abc" * 100_000)
    os.truncate(path, 5_000_000)  # a hole, as an interrupted fill of an earlier version left it
    with path.open("r+b") as file:
        reserve(file, 6_000_000, used=300_000)
    assert path.read_bytes()[:300_000] == b"abc" * 100_000
    assert path.stat().st_size == 6_000_000
    assert path.stat().st_blocks * 512 >= 6_000_000
    with largest_file(7_000_000), path.open("r+b") as file, pytest.raises(OSError, match="too large"):
        reserve(file, 9_000_000, used=300_000)
    assert path.stat().st_size == 6_000_000


# Fills the picture cache on a disk of 3 MB, with a stand-in for the preparation of the pictures.
FILL = """
import sys
from pathlib import Path
import numpy as np
from engine.data.picture_cache import MemmapCache
from engine.storage.disk_space import DiskFull

disk, pictures, fills_up = Path(sys.argv[1]), [], False

class Cache(MemmapCache):
    def compute(self, path):
        if fills_up:  # another program takes what is left, after the space of the rows was reserved
            with (disk / "filler").open("ab", buffering=0) as filler:
                for size in (1 << 12, 1):
                    try:
                        while filler.write(bytes(size)) == size:
                            pass
                    except OSError:
                        pass
        return np.full((512, 1024), int(path.name), np.uint8), {"long": "x" * 5000}

for number in range(10):
    pictures.append(Path(sys.argv[2], str(number)))
    pictures[-1].write_text(str(number))
def fill(count):
    cache = Cache(disk / "cache", pictures[:count], "numbers", (512, 1024))
    list(cache.fill())
    return [int(cache[path].min()) for path in pictures[:count]]
assert fill(3) == [0, 1, 2]
for _ in range(2):
    try:
        fill(10)
    except DiskFull as full:
        print(full)
assert fill(4) == [0, 1, 2, 3], "what fits is still written, so the failed fill keeps no space"
fills_up = True
try:
    fill(5)
except DiskFull as full:
    print(full)
assert (disk / "cache/numbers.u8").stat().st_size == 4 * 512 * 1024, "the row without a line keeps no space"
(disk / "filler").unlink()
fills_up = False
assert fill(5) == [0, 1, 2, 3, 4]
"""


@pytest.mark.slow
def test_a_cache_that_does_not_fit_on_a_small_disk_is_refused_and_the_process_survives(tmp_path):
    disk, pictures = tmp_path / "disk", tmp_path / "pictures"
    disk.mkdir()
    pictures.mkdir()
    script = f'mount -t tmpfs -o size=3m tmpfs "{disk}" && exec "{sys.executable}" -c "$0" "{disk}" "{pictures}"'
    skip_without_mounts()
    done = subprocess.run(["unshare", "-mr", "sh", "-c", script, FILL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    assert [line.split("(")[0] for line in done.stdout.splitlines()] == [
        f"the disk is full: {disk}/cache/numbers.{suffix} could not be written " for suffix in ("u8", "u8", "jsonl")
    ]


def test_the_sum_shows_every_weight_that_is_not_finite(tmp_path):
    random = np.random.default_rng(0)
    for value in (np.nan, np.inf, -np.inf):
        weights = torch.from_numpy(random.normal(size=(64, 128)).astype(np.float32))
        weights[tuple(random.integers(0, 64, 2))] = value
        checkpoint.save(tmp_path / "m.pt", {"model": {"layer": weights}})
        with pytest.raises(checkpoint.BadModel, match="the weights of layer are not finite numbers"):
            checkpoint.load(tmp_path / "m.pt")
