"""Findings and sub-grades on sides that they were not fitted on, simulated, rendered and real.

The sides are those of the half `judge` of `python -m tools.findings.make_dataset`, whose folder LOUPE_FINDINGS names;
what is missing there is measured. Without it, a temporary folder is used, and it takes about half an hour on one core.
Intervals are 90 %, bootstrapped over sides or cards.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.accuracy.measure import agreement, rank_correlation
from benchmarks.harness import Row, sampled_row
from engine.measure.findings.additive_model import shipped_confidences
from engine.measure.findings.candidates import Candidate, find_candidates, with_confidence
from engine.measure.findings.findings import findings_of
from engine.measure.subgrades.subgrades import SUBGRADES, Subgrade, subgrades
from engine.simulate.wear.truth import Defect
from tools.findings.examples import MeasuredExample
from tools.findings.fit import GradedSides, examples_of, graded_sides
from tools.findings.labels import is_wear, matches
from tools.findings.make_dataset import jobs, measure_sides

JOBS = 1100
GRADED_ON = date(2025, 6, 1)
# Wear that a finding is expected for.
MIN_LENGTH_MM, MIN_AREA_MM2 = 5.0, 1.0
LONG_KINDS = ("edge_whitening", "edge_chip", "scratch", "crease")
LARGE_KINDS = ("corner_whitening", "stain")
MIN_REAL_CORRELATION = {"centering": 0.1, "corners": 0.5, "edges": 0.5, "surface": 0.1}


@dataclass(frozen=True)
class Judged:
    """Candidates of one side with their confidence, True for wear, and its large defects, True for the found ones."""

    candidates: list[tuple[float, bool]]
    large_defects: list[bool]
    missed: int


def measure() -> list[Row]:
    """All rows."""
    if folder := os.environ.get("LOUPE_FINDINGS"):
        return rows(Path(folder))
    with tempfile.TemporaryDirectory() as temporary:
        return rows(Path(temporary))


def rows(work: Path) -> list[Row]:
    """All rows, from the sides measured in a folder."""
    measure_sides(work, (job for job in islice(jobs(), JOBS) if "-fit-" not in job.name))
    examples = examples_of(work, "judge")
    cards = [(given, subgrades(given.sides, GRADED_ON)) for given in graded_sides(examples, GRADED_ON)]
    return [*unworn_rows(examples), *worn_rows(examples), *real_rows(examples), *subgrade_rows(cards)]


def shown(example: MeasuredExample) -> int:
    """Number of findings that are listed for a side."""
    return len(findings_of(example.measurements).listed)


def unworn_rows(examples: Sequence[MeasuredExample]) -> list[Row]:
    """Findings listed on sides without any wear."""
    unworn = [e for e in examples if e.truth is not None and not e.truth.defects]
    groups = {
        "mint simulated sides": [e for e in unworn if e.source == "mint" and not e.is_foil],
        "mint simulated foil sides": [e for e in unworn if e.source == "mint" and e.is_foil],
        "renders without wear": [e for e in unworn if e.source == "render"],
    }
    limits = {"mint simulated foil sides": 0.6}
    return [
        sampled_row(
            f"{name}: findings shown",
            "a side",
            np.array([shown(e) for e in group]),
            np.mean,
            at_most=limits.get(name, 0.3),
        )
        for name, group in groups.items()
        if group
    ]


def is_large(defect: Defect) -> bool:
    """True for wear of at least 5 mm or 1 mm2 of a kind that is searched for."""
    long = defect.kind in LONG_KINDS and defect.length_mm >= MIN_LENGTH_MM
    return long or (defect.kind in LARGE_KINDS and defect.area_mm2 >= MIN_AREA_MM2)


def is_large_candidate(candidate: Candidate) -> bool:
    """True for a candidate of at least 5 mm or 1 mm2."""
    return candidate.amount >= (MIN_AREA_MM2 if candidate.measure.endswith("mm2") else MIN_LENGTH_MM)


def judged(example: MeasuredExample) -> Judged:
    """Compare the candidates of a worn side with its truth."""
    assert example.truth is not None
    confidences = shipped_confidences()
    weighted = with_confidence(find_candidates(example.measurements), confidences)
    labelled = [(c, p, wear) for c, p in weighted if (wear := is_wear(c, example.truth)) is not None]
    large = [defect for defect in example.truth.defects if is_large(defect)]
    found = [any(p >= confidences.shown and matches(c, defect) for c, p, wear in labelled if wear) for defect in large]
    missed = sum(not any(matches(c, defect) for c, _, wear in labelled if wear) for defect in large)
    return Judged([(p, wear) for c, p, wear in labelled if is_large_candidate(c)], found, missed)


def worn_rows(examples: Sequence[MeasuredExample]) -> list[Row]:
    """Average precision, recall and calibration on worn simulated sides."""
    worn = [e for e in examples if e.source == "simulated"]
    plain, foil = ([judged(e) for e in worn if e.is_foil == is_foil] for is_foil in (False, True))
    everything = [*plain, *foil]
    what = "findings of 5 mm or 1 mm2 and more"
    return [
        sampled_row(f"worn simulated sides: {what}", "average precision", plain, pooled_precision, at_least=0.8),
        sampled_row(f"worn simulated foil: {what}", "average precision", foil, pooled_precision, at_least=0.6),
        sampled_row("worn simulated sides: recall of these", "as shown", everything, recall, at_least=0.7),
        sampled_row(
            "worn simulated sides: error of the confidence", "expected", everything, calibration_error, at_most=0.1
        ),
    ]


def pooled_precision(sides: Sequence[Judged]) -> float:
    """Average precision over all candidates of all sides; wear without any candidate counts as never found."""
    candidates = sorted((pair for side in sides for pair in side.candidates), key=lambda pair: -pair[0])
    correct = np.array([wear for _, wear in candidates], float)
    total = correct.sum() + sum(side.missed for side in sides)
    if not total:
        return float("nan")
    return float((correct * np.cumsum(correct) / np.arange(1, len(correct) + 1)).sum() / total)


def recall(sides: Sequence[Judged]) -> float:
    """Fraction of the large defects that a listed finding shows."""
    found = [is_found for side in sides for is_found in side.large_defects]
    return float(np.mean(found)) if found else float("nan")


def calibration_error(sides: Sequence[Judged]) -> float:
    """Expected calibration error of the confidences in ten bins."""
    pairs = np.array([pair for side in sides for pair in side.candidates], float).reshape(-1, 2)
    bins = np.minimum((pairs[:, 0] * 10).astype(int), 9)
    gaps = [abs(float((pairs[bins == b, 0] - pairs[bins == b, 1]).sum())) for b in range(10)]
    return sum(gaps) / max(len(pairs), 1)


def real_rows(examples: Sequence[MeasuredExample]) -> list[Row]:
    """Findings listed on real cards of the best and of the worst grades."""
    real = [e for e in examples if e.source == "real"]
    best = np.array([shown(e) for e in real if e.grade == 10])
    counts = np.array([(shown(e), float(e.grade == 10)) for e in real if e.grade == 10 or e.grade <= 3], float)
    if not len(best):
        return []

    def ratio(sample: np.ndarray) -> float:
        is_best = sample[:, 1] == 1
        return float(sample[~is_best, 0].mean() / max(sample[is_best, 0].mean(), 1e-9))

    return [
        sampled_row("real cards of grade 10: findings shown", "a side", best, np.mean, at_most=1.0),
        sampled_row("real cards of grades 1 to 3: findings shown", "on grade 10", counts, ratio, at_least=4.0),
    ]


Graded = tuple[GradedSides, dict[str, Subgrade]]


def subgrade_rows(cards: Sequence[Graded]) -> list[Row]:
    """Sub-grades against the truth of simulated cards, and against the grades of real ones."""
    return [*_simulated_rows(cards), *_real_subgrade_rows(cards)]


def _simulated_rows(cards: Sequence[Graded]) -> Iterator[Row]:
    for name in SUBGRADES:
        known = [
            (grades[name], given.truth[name])
            for given, grades in cards
            if given.truth is not None and grades[name].grade is not None
        ]
        table = np.array([(grade.grade, grade.low, grade.high, truth) for grade, truth in known], float)
        near = np.abs(table[:, 0] - table[:, 3]) <= 1
        held = (table[:, 1] <= table[:, 3]) & (table[:, 3] <= table[:, 2])
        yield sampled_row(f"simulated: {name} within one grade", "share", near, np.mean, at_least=0.8)
        yield sampled_row(f"simulated: the range of {name} holds", "share", held, np.mean, at_least=0.9)


def _real_subgrade_rows(cards: Sequence[Graded]) -> Iterator[Row]:
    real = [(given.real, grades) for given, grades in cards if given.real is not None]
    if not real:
        return
    for name in SUBGRADES:
        pairs = np.array([(grades[name].grade, grade) for grade, grades in real if grades[name].grade], float)
        yield sampled_row(
            f"real pairs: {name}, rank correlation",
            "real grade",
            pairs,
            rank_correlation,
            at_least=MIN_REAL_CORRELATION[name],
        )
    worst = [
        (int(grade), min(subgrade.grade for subgrade in grades.values() if subgrade.grade))
        for grade, grades in real
        if any(subgrade.grade for subgrade in grades.values())
    ]
    yield sampled_row("real pairs: QWK of the worst sub-grade", "real grade", worst, agreement, at_least=0.3)
