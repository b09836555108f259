"""A model's own figures as a page a person can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.grading.calibration_report import UNCALIBRATED, tables
from app.grading.model_card_report import card_lines
from engine.cards.grades import GRADES
from engine.evaluation.calibration import Calibration
from engine.evaluation.metrics import NAMES
from engine.experiments.run_folder import MODEL, controls_in, sha256
from engine.experiments.test_set_log import openings
from engine.inference.model_card import card_of
from engine.storage.checkpoint import BadModel, load, refuse_state

SEES = {
    "card": "the card alone",
    "background": "the picture without its card: it is a control, and never grades",
    "picture": "the whole picture, the slab's label too: it is a control, and never grades",
    "label": "the slab's label alone: it is a control, and never grades",
}
VALIDATION_FIGURES = (
    "Validation split, at the saved epoch, uncalibrated; in brackets 95 % intervals over groups of cards:"
)


def model_page(path: Path) -> str:
    """A model file's own figures in Markdown. Raises BadModel, BadCard."""
    content = refuse_state(load(path), path)
    summary: dict[str, Any] = content["summary"]
    digest = sha256(path)
    lines = [f"# Model {content['name']}", "", f"- File: {path.name}, SHA-256 {digest}"]
    lines += [
        f"- Trained on: {content['trained_on']}",
        f"- Is shown: {SEES[content['config'].get('seen', 'card')]}",
        f"- For this model the test split was opened {_times(openings(path))}",
        *_rounding(content),
        *_gap(summary),
        *_controls(path.parent),
    ]
    lines += ["", "## Certainty", "", *_certainty(path, content.get("calibration")), "", "## Figures"]
    lines += ["", VALIDATION_FIGURES, ""]
    lines += [f"- {name}: {_with_interval(summary, name)}" for name in NAMES if name in summary and name != "recall"]
    others = {k: v for k, v in summary.items() if not isinstance(v, list) and k.removesuffix("_low") not in NAMES}
    lines += [
        f"- {name}: {_number(value)}" for name, value in others.items() if name.removesuffix("_high") not in NAMES
    ]
    lines += ["", "| grade | " + " | ".join(map(str, GRADES)) + " |", "|---" * 11 + "|"]
    if "recall" in summary:
        lines += ["| found again | " + " | ".join(map(_number, summary["recall"])) + " |"]
    lines += ["", "Confusion, a row a true grade 1 to 10, a column a predicted grade:", "", "```"]
    lines += [" ".join(f"{count:5d}" for count in row) for row in summary["confusion"]]
    card = card_of(path, digest)
    return "\n".join([*lines, "```", "", *(card_lines(card) if card else [])])


def _certainty(path: Path, plain: dict[str, Any] | None) -> list[str]:
    if plain is None:
        return [UNCALIBRATED]
    try:
        return [tables(Calibration.from_plain(plain))]
    except (LookupError, TypeError, ValueError) as error:
        raise BadModel(f"{path}: does not fit this version of Loupe; calibrate the model again") from error


def _times(count: int) -> str:
    return "1 time" if count == 1 else f"{count} times"


def _rounding(content: dict[str, Any]) -> list[str]:
    bits = content.get("rounded_to_bits")
    return [] if bits is None else [f"- Its large weights are stored in {bits} bits; the figures are those of before"]


def _gap(summary: dict[str, Any]) -> list[str]:
    if summary.get("qwk_gap") is None:
        return []
    both = f"{summary['train_qwk']:.4f} on its training cards, {summary['qwk']:.4f} on validation"
    return [
        f"- QWK {both}: a gap of {summary['qwk_gap']:.4f} (training cards are judged with dropout and augmentation)"
    ]


def _controls(folder: Path) -> list[str]:
    """What stands beside the model of those that never saw the card."""
    lines = []
    for seen, control in controls_in(folder).items():
        if (control / MODEL).is_file():
            said = load(control / MODEL)["summary"]
            lines.append(
                f"- Control that is shown the {seen} alone: QWK {_with_interval(said, 'qwk')}, n = {said['n']}"
            )
    return lines


def _with_interval(summary: dict[str, Any], name: str) -> str:
    low, high = summary.get(f"{name}_low"), summary.get(f"{name}_high")
    return _number(summary[name]) + ("" if low is None or high is None else f" ({low:.4f} to {high:.4f})")


def _number(value: Any) -> str:
    if value is None:
        return "undefined"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
