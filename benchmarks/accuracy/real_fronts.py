"""The history's baseline on real fronts, by command: that it learns, that kills cost it nothing, what controls reach.

Fronts of graded cards in slabs, the card's region alone, at 128 pixels for six epochs. One run is killed twice with
SIGKILL and resumed; its twin is left alone and trains the background-only and label-only controls beside it. Takes
about half an hour on two cores.
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

from benchmarks.harness import REAL_PICTURES, ROOT, Row
from engine.cards.pairs import CardPair, write_manifest

FRONTS = REAL_PICTURES / "psa_baseball"
PROGRAM = ROOT / "launch.py"
# The fronts alone are learned from, so the back's encoder is the smaller one; nothing can be measured at 2 px/mm.
SETTINGS = {"back_encoder": "resnet18", "image_size": 128, "phase2_epochs": 6, "measured_targets": "false"}
LEAST_QWK = 0.40
KILLED_AFTER_CHECKPOINTS = (1, 2)
INTO_THE_EPOCH_S = 5.0


def manifest_of_fronts(path: Path) -> int:
    """Write a manifest of all fronts, the folder's name their grade; returns how many."""
    pictures = sorted(path for path in FRONTS.rglob("*") if path.is_file())
    write_manifest(
        path, [CardPair(one.stem, one, None, float(one.parent.name.removeprefix("psa"))) for one in pictures]
    )
    return len(pictures)


def command(*words: object) -> list[str]:
    """A command of the program."""
    return [sys.executable, str(PROGRAM), "train", *map(str, words)]


def trained(folder: Path, *words: object) -> dict[str, Any]:
    """Run a command to its end; what it prints."""
    told = folder.with_suffix(".json")
    subprocess.run(command(*words, "--json", told), check=True)
    return dict(json.loads(told.read_text(encoding="utf-8")))


def killed(folder: Path, checkpoints: int, *words: object) -> None:
    """Run a command and kill it in the epoch after so many new checkpoints."""
    checkpoint, seen, last = folder / "last.ckpt", 0, _written(folder / "last.ckpt")
    process = subprocess.Popen(command(*words))
    while seen < checkpoints:
        if process.poll() is not None:
            raise RuntimeError(f"the run ended, with exit code {process.returncode}, before it was killed")
        time.sleep(0.2)
        if _written(checkpoint) != last:
            seen, last = seen + 1, _written(checkpoint)
    time.sleep(INTO_THE_EPOCH_S)
    process.kill()
    process.wait()


def _written(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0


def differing(one: Path, other: Path) -> int:
    """How many tensors of two models are not equal to the bit."""
    first, second = (torch.load(path, map_location="cpu", weights_only=True)["model"] for path in (one, other))
    return sum(not torch.equal(first[name], second[name]) for name in first) + len(first.keys() ^ second.keys())


def measure() -> list[Row]:
    """Nothing is measured where the pictures are absent."""
    if not FRONTS.is_dir():
        print(f"{FRONTS} is absent: nothing is trained on real fronts")
        return []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = folder / "fronts.csv"
        manifest_of_fronts(manifest)
        settings = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
        told = ("--manifest", manifest, "--recipe", "baseline", *settings)
        run, twin = folder / "run", folder / "twin"
        killed(run, KILLED_AFTER_CHECKPOINTS[0], *told, "--out", run)
        killed(run, KILLED_AFTER_CHECKPOINTS[1], "--resume", run)
        resumed = trained(run, "--resume", run)
        alone = trained(twin, *told, "--out", twin, "--controls")
        differ = differing(run / "model.pt", twin / "model.pt")
    n, what = alone["n"], "baseline on real fronts: validation QWK"
    print(f"resumed QWK {resumed['qwk']}, twin QWK {alone['qwk']}; all that the twin says:")
    print(json.dumps(alone, indent=2))
    controls = [
        Row(f"control that sees the {seen} alone: validation QWK", "1", control["qwk"], control["n"], at_least=-1.0)
        for seen, control in alone["controls"].items()
    ]
    return [
        Row(what, f"1 ({alone['qwk_low']:.3f} to {alone['qwk_high']:.3f})", alone["qwk"], n, at_least=LEAST_QWK),
        Row("tensors that two kills have changed", "the uninterrupted twin", float(differ), 1, at_most=0.0),
        *controls,
    ]
