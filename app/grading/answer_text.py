"""A graded card in words and pictures, for a person."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from app.grading.calibration_report import range_text, sentence
from app.grading.centering_ceiling import card_ceiling, in_words
from app.grading.grade_card import Graded, Looked, grade_card, look_at, pictures_of
from app.grading.line_corrections import corrections
from app.grading.model_registry import identity, model_path, open_grader
from app.screens.line_editor_state import NOT_SAVED, Value, is_unsaved, key_of, laid_out, save, value_of
from app.settings import DataFolder, Trouble
from db.schema import Side
from db.session import Database
from engine.cards.grades import grade_name
from engine.evaluation.calibration import Calibration
from engine.experiments import run_folder
from engine.inference.model_card import card_of

JPEG_QUALITY = 92
SIDES: tuple[Side, Side] = ("front", "back")
FIRST_STEPS = """### No grading model yet
Three steps lead to one: bring cards in and label them in **Label**, start a run in **Train**, and there press
**Use this model for grading**. Until then a card is found and measured here, but not graded."""


def model_text(data: DataFolder) -> str:
    """Which model would speak, or how to come by one."""
    path = model_path(None, data)
    if path is None:
        return FIRST_STEPS
    model, digest = open_grader(path)
    card = card_of(path, digest)
    known, more = ([card.in_short(), *card.limits[:1]], card.limits[1:]) if card else ([], [])
    told = " ".join([_said_by(identity(model, digest, card)), *known, sentence(model.calibration)])
    return "\n".join([told, *_folded("What else it does not know", more)])


def _folded(head: str, sentences: Sequence[str]) -> list[str]:
    """Lines of Markdown that a click opens; none where there is nothing to say."""
    if not sentences:
        return []
    return ["", f"<details><summary>{head}</summary>", "", *(f"- {each}" for each in sentences), "", "</details>"]


def calibration_of(data: DataFolder) -> Calibration | None:
    """The calibration of the model that would speak, where there is one."""
    path = model_path(None, data)
    return None if path is None else open_grader(path)[0].calibration


def _said_by(model: dict[str, str]) -> str:
    return f"Model **{model['name']}** ({model['sha256'][:12]}), trained on {model['trained_on']}."


def grade_pictures(database: Database, data: DataFolder, front: Path | None, back: Path | None) -> Graded:
    """Grade what was dropped. Raises Trouble without any picture, BadPicture, BadModel."""
    if front is None and back is None:
        raise Trouble("drop a picture of the front, the back, or both first")
    return grade_card(front, back, model_path(None, data), corrections(database))


def verdict_text(graded: Graded) -> str:
    """The answer in words."""
    said = graded.prediction
    if said is None:
        reasons = "\n".join(f"- {reason}" for reason in graded.reasons)
        return "\n\n".join([f"## No grade\n{reasons}", *_seen(graded)])
    told = f"{said.grade} {grade_name(said.grade)}"
    lines = [f"## Not graded: too unsure\nThe likeliest is {told}." if graded.too_wide else f"## {told}"]
    lines.append(f"Expected grade {said.expected:.1f}. {range_text(said.interval, graded.calibration)}")
    lines += [f"Graded without the {side}: add its picture for a surer answer." for side in graded.missed]
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


def sides_to_measure_on(
    graded: Graded, data: DataFolder, shown: Iterable[Value | None] = (None, None)
) -> list[Value | None]:
    """Front and back for the line editor, each card laid flat in a file among the uploads; None: no picture.

    shown  what lies on the screen: lines that were moved there and not saved yet stay as they lie
    """
    measured = [None if looked is None else _to_measure_on(side, looked, data) for side, looked in graded.sides.items()]
    return [
        on_screen if anew is not None and is_unsaved(on_screen, anew) else anew
        for anew, on_screen in zip(measured, shown, strict=True)
    ]


def _to_measure_on(side: Side, looked: Looked, data: DataFolder) -> Value:
    flat, written = laid_out(looked), BytesIO()
    Image.fromarray(flat.rgb).save(written, "JPEG", quality=JPEG_QUALITY)
    # Named after its bytes: a browser shows what it once had under a name.
    path = data.uploads / f"flat-{hashlib.sha256(written.getvalue()).hexdigest()[:32]}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(written.getvalue())
    return value_of(side, looked, flat, path)


def save_lines(database: Database, data: DataFolder, value: Value, picture: Path | None) -> Value:
    """Keep the lines of a side as they lie on the screen, and measure it again by them.

    picture  the file that lies in the tab now; where it is another, the side is left as it stands on the screen
    raises   Trouble, BadLines
    """
    said = save(database, value)
    sha256, side = key_of(value)
    if picture is None or run_folder.sha256(picture) != sha256:
        return {**value, "said": said, "kept": value["by_hand"]}
    return {**_to_measure_on(side, look_at(side, picture, corrections(database)), data), "said": said}


def without_lines(data: DataFolder, value: Value, picture: Path | None) -> Value:
    """A side as it is measured without the lines that are kept for it; they are kept until this is saved.

    Raises Trouble where another picture lies in the tab by now.
    """
    sha256, side = key_of(value)
    if picture is None or run_folder.sha256(picture) != sha256:
        raise Trouble(f"another picture is the {side} by now; press Grade, then reset its lines")
    measured = _to_measure_on(side, look_at(side, picture, {}), data)
    return {**measured, "kept": True, "said": NOT_SAVED}


def ceiling_text(front: Value | None, back: Value | None) -> str:
    """What centering still allows, for a person: beside the network's word, not in it."""
    worst = {
        side: None if value is None else value["numbers"]["worst"]
        for side, value in zip(SIDES, (front, back), strict=True)
    }
    grade, why = card_ceiling(worst, date.today())
    if grade is None:
        return f"### Centering\n{why[0].upper()}{why[1:]}."
    head = "Centering allows a 10" if grade == 10 else f"Centering caps this card at {grade}"
    return f"### {head}\n{in_words(why)}. This is measured, and stands beside the network's word as it was given."


def pictures_in_order(graded: Graded, names: Iterable[str]) -> list[np.ndarray | None]:
    """The named pictures of the front, then of the back; None where there is none."""
    shown = [pictures_of(graded, side) for side in SIDES]
    return [side.get(name) for side in shown for name in names]
