"""Fit the confidence of findings and the sub-grades on measured sides: `python -m tools.findings.fit --work DIR`.

DIR is that of `make_dataset`. Writes engine/measure/findings/confidence.json and engine/measure/subgrades/models.json.
Only the half `fit` is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from engine.cards.rubric import Side, overall_ceiling
from engine.measure.findings.additive_model import CONFIDENCE_FILE, AdditiveModel, Confidences
from engine.measure.findings.candidates import Candidate, CandidateKind, find_candidates
from engine.measure.subgrades.ordinal_model import OrdinalModel
from engine.measure.subgrades.severities import SEVERITIES, SIDE_NAMES, UNSEEN, Sides, subgrade_inputs
from engine.measure.subgrades.subgrades import SUBGRADES_FILE, SubgradeModels, grade_and_range
from engine.simulate.wear.severity import attribute_grades
from engine.simulate.wear.truth import SideWear
from engine.storage.atomic import write_text
from tools.findings.examples import Half, MeasuredExample, read_example
from tools.findings.labels import is_wear

KINDS: tuple[CandidateKind, ...] = ("corner_whitening", "corner_rounding", "corner_fray", "nick", "stain", "line")
KNOTS = 6
# Features that are not used where they would tell a simulated card from a real one and not wear from print.
LEFT_OUT = ("px_per_mm",)
REGULARIZATION = 0.3
# On real cards of the best grades nearly all candidates at the rim are no wear, on those of the worst many are. As
# examples these count less than those whose truth is known.
REAL_UNWORN_WEIGHTS = {10.0: 1.0, 9.0: 0.5}
REAL_WORN_WEIGHTS = dict.fromkeys((1.0, 2.0, 3.0, 4.0), 0.3)
RIM_KINDS: tuple[CandidateKind, ...] = ("corner_whitening", "corner_rounding", "corner_fray", "nick")
SHOWN = 0.8
# The amount itself never lowers the confidence.
INCREASING: dict[CandidateKind, tuple[str, ...]] = {
    "corner_whitening": ("whitening",),
    "corner_rounding": ("rounding",),
    "corner_fray": ("fray",),
    "nick": ("area", "length", "depth", "mean_depth"),
    "stain": ("area", "strength"),
    "line": ("length_mm",),
}
MIN_WEAR = 25
GRADE_COUNT = 10
RIDGE = 0.02
FOLDS = 4
AIMED_COVERAGE = 0.91
COVERAGES = tuple(np.arange(0.7, 0.995, 0.01).round(2).tolist())


def labelled(examples: Iterable[MeasuredExample], kind: CandidateKind) -> Iterator[tuple[Candidate, bool, float]]:
    """Candidates of a kind, True for wear, and their weight."""
    for example in examples:
        grade = example.grade
        worn = REAL_WORN_WEIGHTS if kind in RIM_KINDS else {}
        if example.source == "real" and grade not in REAL_UNWORN_WEIGHTS and grade not in worn:
            continue
        for candidate in find_candidates(example.measurements):
            if candidate.kind != kind:
                continue
            if example.truth is None:
                yield candidate, grade in worn, REAL_UNWORN_WEIGHTS.get(grade) or worn[grade]
            elif (wear := is_wear(candidate, example.truth)) is not None:
                yield candidate, wear, 1.0


def hat_basis(values: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Weight of each knot for each value, (n, knots), linear between two knots."""
    return np.column_stack([np.interp(values, knots, row) for row in np.eye(len(knots))])


