"""The starter model and its card, built by `python -m tools.build_starter`."""

from pathlib import Path

MODEL = Path(__file__).with_name("model.pt")
