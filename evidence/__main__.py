"""python -m evidence STEP --out FOLDER: gather one part of the evidence, or go on gathering it."""

from __future__ import annotations

import argparse
import importlib
import json
import os
from pathlib import Path

from evidence import simulated

STEPS = ("changes", "sizes", "simulated", "stronger", "fronts", "cost", "page")
SIZED = ("simulated", "stronger")


def main() -> None:
    """Run one step and print what it found."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    parser = argparse.ArgumentParser(prog="python -m evidence", description=__doc__)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--out", type=Path, required=True, help="where cards, runs and figures go; gone on with")
    parser.add_argument(
        "--full",
        action="store_true",
        help=f"{', '.join(SIZED)}: all recipes at full size, for a GPU, in a folder of its own",
    )
    chosen = parser.parse_args()
    if chosen.full and chosen.step not in SIZED:
        parser.error(f"--full goes with {' and '.join(SIZED)}")
    out = chosen.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    size = {"size": simulated.FULL} if chosen.full else {}
    print(json.dumps(importlib.import_module(f"evidence.{chosen.step}").run(out, **size), indent=2))


if __name__ == "__main__":
    main()
