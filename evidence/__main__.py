"""python -m evidence STEP --out FOLDER: gather one part of the evidence, or resume it."""

from __future__ import annotations

import argparse
import importlib
import json
import os
from pathlib import Path

from evidence.steps import simulated

STEPS = {
    "real_networks": "evidence.steps.real_networks",
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


def main() -> None:
    """Run one step and print its results."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    parser = argparse.ArgumentParser(prog="python -m evidence", description=__doc__)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for cards, runs and results; resumed if it exists"
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help=f"{', '.join(SCALABLE_STEPS)}: all recipes at full size, for a GPU; needs a separate --out folder",
    )
    arguments = parser.parse_args()
    if arguments.full and arguments.step not in SCALABLE_STEPS:
        parser.error(f"--full works only with {' and '.join(SCALABLE_STEPS)}")
    out = arguments.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    options = {"scale": simulated.FULL} if arguments.full else {}
    print(json.dumps(importlib.import_module(STEPS[arguments.step]).run(out, **options), indent=2))


if __name__ == "__main__":
    main()
