"""A graded card as the Markdown text and pictures of the Grade tab."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from app.grading.calibration_report import UNCALIBRATED, calibration_sentence, range_text
from app.grading.centering_ceiling import as_sentence, card_ceiling
from app.grading.grade_card import MISSING_SIDE, GradedCard, SideAnalysis, analyze_side, grade_card, pictures_of
from app.grading.line_corrections import current_corrections
from app.grading.model_registry import model_identity, model_path, open_grader
from app.markdown import escape
from app.screens.line_editor_state import NOT_SAVED, Value, flat_with_margin, is_unsaved, key_of, save, value_of
from app.settings import DataFolder, UserError
from db.schema import Side
from db.session import Database
from engine.cards.grades import grade_name
from engine.evaluation.calibration import Calibration
from engine.inference.model_card import read_model_card
from engine.storage import file_hash

JPEG_QUALITY = 92
SIDES: tuple[Side, Side] = ("front", "back")
KINDS = {"photo": "photo", "scan": "scan", "slab": "in a slab"}
VERDICTS = {"good": "good picture", "usable": "usable picture", "refuse": "picture too poor to grade"}
NO_MODEL_HELP = """### No grading model yet
Import cards and label them in **Label**, start a run in **Train**, then press **Use this model for grading**.
Until then, cards are measured here but not graded."""


def model_text(data: DataFolder) -> str:
    """Describe the grading model, or explain how to get one; expert figures go under a click."""
    path = model_path(None, data)
    if path is None:
        return NO_MODEL_HELP
    model, digest = open_grader(path)
    card = read_model_card(path, digest)
    training_data = "" if card is None else f", trained only on {escape(card.learned_from)}"
    sentences = [f"Grading model: **{escape(model.name)}**{training_data}."]
    facts = [_model_sentence(model_identity(model, digest, card)), calibration_sentence(model.calibration)]
    if card is not None:
        sentences += [escape(_first_clause(limit)) for limit in card.limits[:1]]
        facts += map(escape, [card.summary(), *card.limits])
    if model.calibration is None:
        sentences.append(UNCALIBRATED)
    return "\n".join([" ".join(sentences), *_details("About this model", facts)])


def _first_clause(sentence: str) -> str:
    """The sentence up to its first semicolon; what follows is figures for experts."""
    return sentence.split(";", maxsplit=1)[0].rstrip(".") + "."


def _details(head: str, sentences: Sequence[str]) -> list[str]:
    """A list in Markdown, folded until it is clicked."""
    return ["", f"<details><summary>{head}</summary>", "", *(f"- {text}" for text in sentences), "", "</details>"]


def grading_calibration(data: DataFolder) -> Calibration | None:
    """The calibration of the grading model, or None."""
    path = model_path(None, data)
    return None if path is None else open_grader(path)[0].calibration


def _model_sentence(model: dict[str, str]) -> str:
    return f"Model **{escape(model['name'])}** ({model['sha256'][:12]}), trained on {escape(model['trained_on'])}."


def grade_pictures(database: Database, data: DataFolder, front: Path | None, back: Path | None) -> GradedCard:
    """Grade the uploaded pictures. Raises UserError without any picture, BadPicture, BadModel."""
    if front is None and back is None:
        raise UserError("add a picture of the front, the back, or both first")
    return grade_card(front, back, model_path(None, data), current_corrections(database))


def verdict_text(graded: GradedCard) -> str:
    """The grade and its range, with the reasons and notes on the pictures, in Markdown."""
    prediction = graded.prediction
    # On the page the request for the missing side, below, is enough.
    repeated = {MISSING_SIDE.format(side) for side in graded.missing_sides}
    reasons = "\n".join(f"- {escape(as_sentence(reason))}" for reason in graded.reasons if reason not in repeated)
    sides = [_side_lines(graded)] if any(graded.sides.values()) else []
    if prediction is None:
        facts = _details("About the pictures", [_resolutions(graded)]) if sides else []
        return "\n\n".join([f"## No grade\n{reasons}", *sides, "\n".join(facts)])
    grade = f"{prediction.grade} {grade_name(prediction.grade)}"
    lines = [f"## Not graded: too uncertain\nMost likely {grade}." if graded.interval_too_wide else f"## {grade}"]
    lines.append(range_text(prediction.interval, graded.calibration))
    lines += [f"Graded without the {side}: add its picture for a more certain grade." for side in graded.missing_sides]
    facts = [
        f"Expected grade {prediction.expected:.1f}: the mean of the ten grades, weighted by their probabilities.",
        _model_sentence(graded.model or {}),
        calibration_sentence(graded.calibration),
        _resolutions(graded),
    ]
    return "\n\n".join([*lines, reasons, *sides, "\n".join(_details("About this grade", facts))])


def _side_lines(graded: GradedCard) -> str:
    """One sentence per side: the kind of picture and its quality."""
    return " ".join(
        f"{side.capitalize()}: {KINDS[analysis.picture.detection.kind]}, {VERDICTS[analysis.picture.quality.verdict]}."
        for side, analysis in graded.sides.items()
        if analysis is not None
    )


def _resolutions(graded: GradedCard) -> str:
    """Resolution of each picture, in one sentence."""
    resolutions = [
        f"{side} {analysis.picture.px_per_mm:.1f}" for side, analysis in graded.sides.items() if analysis is not None
    ]
    return f"Pixels per mm: {', '.join(resolutions)}."


def line_editor_values(
    graded: GradedCard, data: DataFolder, page_values: Iterable[Value | None] = (None, None)
) -> list[Value | None]:
    """Values of the two line editors, front and back; None for a side without a picture.

    Writes each flat card into the upload folder, for the browser to load.

    page_values  values now on the page: one with unsaved line corrections of the same side and picture is kept
    """
    new_values = [
        None if analysis is None else _line_editor_value(side, analysis, data)
        for side, analysis in graded.sides.items()
    ]
    return [
        page_value if new_value is not None and is_unsaved(page_value, new_value) else new_value
        for new_value, page_value in zip(new_values, page_values, strict=True)
    ]


def _line_editor_value(side: Side, analysis: SideAnalysis, data: DataFolder) -> Value:
    flat, buffer = flat_with_margin(analysis), BytesIO()
    Image.fromarray(flat.rgb).save(buffer, "JPEG", quality=JPEG_QUALITY)
    # Named after its bytes: browsers cache a picture by its name.
    path = data.uploads / f"flat-{hashlib.sha256(buffer.getvalue()).hexdigest()[:32]}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return value_of(side, analysis, flat, path)


def save_lines(database: Database, data: DataFolder, value: Value, picture: Path | None, author: str = "") -> Value:
    """Save the line correction of a side and measure the side again with it.

    picture  the file now in the tab; if it is not the value's picture, the value is returned without measuring again
    raises   UserError, BadLines
    """
    message = save(database, value, author)
    sha256, side = key_of(value)
    if picture is None or file_hash.sha256(picture) != sha256:
        return {**value, "said": message, "kept": value["by_hand"]}
    analysis = analyze_side(side, picture, current_corrections(database))
    return {**_line_editor_value(side, analysis, data), "said": message}


def reset_lines(data: DataFolder, value: Value, picture: Path | None) -> Value:
    """Measure a side without its saved line correction; the correction stays stored until this is saved.

    Raises UserError if the tab now holds another picture.
    """
    sha256, side = key_of(value)
    if picture is None or file_hash.sha256(picture) != sha256:
        raise UserError(f"the {side} picture has changed; press Grade, then reset its lines")
    new_value = _line_editor_value(side, analyze_side(side, picture, {}), data)
    return {**new_value, "kept": True, "said": NOT_SAVED}


def ceiling_text(front: Value | None, back: Value | None, *, graded: GradedCard | None = None) -> str:
    """The centering ceiling of the card in Markdown, and whether the grade takes it into account.

    graded  None: the lines were changed since the card was graded
    """
    worst = {
        side: None if value is None else value["numbers"]["worst"]
        for side, value in zip(SIDES, (front, back), strict=True)
    }
    grade, reason = card_ceiling(worst, date.today())
    if grade is None:
        return f"### Centering\n{as_sentence(reason)}"
    limit = f"limits this card to {'an' if grade == 8 else 'a'} {grade}"
    head = f"Centering {'allows a 10' if grade == 10 else limit}"
    effect = "" if grade == 10 else f" {_effect_of_ceiling(graded)}"
    return f"### {head}\n{as_sentence(reason)}{effect}"


def _effect_of_ceiling(graded: GradedCard | None) -> str:
    if graded is None:
        return "Press **Grade** to apply this limit to the grade."
    if graded.prediction is None:
        return "There is no grade to which this limit applies."
    if graded.ceiling is None:
        return "The grade above does not take this limit into account: the borders were not measured surely enough."
    limit = f"{'an' if graded.ceiling.grade == 8 else 'a'} {graded.ceiling.grade}"
    return f"The grade above takes into account that more than {limit} is out of reach."


def pictures_in_order(graded: GradedCard, names: Iterable[str]) -> list[np.ndarray | None]:
    """The named pictures of the front, then of the back; None for a missing one."""
    pictures = [pictures_of(graded, side) for side in SIDES]
    return [side_pictures.get(name) for side_pictures in pictures for name in names]