def fit_additive(rows: list[tuple[Candidate, bool, float]]) -> AdditiveModel:
    """Fit the curves by logistic regression; knots at quantiles of each feature."""
    names = [name for name in rows[0][0].features if name not in LEFT_OUT]
    values = np.array([[candidate.features[name] for name in names] for candidate, _, _ in rows])
    wear, weights = np.array([wear for _, wear, _ in rows]), np.array([weight for _, _, weight in rows])
    if wear.sum() < MIN_WEAR:  # too few to learn from: all have the same, low confidence
        return AdditiveModel(round(float(np.log((wear.sum() + 0.5) / ((~wear).sum() + 0.5))), 3), {})
    knots = [np.unique(np.round(np.quantile(column, np.linspace(0.02, 0.98, KNOTS)), 3)) for column in values.T]
    design = np.hstack([hat_basis(column, knot) for column, knot in zip(values.T, knots, strict=True)])
    fit = LogisticRegression(C=REGULARIZATION, max_iter=5000).fit(design, wear, weights)
    base, start, curves = float(fit.intercept_[0]), 0, {}
    for name, knot in zip(names, knots, strict=True):
        odds = fit.coef_[0][start : start + len(knot)]
        start += len(knot)
        if name in INCREASING[rows[0][0].kind]:
            odds = IsotonicRegression().fit_transform(knot, odds)
        base += float(odds.mean())
        curves[name] = (tuple(map(float, knot)), tuple(round(float(value - odds.mean()), 3) for value in odds))
    return AdditiveModel(round(base, 3), curves)


def truth_grades(sides: Sides, truths: Mapping[Side, SideWear], on: date) -> dict[str, int]:
    """True grade of each attribute of the sides that are given."""
    percents = {side: truths[side].centering.worst if truths[side].centering else None for side in truths}
    centering = overall_ceiling(percents.get("front"), percents.get("back"), on)
    given = [truths[side] for side in truths if sides[side] is not None]
    worn = attribute_grades(given[0], given[1] if len(given) > 1 else None, on)
    return {**worn, "centering": 10 if centering is None else centering}


