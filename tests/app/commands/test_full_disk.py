"""A disk without a free byte: each command that writes a file there ends in one sentence and leaves nothing there."""

import os
import subprocess
import sys

import pytest

from app.settings import PROGRAM
from tests.commands import call
from tests.full_disk import skip_without_mounts

# Fills a small disk to the last byte, and writes to it.
COMMANDS = """
import sys
from pathlib import Path
from tests.commands import call

disk, data, model, manifest, picture = map(Path, sys.argv[1:6])
with (disk / "filler").open("wb", buffering=0) as filler:
    try:
        while True:
            filler.write(bytes(4096))
    except OSError:
        pass
for words in (
    ("export", "labels", "--out", disk / "labels.csv"),
    ("export", "history", "--out", disk / "history.md"),
    ("export", "report", "--model", model, "--out", disk / "report.md"),
    ("export", "model", "--model", model, "--out", disk / "model.pt"),
    ("export", "model", "--model", model, "--onnx", "--out", disk / "model.onnx"),
    ("calibrate", "--model", model, "--manifest", manifest, "--split", "all", "--out", disk / "model.pt"),
    ("backup", disk / "backup.zip"),
    ("grade", picture, "--model", model, "--out", disk / "pictures"),
    ("grade", picture, "--model", model, "--json", disk / "grade.json"),
    ("simulate", "--pairs", "1", "--seed", "1", "--out", disk / "cards"),
    ("train", "--manifest", manifest, "--out", disk / "run"),
):
    done = call(*words, *(() if words[0] == "simulate" else ("--data", data)))
    assert done.exit_code == 2, (words, done)
    assert "Traceback" not in done.err, (words, done)
    refusal = done.err.splitlines()[-1]
    assert str(disk) in refusal, (words, refusal)
    assert "No space left on device" in refusal, (words, refusal)
    left = [path for path in disk.rglob("*") if path.is_file() and path.name != "filler"]
    assert left == [], (words, left)
"""


@pytest.mark.long
def test_every_command_that_writes_to_a_full_disk_says_so_and_leaves_nothing(manifest, model, tmp_path):
    skip_without_mounts()
    disk, data = tmp_path / "disk", tmp_path / "data"
    disk.mkdir()
    assert call("import", manifest, "--data", data).exit_code == 0
    picture = next(manifest.parent.rglob("*_front.png"))
    words = " ".join(f'"{word}"' for word in (disk, data, model, manifest, picture))
    script = f'mount -t tmpfs -o size=200k tmpfs "{disk}" && exec "{sys.executable}" -c "$0" {words}'
    environment = {**os.environ, "PYTHONPATH": str(PROGRAM)}
    done = subprocess.run(
        ["unshare", "-mr", "sh", "-c", script, COMMANDS], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done
