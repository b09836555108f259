"""The baseline recipe on real fronts, by command: its QWK, exact resume after SIGKILL, and control inputs.

Fronts of graded cards in slabs, cropped to the card, at 128 pixels for six epochs. One run is killed twice with SIGKILL
and resumed; an uninterrupted twin also trains the background-only and label-only controls. Takes about half an hour on
two cores.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import REAL_PICTURES, ROOT, NothingMeasured, Row
from engine.cards.pairs import CardPair, write_manifest

FRONTS = REAL_PICTURES / "psa_baseball"
PROGRAM = ROOT / "launch.py"
# Only fronts are used, so the back's encoder is the smaller one; 2 px/mm are too few for measurements.
SETTINGS = {"back_encoder": "resnet18", "image_size": 128, "phase2_epochs": 6, "auxiliary_targets": "false"}
MIN_QWK = 0.40
KILL_AFTER_CHECKPOINTS = (1, 2)
KILL_DELAY_S = 5.0


def write_fronts_manifest(path: Path) -> int:
    """Write a manifest of all fronts, graded by folder name; returns their number."""
    pictures = sorted(path for path in FRONTS.rglob("*") if path.is_file())
    write_manifest(
        path,
        [CardPair(picture.stem, picture, None, float(picture.parent.name.removeprefix("psa"))) for picture in pictures],
    )
    return len(pictures)


def train_command(*arguments: object) -> list[str]:
    """The command line of `train`."""
    return [sys.executable, str(PROGRAM), "train", *map(str, arguments)]


def run_training(folder: Path, *arguments: object) -> dict[str, Any]:
    """Run `train` to its end; returns its JSON output."""
    output = folder.with_suffix(".json")
    subprocess.run(train_command(*arguments, "--json", output), check=True)
    return dict(json.loads(output.read_text(encoding="utf-8")))


def run_and_kill(folder: Path, checkpoints: int, *arguments: object) -> None:
    """Run `train` and kill it in the epoch after `checkpoints` new checkpoints."""
    checkpoint, count, last_write = folder / "last.ckpt", 0, _modified_at(folder / "last.ckpt")
    process = subprocess.Popen(train_command(*arguments))
    while count < checkpoints:
        if process.poll() is not None:
            raise RuntimeError(f"the run ended, with exit code {process.returncode}, before it was killed")
        time.sleep(0.2)
        if _modified_at(checkpoint) != last_write:
            count, last_write = count + 1, _modified_at(checkpoint)
    time.sleep(KILL_DELAY_S)
    process.kill()
    process.wait()


def _modified_at(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0


def differing_tensors(first_path: Path, second_path: Path) -> int:
    """Number of tensors of two models that are not bit-identical."""
    paths = (first_path, second_path)
    first, second = (torch.load(path, map_location="cpu", weights_only=True)["model"] for path in paths)
    return sum(not torch.equal(first[name], second[name]) for name in first) + len(first.keys() ^ second.keys())


def measure() -> list[Row]:
    """Train the killed run and its twin. Raises NothingMeasured without the pictures."""
    if not FRONTS.is_dir():
        raise NothingMeasured(f"{FRONTS} does not exist; set LOUPE_REAL_PICTURES to the folder of the pictures")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = folder / "fronts.csv"
        write_fronts_manifest(manifest)
        settings = [argument for key, value in SETTINGS.items() for argument in ("--set", f"{key}={value}")]
        arguments = ("--manifest", manifest, "--recipe", "baseline", *settings)
        run, twin = folder / "run", folder / "twin"
        run_and_kill(run, KILL_AFTER_CHECKPOINTS[0], *arguments, "--out", run)
        run_and_kill(run, KILL_AFTER_CHECKPOINTS[1], "--resume", run)
        resumed = run_training(run, "--resume", run)
        uninterrupted = run_training(twin, *arguments, "--out", twin, "--controls")
        differing = differing_tensors(run / "model.pt", twin / "model.pt")
    n, what = uninterrupted["n"], "baseline on real fronts: validation QWK"
    print(f"resumed QWK {resumed['qwk']}, twin QWK {uninterrupted['qwk']}; output of the twin:")
    print(json.dumps(uninterrupted, indent=2))
    controls = [
        # A control that grades as well as the model: the grade is not read from the card.
        Row(
            f"control that sees the {input_region} alone: validation QWK",
            "1",
            control["qwk"],
            control["n"],
            at_most=uninterrupted["qwk"],
        )
        for input_region, control in uninterrupted["controls"].items()
    ]
    return [
        Row(
            what,
            f"1 ({uninterrupted['qwk_low']:.3f} to {uninterrupted['qwk_high']:.3f})",
            uninterrupted["qwk"],
            n,
            at_least=MIN_QWK,
        ),
        Row("tensors that two kills have changed", "the uninterrupted twin", float(differing), 1, at_most=0.0),
        *controls,
    ]