def fit_ordinal(
    names: Sequence[str], inputs: np.ndarray, grades: np.ndarray, weights: np.ndarray, severities: Sequence[str]
) -> OrdinalModel:
    """Fit by penalized maximum likelihood.

    inputs      (n, inputs)
    grades      (n,) 1 to 10
    weights     (n,) of the examples
    severities  the inputs whose weight may not be negative
    """
    count = len(names)
    labels = grades.astype(int) - 1

    def unpacked(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        steps = np.concatenate([parameters[count : count + 1], np.exp(parameters[count + 1 :])])
        return parameters[:count], np.cumsum(steps)

    def loss(parameters: np.ndarray) -> float:
        slopes, thresholds = unpacked(parameters)
        at_most = 1 / (1 + np.exp(-(thresholds[None] + (inputs @ slopes)[:, None])))
        full = np.column_stack([np.zeros(len(inputs)), at_most, np.ones(len(inputs))])
        likelihood = np.maximum(np.take_along_axis(np.diff(full, axis=1), labels[:, None], axis=1)[:, 0], 1e-9)
        return float(-(weights * np.log(likelihood)).sum() / weights.sum() + RIDGE * (slopes**2).sum())

    start = np.concatenate([np.full(count, 0.3), [-4.0], np.full(GRADE_COUNT - 2, -0.5)])
    bounds = [(0.0, None) if name in severities else (None, None) for name in names]
    bounds += [(None, None)] + [(-6.0, 3.0)] * (GRADE_COUNT - 2)
    best = minimize(loss, start, method="L-BFGS-B", bounds=bounds)
    slopes, thresholds = unpacked(best.x)
    return OrdinalModel(tuple(names), tuple(map(float, slopes.round(4))), tuple(map(float, thresholds.round(4))))


@dataclass(frozen=True)
class GradedSides:
    """Sides of a card as they may be given together, and their true grades; `real` is the grade of a real card."""

    sides: Sides
    truth: dict[str, int] | None
    real: float | None
    card: str


def graded_sides(examples: Iterable[MeasuredExample], on: date) -> Iterator[GradedSides]:
    """Both sides of each card, and each side alone; the worn copies of real cards were worn side by side."""
    cards: dict[tuple[str, str], dict[Side, MeasuredExample]] = {}
    for example in examples:
        single = f"-{example.name}" if example.source in ("render", "worn_real") else ""
        cards.setdefault((example.source, example.card + single), {})[example.side] = example
    for (source, card), sides in cards.items():
        combinations = [sides, *({side: example} for side, example in sides.items() if len(sides) > 1)]
        for given in combinations:
            if source == "real" and len(given) < len(sides):
                continue
            measurements: Sides = {side: given[side].measurements if side in given else None for side in SIDE_NAMES}
            truths = {side: example.truth for side, example in given.items() if example.truth is not None}
            truth = truth_grades(measurements, truths, on) if truths else None
            grade = next(iter(given.values())).grade
            yield GradedSides(measurements, truth, grade if source == "real" else None, card)


def fit_subgrades(examples: list[MeasuredExample], confidences: Confidences, on: date) -> SubgradeModels:
    """Fit the model of each sub-grade but the centering's, and the coverage of its range by cross-validation."""
    known = [given for given in graded_sides(examples, on) if given.truth is not None]
    inputs = [subgrade_inputs(given.sides, confidences) for given in known]
    models, coverage = {}, {}
    for name in SEVERITIES:
        rows = [(values[name], given) for values, given in zip(inputs, known, strict=True)]
        measured = [(values, given) for values, given in rows if not isinstance(values, str)]
        names = [*SEVERITIES[name], *UNSEEN[name]]
        table = np.array([[values[key] for key in names] for values, _ in measured])
        grades = np.array([(given.truth or {})[name] for _, given in measured])
        fold = np.array([int(sha256(given.card.encode()).hexdigest(), 16) % FOLDS for _, given in measured])
        models[name] = fit_ordinal(names, table, grades, np.ones(len(grades)), SEVERITIES[name])
        held_out = []
        for part in range(FOLDS):
            chosen = fold != part
            model = fit_ordinal(names, table[chosen], grades[chosen], np.ones(chosen.sum()), SEVERITIES[name])
            held_out += [
                (model.probabilities(values), grade)
                for (values, _), grade, is_out in zip(measured, grades, fold == part, strict=True)
                if is_out
            ]
        coverage[name] = next(
            (level for level in COVERAGES if _holds(held_out, level) >= AIMED_COVERAGE), COVERAGES[-1]
        )
        print(f"{name}: {len(grades)} given sides, {len(rows) - len(measured)} not measurable")
    return SubgradeModels(models, coverage)


def _holds(held_out: list[tuple[np.ndarray, int]], level: float) -> float:
    """Fraction of held-out grades inside of their ranges."""
    ranges = [grade_and_range(probabilities, level)[1:] for probabilities, _ in held_out]
    return float(np.mean([low <= grade <= high for (low, high), (_, grade) in zip(ranges, held_out, strict=True)]))


def examples_of(work: Path, half: Half) -> list[MeasuredExample]:
    """All measured sides of a half."""
    return [e for path in sorted((work / "sides").glob("*.pickle")) if (e := read_example(path)).half == half]


def main(work: Annotated[Path, typer.Option(help="Folder of make_dataset.")]) -> None:
    """Fit and write both files."""
    examples = examples_of(work, "fit")
    models = {}
    for kind in KINDS:
        rows = list(labelled(examples, kind))
        models[kind] = fit_additive(rows)
        print(f"{kind}: {len(rows)} candidates, {sum(wear for _, wear, _ in rows)} of them wear")
    grades = fit_subgrades(examples, Confidences(models, SHOWN), date.today())
    _write(CONFIDENCE_FILE, models, shown=SHOWN)
    _write(SUBGRADES_FILE, grades.models, coverage=dict(grades.coverage))


def _write(path: Path, models: Mapping[Any, AdditiveModel | OrdinalModel], **settings: object) -> None:
    content = {**settings, "models": {name: model.as_json() for name, model in models.items()}}
    write_text(path, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
