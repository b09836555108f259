"""The JSON that `grade` prints: what is undefined is null, what was not measured says why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from app.grading.calibration_report import in_short
from app.grading.centering_ceiling import axes_of, card_ceiling
from app.grading.findings import findings_of
from app.grading.grade_card import Graded, Looked
from app.grading.measured_side import Measured
from db.schema import Side
from engine.measure.centering.centering import Centering, NoCentering
from engine.measure.surface.surface import NoSurface

NO_PICTURES: Mapping[str, Path] = {}


def report(graded: Graded, written: Mapping[Side, Mapping[str, Path]] | None = None) -> dict[str, Any]:
    """The JSON of `grade`.

    written  the files of its pictures, as `grading.write_pictures` returns them
    """
    said, today, files = graded.prediction, date.today(), written or {}
    worst = {side: _worst(looked) for side, looked in graded.sides.items()}
    ceiling, reason = card_ceiling(worst, today)
    return {
        "grade": said.grade if said else None,
        "expected": said.expected if said else None,
        "probabilities": said.probabilities.tolist() if said else None,
        "interval": asdict(said.interval) if said else None,
        "abstained": graded.abstained,
        "reasons": graded.reasons,
        "centering_ceiling": ceiling,
        "ceiling_reason": reason,
        "model": graded.model,
        "calibration": in_short(graded.calibration) if graded.calibration else None,
        **{
            side: None if looked is None else _side(side, looked, files.get(side, NO_PICTURES), today)
            for side, looked in graded.sides.items()
        },
    }


def _worst(looked: Looked | None) -> float | None:
    centering = looked.measured.centering if looked else None
    return centering.worst if isinstance(centering, Centering) else None


def _side(side: Side, looked: Looked, files: Mapping[str, Path], today: date) -> dict[str, Any]:
    view, measured = looked.view, looked.measured
    return {
        "kind": view.found.kind,
        "confidence": view.found.confidence,
        "quad": view.found.quad.tolist(),
        "upright_known": view.found.upright_known,
        "bow_px": view.found.bow_px,
        "whole_picture": view.found.whole_picture,
        "px_per_mm": view.px_per_mm,
        "quality": asdict(view.quality),
        **_centering(side, measured, today),
        "corners": [corner.as_json() for corner in measured.corners],
        "edges": [edge.as_json() for edge in measured.edges],
        **_surface(measured),
        "findings": [finding.as_json(measured) for finding in findings_of(measured)],
        "overlay": _written(files, "overlay"),
        "measured": _written(files, "measured"),
    }


def _centering(side: Side, measured: Measured, today: date) -> dict[str, Any]:
    """The centering that holds; where a person laid it, who and when, and beside it what the program had measured."""
    centering = measured.centering
    if isinstance(centering, NoCentering):
        return {"centering": None, "centering_reason": centering.reason}
    axes = axes_of(side, centering, today)
    said = {
        **centering.as_json(),
        "card_mm": [round(measured.flat.size.width_mm, 3), round(measured.flat.size.height_mm, 3)],
        "ceiling": min(axis.ceiling for axis in axes),
        "ceiling_within_uncertainty": [min(axis.lowest for axis in axes), min(axis.highest for axis in axes)],
    }
    by_hand = measured.correction
    if by_hand is None:
        return {"centering": said, "centering_reason": None}
    found = measured.found
    said["corrected_by"] = by_hand.author
    said["corrected_at"] = by_hand.made_at.isoformat() if by_hand.made_at else None
    return {
        "centering": said,
        "centering_reason": None,
        "centering_measured": found.as_json() if isinstance(found, Centering) else None,
        "centering_measured_reason": found.reason if isinstance(found, NoCentering) else None,
    }


def _surface(measured: Measured) -> dict[str, Any]:
    surface, stains = measured.surface, measured.stains
    lines = None if isinstance(surface, NoSurface) else [find.as_json() for find in surface.finds]
    return {
        "surface": None if isinstance(surface, NoSurface) else {"finds": lines, "patterned": surface.patterned},
        "surface_reason": surface.reason if isinstance(surface, NoSurface) else None,
        "stains": None if stains is None else [stain.as_json() for stain in stains],
    }


def _written(files: Mapping[str, Path], name: str) -> str | None:
    return str(files[name]) if name in files else None
