"""Severities: how many grades below a flawless card the rubric puts each measured amount, for the sub-grades.

Amounts count by the confidence that they are wear: half of a scratch that is as likely print.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine.cards.rubric import Side
from engine.cards.wear_limits import MAX_AMOUNTS, WearMeasure, WornAttribute
from engine.measure.findings.additive_model import Confidences
from engine.measure.findings.candidates import Candidate, find_candidates, with_confidence
from engine.measure.side.measure_side import SideMeasurements
from engine.measure.surface.surface import NoSurface

SIDE_NAMES: tuple[Side, ...] = ("front", "back")
# Evidence from which a corner, or an edge between two corners, is believed to be the card's.
MIN_EVIDENCE = 0.2
# Inputs of each fitted sub-grade: severities, from 0 to 9.5, then how much of it could not be seen, from 0 to 1.
SEVERITIES: dict[str, tuple[str, ...]] = {
    "corners": ("whitening_worst", "whitening_mean", "rounding_worst", "rounding_mean", "fray_worst"),
    "edges": ("whitening_worst", "whitening_mean", "chipping_worst", "chipping_mean"),
    "surface": ("scratches", "creases", "likeliest", "stains"),
}
UNSEEN: dict[str, tuple[str, ...]] = {
    "corners": ("unseen", "one_side"),
    "edges": ("unseen", "one_side"),
    "surface": ("unseen", "one_side"),
}

Sides = Mapping[Side, SideMeasurements | None]
Inputs = dict[str, float]


def severity(attribute: WornAttribute, measure: WearMeasure, amount: float) -> float:
    """Grades below 10 of an amount, 0 to 9.5, linear between the limits of the rubric.

    Worked: 0.25 mm2 of corner whitening, the limit of a 9, is 1.5; 0.155, midway to that of a 10, is 1.
    """
    limits = np.array([0.0, *MAX_AMOUNTS[attribute][measure]])
    grades_lost = np.array([0.0, *(0.5 + np.arange(10))])
    return float(np.interp(amount, limits + 1e-9 * np.arange(11), grades_lost))


def subgrade_inputs(sides: Sides, confidences: Confidences) -> dict[str, Inputs | str]:
    """Inputs of each sub-grade's model, or the reason why it cannot be measured on these sides."""
    given = {side: measured for side, measured in sides.items() if measured is not None}
    candidates = {side: with_confidence(find_candidates(measured), confidences) for side, measured in given.items()}
    one_side = float(len(given) < len(sides))
    return {
        "corners": _corners(given, candidates, one_side),
        "edges": _edges(given, candidates, one_side),
        "surface": _surface(given, candidates, one_side),
    }


Weighted = Mapping[Side, Sequence[tuple[Candidate, float]]]


def _corners(sides: Mapping[Side, SideMeasurements], candidates: Weighted, one_side: float) -> Inputs | str:
    believed = {
        side: (measured.corner_evidence > MIN_EVIDENCE) | _is_square(measured) for side, measured in sides.items()
    }
    seen = [
        float(believed[side][index])
        for side, measured in sides.items()
        for index, corner in enumerate(measured.corners)
        if corner.whitening_mm2 is not None or corner.rounding_mm is not None
    ]
    if sum(seen) < 2:
        return _unseen_reason(sides, "corners")
    worst: dict[str, list[np.ndarray]] = {"whitening": [], "rounding": [], "fray": []}
    for side, believable in believed.items():
        amounts = {name: np.zeros(4) for name in worst}
        for candidate, confidence in candidates[side]:
            if candidate.attribute == "corners" and candidate.part is not None and believable[candidate.part]:
                name = candidate.kind.removeprefix("corner_")
                amounts[name][candidate.part] = confidence * severity("corners", candidate.measure, candidate.amount)
        for name, values in amounts.items():
            worst[name].append(values)
    return {
        **{f"{name}_worst": max(float(values.max()) for values in worst[name]) for name in worst},
        **{f"{name}_mean": max(float(values.mean()) for values in worst[name]) for name in ("whitening", "rounding")},
        "unseen": 1 - sum(seen) / (4 * len(sides)),
        "one_side": one_side,
    }


def _is_square(measured: SideMeasurements) -> np.ndarray:
    """(4,) True for the sharp corners of a card that is cut without arcs, which show no background beyond an arc."""
    return np.array([corner.radius_mm is not None and corner.radius_mm < 1.2 for corner in measured.corners])


def _edges(sides: Mapping[Side, SideMeasurements], candidates: Weighted, one_side: float) -> Inputs | str:
    totals: dict[str, list[np.ndarray]] = {"whitening": [], "chipping": []}
    seen = 0
    for side, measured in sides.items():
        believed = (measured.corner_evidence > MIN_EVIDENCE) | _is_square(measured)
        readable = np.array([edge.whitening_mm is not None for edge in measured.edges])
        usable = readable & (believed | np.roll(believed, -1))
        seen += int(usable.sum())
        lengths = {"whitening": np.zeros(4), "chipping": np.zeros(4)}
        for candidate, confidence in candidates[side]:
            if candidate.kind == "nick" and candidate.part is not None and usable[candidate.part]:
                lengths[candidate.measure.removesuffix("_mm")][candidate.part] += confidence * candidate.amount
        totals["whitening"].append(np.array([severity("edges", "whitening_mm", x) for x in lengths["whitening"]]))
        totals["chipping"].append(np.array([severity("edges", "chipping_mm", x) for x in lengths["chipping"]]))
    if seen < 2:
        return _unseen_reason(sides, "edges")
    return {
        **{f"{name}_worst": max(float(values.max()) for values in totals[name]) for name in totals},
        **{f"{name}_mean": max(float(values.mean()) for values in totals[name]) for name in totals},
        "unseen": 1 - seen / (4 * len(sides)),
        "one_side": one_side,
    }


def _surface(sides: Mapping[Side, SideMeasurements], candidates: Weighted, one_side: float) -> Inputs | str:
    seen = [side for side, measured in sides.items() if not isinstance(measured.surface, NoSurface)]
    if not seen:
        reasons = [m.surface.reason for m in sides.values() if isinstance(m.surface, NoSurface)]
        return reasons[0]
    inputs: Inputs = {"scratches": 0.0, "creases": 0.0, "likeliest": 0.0, "stains": 0.0}
    measures: dict[WearMeasure, str] = {"scratch_mm": "scratches", "crease_mm": "creases", "stain_mm2": "stains"}
    for side in seen:
        for measure, name in measures.items():
            found = [(c.amount, p) for c, p in candidates[side] if c.measure == measure]
            total = sum(amount * confidence for amount, confidence in found)
            inputs[name] = max(inputs[name], severity("surface", measure, total) if total > 0.5 else 0.0)
            if name != "stains":
                inputs["likeliest"] = max([inputs["likeliest"], *(9.5 * confidence for _, confidence in found)])
    return {**inputs, "unseen": 1 - len(seen) / len(sides), "one_side": one_side}


def _unseen_reason(sides: Mapping[Side, SideMeasurements], what: str) -> str:
    """Reason why corners or edges are not measurable: the first of one of them, or that the card's edge is not sure."""
    parts = [part for measured in sides.values() for part in getattr(measured, what)]
    reasons = [part.reason for part in parts if part.reason]
    return reasons[0] if len(reasons) > len(parts) / 2 else "not sure where the card ends"
