"""python -m evidence STEP --out FOLDER: gather one part of the evidence, or resume it."""

from __future__ import annotations

import importlib
import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evidence.steps import simulated

STEPS = {
    "real_networks": "evidence.steps.real_networks",
    "real_recipes": "evidence.steps.real_recipes",
    "real_pairs": "evidence.steps.real_pairs",
    "changes": "evidence.steps.changes",
    "sizes": "evidence.steps.sizes",
    "simulated": "evidence.steps.simulated",
    "stronger": "evidence.steps.stronger",
    "fronts": "evidence.steps.fronts",
    "cost": "evidence.steps.cost",
    "page": "evidence.page",
}
SCALABLE_STEPS = ("simulated", "stronger")


Step = StrEnum("Step", list(STEPS))  # type: ignore[misc]  # the choices of the command line
FULL_HELP = f"{', '.join(SCALABLE_STEPS)}: all recipes at full size, for a GPU; needs a separate --out folder."


def main(
    step: Step,
    out: Annotated[Path, typer.Option(help="Folder for cards, runs and results; resumed if it exists.")],
    full: Annotated[bool, typer.Option("--full", help=FULL_HELP)] = False,
) -> None:
    """Gather one part of the evidence, or resume it, and print its results."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if full and step not in SCALABLE_STEPS:
        raise typer.BadParameter(f"--full works only with {' and '.join(SCALABLE_STEPS)}")
    folder = out.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    options = {"scale": simulated.FULL} if full else {}
    print(json.dumps(importlib.import_module(STEPS[step]).run(folder, **options), indent=2))


if __name__ == "__main__":
    typer.run(main)
