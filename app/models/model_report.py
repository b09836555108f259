"""Model report: the metrics, calibration and model card of a model file, in Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.markdown import escape, table
from app.models.calibration_report import UNCALIBRATED, calibration_tables
from app.models.model_card_report import card_lines
from engine.cards.grades import GRADES
from engine.config import current_names
from engine.evaluation.calibration import Calibration
from engine.evaluation.metrics import METRIC_NAMES
from engine.experiments.run_folder import MODEL, control_folders
from engine.experiments.test_set_log import access_count
from engine.inference.model_card import read_model_card
from engine.storage.checkpoint import BadModel, load, require_model
from engine.storage.file_hash import sha256

INPUT_REGIONS = {
    "card": "the card alone",
    "background": "the picture without its card; a control, not used for grading",
    "picture": "the whole picture including the slab's label; a control, not used for grading",
    "label": "the slab's label alone; a control, not used for grading",
}
VALIDATION_FIGURES = (
    "Validation split, at the saved epoch, uncalibrated; in brackets 95 % intervals over groups of cards:"
)


def model_report(path: Path, test_openings: Path) -> str:
    """Build the report of a model file in Markdown; `test_openings` has the logs of test-set uses.

    Raises BadModel, BadCard.
    """
    content = require_model(load(path), path)
    summary: dict[str, Any] = content["summary"]
    digest = sha256(path)
    lines = [f"# Model {escape(content['name'])}", "", f"- File: {escape(path.name)}, SHA-256 {digest}"]
    lines += [
        f"- Trained on: {escape(content['trained_on'])}",
        f"- Input: {INPUT_REGIONS[current_names(content['config']).get('input_region', 'card')]}",
        f"- With this model the test split was opened {_times_text(access_count(test_openings, path, digest))}",
        *_rounding(content),
        *_gap(summary),
        *_controls(path.parent),
    ]
    lines += ["", "## Uncertainty", "", *_calibration(path, content.get("calibration")), "", "## Figures"]
    lines += ["", VALIDATION_FIGURES, ""]
    lines += [
        f"- {name}: {_with_interval(summary, name)}" for name in METRIC_NAMES if name in summary and name != "recall"
    ]
    other_metrics = {
        k: v for k, v in summary.items() if not isinstance(v, list) and k.removesuffix("_low") not in METRIC_NAMES
    }
    lines += [
        f"- {name}: {_number(value)}"
        for name, value in other_metrics.items()
        if name.removesuffix("_high") not in METRIC_NAMES
    ]
    recall = [["recall", *map(_number, summary["recall"])]] if "recall" in summary else []
    lines += ["", *table(["grade", *GRADES], recall)]
    lines += ["Confusion matrix, one row per true grade and one column per predicted grade, 1 to 10:", "", "```"]
    lines += [" ".join(f"{count:5d}" for count in row) for row in summary["confusion"]]
    card = read_model_card(path, digest)
    return "\n".join([*lines, "```", "", *(card_lines(card) if card else [])])


def _calibration(path: Path, plain: dict[str, Any] | None) -> list[str]:
    if plain is None:
        return [UNCALIBRATED]
    try:
        return [calibration_tables(Calibration.from_dict(plain))]
    except (LookupError, TypeError, ValueError) as error:
        raise BadModel(f"{path}: does not fit this version of Loupe; calibrate the model again") from error


def _times_text(count: int) -> str:
    return "1 time" if count == 1 else f"{count} times"


def _rounding(content: dict[str, Any]) -> list[str]:
    bits = content.get("rounded_to_bits")
    return (
        []
        if bits is None
        else [f"- Large weights are stored in {bits} bits; the figures were measured before quantization"]
    )


def _gap(summary: dict[str, Any]) -> list[str]:
    if summary.get("qwk_gap") is None:
        return []
    scores = f"{summary['train_qwk']:.4f} on its training cards, {summary['qwk']:.4f} on validation"
    return [
        f"- QWK {scores}: a gap of {summary['qwk_gap']:.4f} (training QWK is measured with dropout and augmentation)"
    ]


def _controls(folder: Path) -> list[str]:
    """Metrics of the control models in the folder, which were trained without the card."""
    lines = []
    for input_region, control in control_folders(folder).items():
        if (control / MODEL).is_file():
            summary = load(control / MODEL)["summary"]
            qwk = _with_interval(summary, "qwk")
            lines.append(f"- Control trained on the {input_region} alone: QWK {qwk}, n = {summary['n']}")
    return lines


def _with_interval(summary: dict[str, Any], name: str) -> str:
    low, high = summary.get(f"{name}_low"), summary.get(f"{name}_high")
    return _number(summary[name]) + ("" if low is None or high is None else f" ({low:.4f} to {high:.4f})")


def _number(value: Any) -> str:
    if value is None:
        return "undefined"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
