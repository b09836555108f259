"""Checkpoint files: written atomically, read without running code."""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.detection import segmentation
from engine.storage import checkpoint, file_hash
from engine.storage.checkpoint import BadModel

CONTENT = {"weights": {"a": torch.arange(6.0).reshape(2, 3)}, "epoch": 3, "best": None, "names": ["x", 1.5, True]}


def test_a_checkpoint_is_loaded_as_saved(tmp_path):
    checkpoint.save(tmp_path / "m.pt", CONTENT)
    loaded = checkpoint.load(tmp_path / "m.pt")
    assert torch.equal(loaded["weights"]["a"], CONTENT["weights"]["a"])
    assert {key: loaded[key] for key in ("epoch", "best", "names")} == {
        "epoch": 3,
        "best": None,
        "names": ["x", 1.5, True],
    }
    assert [path.name for path in tmp_path.iterdir()] == ["m.pt"]


@pytest.mark.parametrize("moment", ["torch.save", "os.fsync", "pathlib.Path.replace"])
def test_a_crash_while_saving_leaves_the_old_file_whole(tmp_path, monkeypatch, moment):
    path = tmp_path / "m.pt"
    checkpoint.save(path, CONTENT)
    before = path.read_bytes()

    def crash(*arguments, **keywords):
        if moment == "torch.save":
            arguments[1].write(b"half a checkpoint")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(moment, crash)
        with pytest.raises(KeyboardInterrupt):
            checkpoint.save(path, {"epoch": 4})
    assert path.read_bytes() == before
    assert checkpoint.load(path)["epoch"] == 3
    checkpoint.save(path, {"epoch": 4})
    assert checkpoint.load(path)["epoch"] == 4


class Trap:
    """Malicious content of a model file: unpickling it creates a file."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (Path(self.target),))


@pytest.mark.parametrize("as_zip", [True, False])
def test_a_file_that_contains_code_is_refused_and_the_code_is_not_run(tmp_path, as_zip):
    trap, path = tmp_path / "sprung", tmp_path / "m.pt"
    content = {"format": checkpoint.FORMAT, "weights": Trap(trap)}
    torch.save(content, path, _use_new_zipfile_serialization=as_zip)
    with pytest.raises(BadModel, match="is not a readable model"):
        checkpoint.load(path)
    assert not trap.exists()
    torch.load(path, weights_only=False)
    assert trap.exists(), "the trap would have sprung"


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(BadModel, match=r"m\.pt: there is no such file; give the path of a model\.pt"):
        checkpoint.load(tmp_path / "m.pt")


@pytest.mark.parametrize("content", [{"epoch": 1}, {"format": 99}, [1, 2], {"format": torch.ones(3)}])
def test_a_file_of_another_program_or_version_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "m.pt")
    with pytest.raises(BadModel, match="was not written by this version of Loupe"):
        checkpoint.load(tmp_path / "m.pt")


def damaged(whole, seed):
    """Truncate a file, overwrite bytes, or replace it by noise with a pickle header, plain or in torch's zip format."""
    random = np.random.default_rng(seed)
    kind, content = seed % 4, bytearray(whole)
    if kind == 0:
        return bytes(content[: random.integers(0, len(content))])
    if kind == 1:
        for position in random.integers(0, len(content), 40):
            content[position] = random.integers(256)
        return bytes(content)
    noise = b"\x80\x02" + random.integers(0, 256, 200, dtype=np.uint8).tobytes()
    if kind == 2:
        return noise
    zipped = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(zipped, "w") as new:
        for name in old.namelist():
            new.writestr(name, noise if name.endswith("data.pkl") else old.read(name))
    return zipped.getvalue()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_damaged_file_is_refused_with_one_message_or_still_readable(tmp_path):
    path = tmp_path / "m.pt"
    checkpoint.save(path, CONTENT)
    whole, refused = path.read_bytes(), 0
    for seed in range(400):
        path.write_bytes(damaged(whole, seed))
        try:
            checkpoint.load(path)
        except BadModel as refusal:
            refused += 1
            assert str(refusal).startswith(f"{path}: ")
            assert "\n" not in str(refusal)
    assert refused > 300


def test_a_single_flipped_bit_in_the_weights_is_noticed(tmp_path):
    """torch reads such a file without a word."""
    path = tmp_path / "m.pt"
    weights = torch.from_numpy(np.random.default_rng(0).normal(size=50_000).astype(np.float32))
    checkpoint.save(path, {"model": {"layer": weights}})
    whole, start = path.read_bytes(), path.read_bytes().index(weights.numpy().tobytes())
    for bit in range(32):
        content = bytearray(whole)
        content[start + 4 * 1234 * (bit + 1) + bit // 8] ^= 1 << bit % 8
        path.write_bytes(bytes(content))
        assert not torch.equal(torch.load(path, weights_only=True)["model"]["layer"], weights)
        with pytest.raises(BadModel, match=r"m\.pt: is damaged: the checksum of its part .* does not match; copy it"):
            checkpoint.load(path)


def test_damaged_weights_of_the_card_finder_are_noticed(tmp_path):
    content = bytearray(segmentation.WEIGHTS.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "w.pt").write_bytes(bytes(content))
    with pytest.raises(BadModel, match=r"w\.pt: is damaged, so no card can be found; install Loupe again$"):
        checkpoint.load_weights(tmp_path / "w.pt")
    (tmp_path / "w.pt").write_bytes(bytes(content[:1000]))
    with pytest.raises(BadModel, match=r"w\.pt: cannot be read, so no card can be found"):
        checkpoint.load_weights(tmp_path / "w.pt")


def test_the_sha256_is_hashlib_s(tmp_path):
    (tmp_path / "m.pt").write_bytes(b"loupe" * 100_000)
    assert file_hash.sha256(tmp_path / "m.pt") == hashlib.sha256(b"loupe" * 100_000).hexdigest()
