"""Auxiliary targets and region branch: their cost, and the accuracy of the targets on simulated cards."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import torch

from benchmarks.accuracy.measure import SimulatedSide, found_quad, rank_correlation, simulated_sides
from benchmarks.harness import Row, interleaved_medians, use_one_thread
from engine.config import Config
from engine.image.rectify import card_size
from engine.measure.side.measure_side import measure_side
from engine.measure.side.targets import MAX_TARGET_PX_PER_MM, AuxiliaryTargets, side_targets
from engine.model.dual_branch import DualBranch

SCANS, PHOTOS = 30, 15
SEED = 777
FULL_PX_PER_MM = 12.0
CARDS, SIZE, ROUNDS = 8, 224, 4


def measure() -> list[Row]:
    """All rows, on one thread."""
    use_one_thread()
    rows = []
    for kind, count in (("scan", SCANS), ("photo", PHOTOS)):
        sides = [(side, quad) for side in simulated_sides(kind, count, SEED) if (quad := found_quad(side)) is not None]
        reduced, reduced_s = measure_targets(sides, MAX_TARGET_PX_PER_MM)
        full, full_s = measure_targets(sides, FULL_PX_PER_MM)
        print(
            f"{kind}s: {reduced_s:.3f} s of CPU time per side at {MAX_TARGET_PX_PER_MM:.1f} px/mm, "
            f"{full_s:.3f} at {FULL_PX_PER_MM}"
        )
        rows.append(
            Row(f"{kind}s: seconds a side", f"at {FULL_PX_PER_MM:g} px/mm", reduced_s / full_s, len(sides), at_most=0.5)
        )
        for name, targets in (("the targets", reduced), (f"at {FULL_PX_PER_MM:g} px/mm", full)):
            rows += truth_rows(f"{kind}s, {name}", sides, targets)
    return [*rows, region_row()]


def measure_targets(
    sides: list[tuple[SimulatedSide, np.ndarray]], px_per_mm: float
) -> tuple[list[AuxiliaryTargets], float]:
    """Targets of each side from its detected corners, and CPU seconds per side."""
    start = time.process_time()
    targets = [
        side_targets(
            measure_side(
                side.rgb, quad, card_size(quad, picture_size=side.rgb.shape[:2]), side.kind, max_px_per_mm=px_per_mm
            )
        )
        for side, quad in sides
    ]
    return targets, (time.process_time() - start) / len(sides)


def truth_rows(
    what: str, sides: list[tuple[SimulatedSide, np.ndarray]], predicted: list[AuxiliaryTargets]
) -> list[Row]:
    """Errors of centering and edge damage against the simulated ground truth."""
    errors, damage = [], []
    for (side, _), targets in zip(sides, predicted, strict=True):
        truth = side.truth.centering
        if truth is not None and not np.isnan(targets.left_fraction):
            errors += [abs(100 * targets.left_fraction - truth.lr), abs(100 * targets.top_fraction - truth.tb)]
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
    """Time of a training step of the default encoders with the region branch against one without."""
    torch.manual_seed(0)
    channels, present = torch.rand(2, CARDS, 6, SIZE, SIZE), torch.ones(CARDS, 2, dtype=torch.bool)
    crops = torch.rand(CARDS, 2, 8, 3, 9216)
    networks = {name: DualBranch(Config(regions=name == "with")) for name in ("with", "without")}

    def step(name: str) -> None:
        regions = crops if name == "with" else None
        networks[name](*channels, present, regions).grade.square().sum().backward()

    seconds = interleaved_medians({name: partial(step, name) for name in networks}, rounds=ROUNDS)
    return Row(
        "a step with the region branch", "one without", seconds["with"] / seconds["without"], ROUNDS, at_most=1.3
    )
