"""Two mistakes of the training history, repeated on purpose in small runs on simulated cards; takes a few minutes.

A constant learning rate against one that halves on a plateau, and four changes at once against one of them. The
history's one-cycle schedule was never stepped, which amounts to `schedule=constant`. The training loop now steps every
schedule, so the mistake can only be made on purpose.

Writes docs/stories.md. With so few cards, differences need not be significant.
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
from app.runs.plan_input import PlanInput
from app.settings import DataFolder
from app.terminal import print_message
from benchmarks.harness import Row, use_one_thread
from db import runs
from db.session import Database
from engine.cards.pairs import read_manifest, write_manifest
from engine.simulate.cards import SimulationConfig
from engine.simulate.folder import LABELS_FILE, write_cards

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
class Variant:
    """Training settings and the experiment plan; the parent is the run of the first variant with the same seed."""

    name: str
    plan: PlanInput
    settings: dict[str, Any] = field(default_factory=dict)


VARIANTS = (
    Variant(
        "plateau, stepped",
        PlanInput(
            hypothesis="the rate halves when validation QWK stops rising", expect=f"learning_rate<{RATE}@{EPOCHS}"
        ),
    ),
    Variant(
        "never stepped",
        PlanInput(
            hypothesis="a schedule that is never stepped leaves the rate where it began",
            expect=f"learning_rate>={RATE}@{EPOCHS}",
        ),
        {"schedule": "constant"},
    ),
    Variant(
        "one change",
        PlanInput(hypothesis="smoothing alone costs no QWK", fail=f"qwk<0@{EPOCHS}"),
        {"label_smoothing": 0.1},
    ),
    Variant(
        "four at once",
        PlanInput(
            hypothesis="as in the history's fourth run: all four were thought to help",
            fail=f"qwk<0@{EPOCHS}",
            bundle="to tell the story of the run that made them all at once",
        ),
        FOUR,
    ),
)


def simulated(folder: Path) -> Path:
    """Simulate scans with equally frequent grades; returns a manifest with every third group for validation."""
    write_cards(
        folder, SimulationConfig(seed=5, mix="uniform", kinds=(("scan", 1.0),), height=HEIGHT), PAIRS, workers=2
    )
    pairs = read_manifest(folder / LABELS_FILE).pairs
    groups = sorted({pair.group_key for pair in pairs})
    split = {group: "val" if index % 3 == 2 else "train" for index, group in enumerate(groups)}
    write_manifest(folder / "split.csv", [replace(pair, split=split[pair.group_key]) for pair in pairs])  # type: ignore[arg-type]
    return folder / "split.csv"


def run_all(data: DataFolder) -> dict[str, list[int]]:
    """Train every variant with every seed; returns the run numbers by variant."""
    run_ids: dict[str, list[int]] = {variant.name: [] for variant in VARIANTS}
    for index, seed in enumerate(SEEDS):
        for variant in VARIANTS:
            first = run_ids[VARIANTS[0].name]
            plan = variant.plan if variant is VARIANTS[0] else replace(variant.plan, parent=str(first[index]))
            settings = {**SCALE, **variant.settings, "seed": seed, "device": "cpu"}
            print_message(f"{variant.name}, seed {seed}")
            train.from_labels(data, "baseline", [f"{key}={value}" for key, value in settings.items()], plan)
            with Database.open(data.database) as database, database.reading() as session:
                run_ids[variant.name].append(runs.runs(session, limit=1)[0].id)
    return run_ids


def final_learning_rates(data: DataFolder, run_ids: Sequence[int]) -> list[float]:
    """Learning rate of each run in its last epoch."""
    with Database.open(data.database) as database, database.reading() as session:
        return [runs.epochs(session, run_id=run_id)[-1].learning_rate for run_id in run_ids]


def story_page(data: DataFolder, run_ids: dict[str, list[int]]) -> str:
    """The comparisons, followed by the ledger's training history."""
    references = [str(run_id) for run_id in run_ids[VARIANTS[0].name]]
    candidates = [str(run_id) for variant in VARIANTS[1:] for run_id in run_ids[variant.name]]
    comparisons = compare.run(data, candidates, references)["comparisons"]
    lines = [
        "# Two mistakes of the training history, repeated on purpose",
        "",
        f"Written by `python -m benchmarks stories`: {PAIRS} simulated cards, {EPOCHS} epochs, {len(SEEDS)} seeds.",
        f"Each variant against *{VARIANTS[0].name}*, with the same seeds and validation cards; bootstrap intervals",
        "over groups and seeds, Holm-adjusted p-values. A difference whose interval contains 0 is not significant.",
        "",
        "| variant | runs | changes | QWK | reference QWK | difference | 95 % interval | P(better) | p (Holm) | loss |",
        "|---" * 10 + "|",
    ]
    for variant, row in zip(VARIANTS[1:], comparisons, strict=True):
        loss = "not comparable" if row["delta_val_loss"] is None else f"{row['delta_val_loss']:+.3f}"
        cells = (
            *(variant.name, ", ".join(row["runs"]), row["changes"], f"{row['qwk']:.3f}", f"{row['reference_qwk']:.3f}"),
            *(f"{row['delta_qwk']:+.3f}", f"{row['low']:+.3f} to {row['high']:+.3f}", f"{row['better']:.2f}"),
            *(f"{row['p_holm']:.2f}", loss),
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += ["", f"n = {comparisons[0]['cards']} cards in {comparisons[0]['groups']} groups.", ""]
    history = Path(export.run(data, "history", None, data.root / "history.md")["path"]).read_text(encoding="utf-8")
    return "\n".join([*lines, history.replace("# Training history", "## The ledger", 1).replace("\n## R", "\n### R")])


def measure() -> list[Row]:
    """Train, write the page, and check that the learning rate fell only if it was stepped."""
    use_one_thread()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data = DataFolder(root / "data")
        import_cards.run(data, simulated(root / "cards"), None)
        with (root / "log.txt").open("w") as log, redirect_stderr(log):
            run_ids = run_all(data)
        PAGE.write_text(story_page(data, run_ids), encoding="utf-8")
        stepped, constant = (final_learning_rates(data, run_ids[variant.name]) for variant in VARIANTS[:2])
    print(f"written: {os.path.relpath(PAGE)}; runs: {json.dumps(run_ids)}")
    what = "learning rate of the last epoch / of the first"
    return [
        Row(what, "plateau, stepped: the slowest to fall", max(stepped) / RATE, len(SEEDS), at_most=0.5),
        Row(what, "never stepped: the one that fell most", min(constant) / RATE, len(SEEDS), at_least=1.0),
    ]
