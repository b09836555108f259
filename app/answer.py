"""A graded card in words and pictures, for a person."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from app.grading import Graded, grade_card, pictures_of
from app.models import model_path, open_model
from app.settings import DataFolder, Trouble
from db.schema import Side
from engine.grades import grade_name

SIDES: tuple[Side, Side] = ("front", "back")
FIRST_STEPS = """### No grading model yet
Three steps lead to one: bring cards in and label them in **Label**, start a run in **Train**, and there press
**Use this model for grading**. Until then a picture is looked at here, but not graded."""


def model_text(data: DataFolder) -> str:
    """Which model would speak, or how to come by one."""
    path = model_path(None, data)
    if path is None:
        return FIRST_STEPS
    model, digest = open_model(path)
    return _said_by({"name": model.name, "sha256": digest, "trained_on": model.trained_on})


def _said_by(model: dict[str, str]) -> str:
    return f"Model **{model['name']}** ({model['sha256'][:12]}), trained on {model['trained_on']}."


def grade_pictures(data: DataFolder, front: Path | None, back: Path | None) -> Graded:
    """Grade what was dropped. Raises Trouble without any picture, BadPicture, BadModel."""
    if front is None and back is None:
        raise Trouble("drop a picture of the front, the back, or both first")
    return grade_card(front, back, model_path(None, data))


def verdict_text(graded: Graded) -> str:
    """The answer in words."""
    said = graded.prediction
    if said is None:
        reasons = "\n".join(f"- {reason}" for reason in graded.reasons)
        return "\n\n".join([f"## No grade\n{reasons}", *_seen(graded)])
    lines = [f"## {said.grade} {grade_name(said.grade)}", _range_text(graded)]
    missing = [side for side in SIDES if graded.sides[side] is None]
    if missing:
        lines.append(f"Graded without the {missing[0]}: add its picture for a surer answer.")
    lines += [f"- {reason}" for reason in graded.reasons]
    return "\n\n".join([*lines, *_seen(graded), _said_by(graded.model or {})])


def _seen(graded: Graded) -> list[str]:
    """A line a side: what kind of picture it was taken for, how fine it is and what that allows."""
    return [
        f"{side.capitalize()}: {looked.view.found.kind}, {looked.view.px_per_mm:.1f} px/mm, "
        f"quality {looked.view.quality.verdict}."
        for side, looked in graded.sides.items()
        if looked is not None
    ]


def _range_text(graded: Graded) -> str:
    said = graded.prediction
    assert said is not None
    low, high = said.interval.low, said.interval.high
    span = f"on {low}" if low == high else f"between {low} and {high}"
    return f"Expected grade {said.expected:.1f}; {said.interval.coverage:.0%} of the probability lies {span}."


def pictures_in_order(graded: Graded, names: Iterable[str]) -> list[np.ndarray | None]:
    """The named pictures of the front, then of the back; None where there is none."""
    shown = [pictures_of(graded, side) for side in SIDES]
    return [side.get(name) for side in shown for name in names]
