"""Two stories of the training history, told by the ledger on small runs of simulated cards; a few minutes.

A rate that never falls against one that halves on a plateau, and four changes at once against one of them. The
history's schedule was a one-cycle that nobody stepped. Here nobody can forget it: a schedule is stepped by the one
loop there is, so the mistake can only be made on purpose, and `schedule=constant` is what it came to.

The page goes to docs/stories.md; with so few cards no difference need be more than chance, and the page says so.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from app.commands import compare, export, import_cards, train
from app.runs.plan_input import Said
from app.settings import DataFolder
from app.terminal import say
from benchmarks.harness import Row, one_thread
from db import runs
from db.session import Database
from engine.cards.pairs import read_manifest, write_manifest
from engine.simulate.cards import Recipe
from engine.simulate.folder import LABELS, write_cards

PAGE = Path(__file__).parent.parent / "docs" / "stories.md"
PAIRS, HEIGHT, EPOCHS, SEEDS = 120, 420, 16, (0, 1)
RATE = 3e-4
SCALE = {
    "front_encoder": "resnet18",
    "back_encoder": "resnet18",
    "image_size": 64,
    "batch_size": 8,
    "phase2_epochs": EPOCHS,
}
FOUR = {"alpha_emd": 0.4, "label_smoothing": 0.1, "mixup_alpha": 0.3, "class_weight_cap": 10.0}


@dataclass(frozen=True)
class Way:
    """One way of training, and what is said of it before; its parent is the first way's run of the same seed."""

    name: str
    said: Said
    settings: dict[str, Any] = field(default_factory=dict)


WAYS = (
    Way(
        "plateau, stepped",
        Said(hypothesis="the rate halves when validation QWK stops rising", expect=f"learning_rate<{RATE}@{EPOCHS}"),
    ),
    Way(
        "never stepped",
        Said(
            hypothesis="a schedule that is never stepped leaves the rate where it began",
            expect=f"learning_rate>={RATE}@{EPOCHS}",
        ),
        {"schedule": "constant"},
    ),
    Way(
        "one change",
        Said(hypothesis="smoothing alone costs no QWK", fail=f"qwk<0@{EPOCHS}"),
        {"label_smoothing": 0.1},
    ),
    Way(
        "four at once",
        Said(
            hypothesis="as in the history's fourth run: all four were thought to help",
            fail=f"qwk<0@{EPOCHS}",
            bundle="to tell the story of the run that made them all at once",
        ),
        FOUR,
    ),
)


def simulated(folder: Path) -> Path:
    """A manifest of scans of every grade alike, two groups of three to train on and the third to validate."""
    write_cards(folder, Recipe(seed=5, mix="uniform", kinds=(("scan", 1.0),), height=HEIGHT), PAIRS, workers=2)
    pairs = read_manifest(folder / LABELS).pairs
    groups = sorted({pair.group_key for pair in pairs})
    sides = {group: "val" if place % 3 == 2 else "train" for place, group in enumerate(groups)}
    write_manifest(folder / "split.csv", [replace(pair, split=sides[pair.group_key]) for pair in pairs])  # type: ignore[arg-type]
    return folder / "split.csv"


def run_all(data: DataFolder) -> dict[str, list[int]]:
    """Train every way with every seed; the numbers of its runs by the way's name."""
    done: dict[str, list[int]] = {way.name: [] for way in WAYS}
    for place, seed in enumerate(SEEDS):
        for way in WAYS:
            first = done[WAYS[0].name]
            said = way.said if way is WAYS[0] else replace(way.said, parent=str(first[place]))
            told = {**SCALE, **way.settings, "seed": seed, "device": "cpu"}
            say(f"{way.name}, seed {seed}")
            train.from_labels(data, "baseline", [f"{key}={value}" for key, value in told.items()], said)
            with Database.open(data.database) as database, database.reading() as session:
                done[way.name].append(runs.runs(session, limit=1)[0].id)
    return done


def rates(data: DataFolder, run_ids: Sequence[int]) -> list[float]:
    """The last epoch's rate of each run."""
    with Database.open(data.database) as database, database.reading() as session:
        return [runs.epochs(session, run_id=run_id)[-1].learning_rate for run_id in run_ids]


def story_page(data: DataFolder, done: dict[str, list[int]]) -> str:
    """The comparisons, then the ledger's own page."""
    first = [str(number) for number in done[WAYS[0].name]]
    others = [str(number) for way in WAYS[1:] for number in done[way.name]]
    said = compare.run(data, others, first)
    lines = [
        "# Two stories, told by the ledger",
        "",
        f"Written by `python -m benchmarks stories`: {PAIRS} simulated cards, {EPOCHS} epochs, {len(SEEDS)} seeds.",
        f"Each way against *{WAYS[0].name}*, with the same seeds on the same validation cards; intervals by drawing",
        "groups and seeds, p-values after Holm for the family. Where the interval holds nought, nothing was shown.",
        "",
        "| way | runs | changes | QWK | its reference's | difference | 95 % interval | P(better) | p, Holm | loss |",
        "|---" * 10 + "|",
    ]
    for way, row in zip(WAYS[1:], said["comparisons"], strict=True):
        loss = "not comparable" if row["delta_val_loss"] is None else f"{row['delta_val_loss']:+.3f}"
        cells = (
            *(way.name, ", ".join(row["runs"]), row["changes"], f"{row['qwk']:.3f}", f"{row['reference_qwk']:.3f}"),
            *(f"{row['delta_qwk']:+.3f}", f"{row['low']:+.3f} to {row['high']:+.3f}", f"{row['better']:.2f}"),
            *(f"{row['p_holm']:.2f}", loss),
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += ["", f"n = {said['comparisons'][0]['cards']} cards in {said['comparisons'][0]['groups']} groups.", ""]
    history = Path(export.run(data, "history", None, data.root / "history.md")["path"]).read_text(encoding="utf-8")
    return "\n".join([*lines, history.replace("# Training history", "## The ledger", 1).replace("\n## R", "\n### R")])


def measure() -> list[Row]:
    """Train, write the page, and say whether the rate fell where it was stepped and nowhere else."""
    one_thread()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data = DataFolder(root / "data")
        import_cards.run(data, simulated(root / "cards"), None)
        with (root / "log.txt").open("w") as log, redirect_stderr(log):
            done = run_all(data)
        PAGE.write_text(story_page(data, done), encoding="utf-8")
        stepped, never = (rates(data, done[way.name]) for way in WAYS[:2])
    print(f"written: {os.path.relpath(PAGE)}; runs: {json.dumps(done)}")
    what = "learning rate of the last epoch / of the first"
    return [
        Row(what, "plateau, stepped: the slowest to fall", max(stepped) / RATE, len(SEEDS), at_most=0.5),
        Row(what, "never stepped: the one that fell most", min(never) / RATE, len(SEEDS), at_least=1.0),
    ]
