"""JSON report of `grade`: undefined values are null, and a missing measurement comes with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from app.grading.calibration_report import calibration_summary
from app.grading.centering_ceiling import axes_of_side, card_ceiling
from app.grading.findings import findings_of
from app.grading.grade_card import SIDES, UNFAMILIAR, GradedCard, SideAnalysis
from app.grading.measured_side import MeasuredSide
from db.schema import Side
from engine.measure.centering.centering import MeasuredCentering, NoCentering
from engine.measure.surface.surface import NoSurface

NO_PICTURES: Mapping[str, Path] = {}


def report(graded: GradedCard, picture_files: Mapping[Side, Mapping[str, Path]] | None = None) -> dict[str, Any]:
    """Build the JSON of `grade`.

    picture_files  paths of the card's pictures, as `grade_card.write_pictures` returns them
    """
    prediction, today, files = graded.prediction, date.today(), picture_files or {}
    worst = {side: _worse_axis(analysis) for side, analysis in graded.sides.items()}
    ceiling, reason = card_ceiling(worst, today)
    return {
        "grade": prediction.grade if prediction else None,
        "expected": prediction.expected if prediction else None,
        "probabilities": prediction.probabilities.tolist() if prediction else None,
        "interval": asdict(prediction.interval) if prediction else None,
        "abstained": graded.abstained,
        "in_domain": _in_domain(graded),
        "reasons": graded.reasons,
        "centering_ceiling": ceiling,
        "ceiling_reason": reason,
        "ceiling_applied": asdict(graded.ceiling) if graded.ceiling else None,
        "model": graded.model,
        "calibration": calibration_summary(graded.calibration) if graded.calibration else None,
        **{
            side: None if analysis is None else _side(side, analysis, files.get(side, NO_PICTURES), today)
            for side, analysis in graded.sides.items()
        },
    }


def _in_domain(graded: GradedCard) -> dict[str, Any] | None:
    """Whether the pictures are like those that the model was checked on; None without a prediction or a domain."""
    if graded.prediction is None or graded.prediction.in_domain is None:
        return None
    unfamiliar = [side for side, known in zip(SIDES, graded.prediction.is_familiar, strict=True) if known is False]
    reason = ", ".join(UNFAMILIAR.format(side) for side in unfamiliar)
    return {"verdict": graded.prediction.in_domain, "reason": reason}


def _worse_axis(analysis: SideAnalysis | None) -> float | None:
    centering = analysis.measured.centering if analysis else None
    return centering.worse_axis if isinstance(centering, MeasuredCentering) else None


def _side(side: Side, analysis: SideAnalysis, files: Mapping[str, Path], today: date) -> dict[str, Any]:
    picture, measured = analysis.picture, analysis.measured
    return {
        "kind": picture.detection.kind,
        "confidence": picture.detection.confidence,
        "quad": picture.detection.quad.tolist(),
        "upright_known": picture.detection.upright_known,
        "bow_px": picture.detection.bow_px,
        "whole_picture": picture.detection.whole_picture,
        "px_per_mm": picture.px_per_mm,
        "quality": asdict(picture.quality),
        **_centering(side, measured, today),
        "corners": [corner.as_json() for corner in measured.corners],
        "edges": [edge.as_json() for edge in measured.edges],
        **_surface(measured),
        "findings": [finding.as_json(measured) for finding in findings_of(measured)],
        "overlay": _path_text(files, "overlay"),
        "measured": _path_text(files, "measured"),
    }


def _centering(side: Side, measured: MeasuredSide, today: date) -> dict[str, Any]:
    """The centering in effect; after a line correction, also its author and time, and the measured centering."""
    centering = measured.centering
    if isinstance(centering, NoCentering):
        return {"centering": None, "centering_reason": centering.reason}
    axes = axes_of_side(side, centering, today)
    values = {
        **centering.as_json(),
        "card_mm": [round(measured.flat.size.width_mm, 3), round(measured.flat.size.height_mm, 3)],
        "ceiling": min(axis.best_grade for axis in axes),
        "ceiling_within_uncertainty": [
            min(axis.lowest_grade for axis in axes),
            min(axis.highest_grade for axis in axes),
        ],
    }
    correction = measured.correction
    if correction is None:
        return {"centering": values, "centering_reason": None}
    original = measured.measured_centering
    values["corrected_by"] = correction.author
    values["corrected_at"] = correction.saved_at.isoformat() if correction.saved_at else None
    return {
        "centering": values,
        "centering_reason": None,
        "centering_measured": original.as_json() if isinstance(original, MeasuredCentering) else None,
        "centering_measured_reason": original.reason if isinstance(original, NoCentering) else None,
    }


def _surface(measured: MeasuredSide) -> dict[str, Any]:
    surface, stains = measured.surface, measured.stains
    lines = None if isinstance(surface, NoSurface) else [defect.as_json() for defect in surface.defects]
    return {
        "surface": None if isinstance(surface, NoSurface) else {"finds": lines, "patterned": surface.patterned},
        "surface_reason": surface.reason if isinstance(surface, NoSurface) else None,
        "stains": None if stains is None else [stain.as_json() for stain in stains],
    }


def _path_text(files: Mapping[str, Path], name: str) -> str | None:
    return str(files[name]) if name in files else None
