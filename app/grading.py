"""One card from its picture files to the report that `grade` prints and the Grade tab shows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from app.models import open_model
from engine.explain import Evidence, explain, overlay
from engine.image.rectify import canvas_window
from engine.predict import Prediction, View, inputs_of, look, predict

NO_MODEL = "no model yet: train one in the Train tab and make it the grading model"
NO_PLACE = "to the model no place on the card counts more than another, so the overlays are blank"
NO_EVIDENCE = Evidence(None, None)
SHOWN_SIDE = 720
QUAD_COLOUR = (255, 64, 64)


@dataclass(frozen=True)
class Graded:
    """A card as looked at and, where there is a model and the pictures allow it, graded."""

    views: dict[str, View | None]
    reasons: list[str]
    model: dict[str, str] | None = None
    prediction: Prediction | None = None
    evidence: Evidence = NO_EVIDENCE

    def evidence_of(self, side: str) -> np.ndarray | None:
        """The side's Grad-CAM map, where there is one; blank for a side that the model did not look at."""
        evidence = self.evidence.front if side == "front" else self.evidence.back
        if evidence is None and self.prediction is not None:
            return np.zeros((1, 1), np.float32)
        return evidence


def grade_card(front: Path | None, back: Path | None, model: Path | None) -> Graded:
    """Look at a card's pictures and ask the model. Raises BadPicture, BadModel."""
    views = {"front": look(front) if front else None, "back": look(back) if back else None}
    reasons = [f"{side}: {reason}" for side, view in views.items() if view is not None for reason in _concerns(view)]
    if model is None:
        return Graded(views, reasons=[NO_MODEL, *reasons])
    loaded, digest = open_model(model)
    said_by = {"name": loaded.name, "sha256": digest, "trained_on": loaded.trained_on}
    if any(view is not None and view.quality.verdict == "refuse" for view in views.values()):
        return Graded(views, reasons=reasons, model=said_by)
    unseen = [side for side, seen in zip(views, loaded.sides, strict=True) if views[side] is not None and not seen]
    reasons = [*(f"{side}: not looked at, the model has learned from no {side}" for side in unseen), *reasons]
    inputs = inputs_of(loaded, views["front"], views["back"])
    if not inputs.present.any():
        return Graded(views, reasons=reasons, model=said_by)
    evidence = explain(loaded, inputs)
    if evidence.is_blank:
        reasons = [*reasons, NO_PLACE]
    return Graded(views, reasons=reasons, model=said_by, prediction=predict(loaded, inputs), evidence=evidence)


def _concerns(view: View) -> list[str]:
    note = [view.found.note] if view.found.note else []
    return [*note, *view.quality.reasons]


def report(graded: Graded, overlays: dict[str, Path] | None = None) -> dict[str, Any]:
    """The JSON of `grade`; what is undefined is null."""
    said = graded.prediction
    return {
        "grade": said.grade if said else None,
        "expected": said.expected if said else None,
        "probabilities": said.probabilities.tolist() if said else None,
        "interval": asdict(said.interval) if said else None,
        "abstained": said is None,
        "reasons": graded.reasons,
        "centering_ceiling": None,
        "model": graded.model,
        **{side: _side(view, (overlays or {}).get(side)) for side, view in graded.views.items()},
    }


def _side(view: View | None, overlay_file: Path | None) -> dict[str, Any] | None:
    if view is None:
        return None
    return {
        "kind": view.found.kind,
        "confidence": view.found.confidence,
        "quad": view.found.quad.tolist(),
        "upright_known": view.found.upright_known,
        "bow_px": view.found.bow_px,
        "whole_picture": view.found.whole_picture,
        "px_per_mm": view.px_per_mm,
        "quality": asdict(view.quality),
        "centering": None,
        "centering_reason": "this version does not measure centering",
        "corners": None,
        "edges": None,
        "surface": None,
        "overlay": str(overlay_file) if overlay_file else None,
    }


def pictures_of(graded: Graded, side: str) -> dict[str, np.ndarray]:
    """What a person is shown of a side, uint8 RGB by name: `quad` (the outline on the picture), `card`, `overlay`."""
    view = graded.views[side]
    if view is None:
        return {}
    window = canvas_window(view.found.quad, view.rgb.shape[:2], SHOWN_SIDE)
    canvas = view.canvas(SHOWN_SIDE)
    shown = {"quad": _with_outline(view), "card": canvas[window]}
    evidence = graded.evidence_of(side)
    if evidence is not None:
        heat = Image.fromarray(evidence).resize((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.BILINEAR)
        shown["overlay"] = overlay(canvas, np.asarray(heat).clip(0, 1))[window]
    return shown


def _with_outline(view: View) -> np.ndarray:
    picture = Image.fromarray(view.rgb)
    corners = [tuple(corner) for corner in view.found.quad]
    width = max(2, round(max(picture.size) / 300))
    ImageDraw.Draw(picture).line([*corners, corners[0]], fill=QUAD_COLOUR, width=width, joint="curve")
    picture.thumbnail((1600, 1600))
    return np.asarray(picture)


def write_pictures(graded: Graded, folder: Path) -> dict[str, Path]:
    """Write both sides' pictures as PNG into `folder`; returns each side's overlay, where there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    overlays = {}
    for side in ("front", "back"):
        for name, picture in pictures_of(graded, side).items():
            path = (folder / f"{side}_{name}.png").absolute()
            Image.fromarray(picture).save(path)
            if name == "overlay":
                overlays[side] = path
    return overlays
