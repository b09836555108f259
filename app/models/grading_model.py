"""The model in use for grading, and its description for the page."""

from __future__ import annotations

from app.markdown import details, escape
from app.models.calibration_report import UNCALIBRATED, calibration_sentence
from app.models.model_registry import model_path
from app.settings import DataFolder
from engine.inference.load_model import LoadedModel, open_grader

NO_MODEL_HELP = """### No grading model yet
Import cards and label them in **Label**, start a run in **Train**, then press **Use this model for grading** there.
Until then, cards are measured here but not graded."""


def grading_model(data: DataFolder, name: str | None = None) -> LoadedModel | None:
    """Open the model of `--model NAME`, by default the one in use; None without any. Raises UserError, BadModel."""
    path = model_path(name, data)
    return None if path is None else open_grader(path)


def model_text(model: LoadedModel | None) -> str:
    """Describe the grading model, or explain how to get one; expert figures go under a click."""
    if model is None:
        return NO_MODEL_HELP
    card = model.card
    training_data = "" if card is None else f", trained only on {escape(card.learned_from)}"
    sentences = [f"Grading model: **{escape(model.name)}**{training_data}."]
    facts = [model_sentence(model), escape(calibration_sentence(model.calibration))]
    if card is not None:
        sentences += [escape(_first_clause(limit)) for limit in card.limits[:1]]
        facts += map(escape, [card.summary(), *card.limits])
    if model.calibration is None:
        sentences.append(UNCALIBRATED)
    return "\n".join([" ".join(sentences), *details("About this model", facts)])


def model_sentence(model: LoadedModel) -> str:
    """Name, hash and training data of a model."""
    name, digest, trained_on = model.identity.values()
    return f"Model **{escape(name)}** ({digest[:12]}), trained on {escape(trained_on)}."


def _first_clause(sentence: str) -> str:
    """The sentence up to its first semicolon; what follows is figures for experts."""
    return sentence.split(";", maxsplit=1)[0].rstrip(".") + "."
