"""The auxiliary targets and the region branch: what they cost, and how true the targets are on simulated cards."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import torch

from benchmarks.accuracy.measure import Side, found_quad, rank_correlation, simulated
from benchmarks.harness import Row, medians_in_turn, one_thread
from engine.config import Config
from engine.image.rectify import card_size
from engine.measure.side.measure_side import measure_side
from engine.measure.side.targets import MOST_PX_PER_MM, AuxiliaryTargets, auxiliary_targets
from engine.model.dual_branch import DualBranch

SCANS, PHOTOS = 30, 15
SEED = 777
FULL_PX_PER_MM = 12.0
CARDS, SIZE, ROUNDS = 8, 224, 4


def measure() -> list[Row]:
    """Every row, all on one thread."""
    one_thread()
    rows = []
    for kind, count in (("scan", SCANS), ("photo", PHOTOS)):
        sides = [(side, quad) for side in simulated(kind, count, SEED) if (quad := found_quad(side)) is not None]
        reduced, own = measured(sides, MOST_PX_PER_MM)
        full, whole = measured(sides, FULL_PX_PER_MM)
        print(f"{kind}s: {own:.3f} s of one core a side at {MOST_PX_PER_MM:.1f} px/mm, {whole:.3f} at {FULL_PX_PER_MM}")
        rows.append(
            Row(f"{kind}s: seconds a side", f"at {FULL_PX_PER_MM:g} px/mm", own / whole, len(sides), at_most=0.5)
        )
        for name, told in (("the targets", reduced), (f"at {FULL_PX_PER_MM:g} px/mm", full)):
            rows += truth_rows(f"{kind}s, {name}", sides, told)
    return [*rows, region_row()]


def measured(sides: list[tuple[Side, np.ndarray]], px_per_mm: float) -> tuple[list[AuxiliaryTargets], float]:
    """The targets of each side by the corners found, and the processor's seconds a side."""
    began = time.process_time()
    told = [
        auxiliary_targets(
            measure_side(
                side.rgb, quad, card_size(quad, picture_size=side.rgb.shape[:2]), side.kind, most_px_per_mm=px_per_mm
            )
        )
        for side, quad in sides
    ]
    return told, (time.process_time() - began) / len(sides)


def truth_rows(what: str, sides: list[tuple[Side, np.ndarray]], told: list[AuxiliaryTargets]) -> list[Row]:
    """Centering against the drawn frame, and edge damage against the drawn length."""
    errors, damage = [], []
    for (side, _), targets in zip(sides, told, strict=True):
        truth = side.truth.centering
        if truth is not None and not np.isnan(targets.left_share):
            errors += [abs(100 * targets.left_share - truth.lr), abs(100 * targets.top_share - truth.tb)]
        if not np.isnan(targets.edge_damage):
            lost = sum(edge.whitening_mm + edge.chipping_mm for edge in side.truth.edges)
            damage.append((targets.edge_damage, lost / 2 / (side.card.width_mm + side.card.height_mm)))
    return [
        Row(f"{what}: centering, median error", "points", float(np.median(errors)), len(errors), at_most=0.3),
        Row(
            f"{what}: edge damage, rank correlation",
            "true share",
            rank_correlation(np.array(damage)),
            len(damage),
            at_least=0.85,
        ),
    ]


def region_row() -> Row:
    """A training step of the default encoders with the region branch against one without."""
    torch.manual_seed(0)
    channels, both = torch.rand(2, CARDS, 6, SIZE, SIZE), torch.ones(CARDS, 2, dtype=torch.bool)
    pieces = torch.rand(CARDS, 2, 8, 3, 9216)
    networks = {name: DualBranch(Config(regions=name == "with")) for name in ("with", "without")}

    def step(name: str) -> None:
        given = pieces if name == "with" else None
        networks[name](*channels, both, given).grade.square().sum().backward()

    seconds = medians_in_turn({name: partial(step, name) for name in networks}, rounds=ROUNDS)
    return Row(
        "a step with the region branch", "one without", seconds["with"] / seconds["without"], ROUNDS, at_most=1.3
    )
