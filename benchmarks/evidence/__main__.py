"""python -m benchmarks.evidence STEP --out FOLDER: gather one part of the evidence, or go on gathering it."""

from __future__ import annotations

import argparse
import importlib
import json
import os
from pathlib import Path

STEPS = ("changes", "simulated", "stronger", "fronts", "cost", "page")


def main() -> None:
    """Run one step and print what it found."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence", description=__doc__)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--out", type=Path, required=True, help="where cards, runs and figures go; gone on with")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    print(json.dumps(importlib.import_module(f"benchmarks.evidence.{chosen.step}").run(chosen.out), indent=2))


if __name__ == "__main__":
    main()
