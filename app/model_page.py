"""A model's own figures as a page a person can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.checkpoint import load
from engine.run_folder import sha256


def model_page(path: Path) -> str:
    """A model file's own figures in Markdown."""
    content = load(path)
    summary: dict[str, Any] = content["summary"]
    scalars = {key: value for key, value in summary.items() if not isinstance(value, list)}
    lines = [f"# Model {content['name']}", "", f"- File: {path.name}, SHA-256 {sha256(path)}"]
    lines += [f"- Trained on: {content['trained_on']}", "", "Validation split, at the saved epoch:", ""]
    lines += [
        f"- {key}: {value:.4f}" if isinstance(value, float) else f"- {key}: {value}" for key, value in scalars.items()
    ]
    lines += ["", "Confusion, a row a true grade 1 to 10, a column a predicted grade:", "", "```"]
    lines += [" ".join(f"{count:5d}" for count in row) for row in summary["confusion"]]
    return "\n".join([*lines, "```", ""])
