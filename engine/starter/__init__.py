"""The model that ships, and its card: made by `python -m tools.build_starter`."""

from pathlib import Path

MODEL = Path(__file__).with_name("model.pt")
