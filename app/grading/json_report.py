"""JSON report of `grade`: undefined values are null, and a missing measurement comes with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from app.models.calibration_report import calibration_summary
from db.schema import Side
from engine.inference.card_side import CardSide, card_subgrades
from engine.inference.grade_card import GradedCard
from engine.measure.centering.ceiling import axes_of_side, card_ceiling, worse_axes
from engine.measure.centering.centering import MeasuredCentering, NoCentering
from engine.measure.side.measure_side import SideMeasurements
from engine.measure.surface.surface import NoSurface

NO_PICTURES: Mapping[str, Path] = {}


def report(graded: GradedCard, picture_files: Mapping[Side, Mapping[str, Path]] | None = None) -> dict[str, Any]:
    """Build the JSON of `grade`.

    picture_files  paths of the card's pictures, as `pictures.write_pictures` returns them
    """
    prediction, today, files = graded.prediction, date.today(), picture_files or {}
    ceiling, reason = card_ceiling(worse_axes(graded.centerings), today)
    return {
        "grade": prediction.grade if prediction else None,
        "expected": prediction.expected if prediction else None,
        "probabilities": prediction.probabilities.tolist() if prediction else None,
        "interval": asdict(prediction.interval) if prediction else None,
        "abstained": graded.abstained,
        "in_domain": _in_domain(graded),
        "reasons": graded.reasons,
        "subgrades": {name: subgrade.as_json() for name, subgrade in card_subgrades(graded.sides, today).items()},
        "centering_ceiling": ceiling,
        "ceiling_reason": reason,
        "ceiling_applied": asdict(graded.ceiling) if graded.ceiling else None,
        "model": graded.model.identity if graded.model else None,
        "calibration": calibration_summary(graded.calibration) if graded.calibration and prediction else None,
        **{
            name: None if side is None else _side(name, side, files.get(name, NO_PICTURES), today)
            for name, side in graded.sides.items()
        },
    }


def _in_domain(graded: GradedCard) -> dict[str, Any] | None:
    """Likeness of the pictures to those that the model was checked on; None without a prediction or a domain."""
    if graded.prediction is None or graded.prediction.in_domain is None:
        return None
    reason = ", ".join(graded.unfamiliar_notes)
    return {"verdict": graded.prediction.in_domain, "reason": reason}


def _side(name: Side, side: CardSide, files: Mapping[str, Path], today: date) -> dict[str, Any]:
    detection, measurements = side.detection, side.measurements
    return {
        "kind": detection.kind,
        "certain": side.is_certain,
        "confidence": detection.confidence,
        "quad": detection.quad.tolist(),
        "upright_known": detection.upright_known,
        "bow_px": detection.bow_px,
        "whole_picture": detection.whole_picture,
        "px_per_mm": side.px_per_mm,
        "size": asdict(measurements.flat.size),
        "quality": asdict(side.quality),
        **_centering(name, side, today),
        "corners": [corner.as_json() for corner in measurements.corners],
        "edges": [edge.as_json() for edge in measurements.edges],
        **_surface(measurements),
        **_findings(name, side),
        "overlay": _path_text(files, "overlay"),
        "measured": _path_text(files, "measured"),
    }


def _centering(name: Side, side: CardSide, today: date) -> dict[str, Any]:
    """The centering in effect; after a line correction, also its author and time, and the measured centering."""
    centering = side.centering
    if isinstance(centering, NoCentering):
        return {"centering": None, "centering_reason": centering.reason}
    size = side.measurements.flat.size
    axes = axes_of_side(name, centering, today)
    values = {
        **centering.as_json(),
        "card_mm": [round(size.width_mm, 3), round(size.height_mm, 3)],
        "ceiling": min(axis.best_grade for axis in axes),
        "ceiling_within_uncertainty": [
            min(axis.lowest_grade for axis in axes),
            min(axis.highest_grade for axis in axes),
        ],
    }
    correction = side.correction
    if correction is None:
        return {"centering": values, "centering_reason": None}
    original = side.measurements.centering
    values["corrected_by"] = correction.author
    values["corrected_at"] = correction.saved_at.isoformat() if correction.saved_at else None
    return {
        "centering": values,
        "centering_reason": None,
        "centering_measured": original.as_json() if isinstance(original, MeasuredCentering) else None,
        "centering_measured_reason": original.reason if isinstance(original, NoCentering) else None,
    }


def _findings(name: Side, side: CardSide) -> dict[str, Any]:
    """The findings that are certain enough to be listed, the worst first, and the less certain ones."""
    findings, measurements = side.findings, side.measurements
    return {
        "findings": [finding.as_json(name, measurements) for finding in findings.listed],
        "possible_findings": [finding.as_json(name, measurements) for finding in findings.possible],
        "min_finding_confidence": findings.min_confidence,
    }


def _surface(measurements: SideMeasurements) -> dict[str, Any]:
    surface, stains = measurements.surface, measurements.stains
    lines = None if isinstance(surface, NoSurface) else [defect.as_json() for defect in surface.defects]
    return {
        "surface": None if isinstance(surface, NoSurface) else {"finds": lines, "patterned": surface.patterned},
        "surface_reason": surface.reason if isinstance(surface, NoSurface) else None,
        "stains": None if stains is None else [stain.as_json() for stain in stains],
    }


def _path_text(files: Mapping[str, Path], name: str) -> str | None:
    return str(files[name]) if name in files else None
