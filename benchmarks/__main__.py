"""python -m benchmarks NAME [--json PATH]: run a benchmark, print a table and check each bound."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

BENCHMARKS = {
    "cache": "benchmarks.speed.cache",
    "ceiling": "benchmarks.accuracy.ceiling",
    "channels": "benchmarks.speed.channels",
    "conformal": "benchmarks.accuracy.conformal",
    "cuda": "benchmarks.speed.cuda",
    "find": "benchmarks.accuracy.card_detection",
    "fronts": "benchmarks.accuracy.real_fronts",
    "intervals": "benchmarks.speed.intervals",
    "measure": "benchmarks.accuracy.measure",
    "onnx": "benchmarks.speed.onnx",
    "prepare": "benchmarks.speed.prepare",
    "repaint": "benchmarks.accuracy.label_leak",
    "simulate": "benchmarks.speed.simulate",
    "start": "benchmarks.speed.start",
    "grade": "benchmarks.speed.grade",
    "stories": "benchmarks.stories",
    "targets": "benchmarks.accuracy.targets",
    "train": "benchmarks.speed.train",
}


def main() -> int:
    """Run one benchmark by name; returns 1 if a bound does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=BENCHMARKS)
    parser.add_argument("--json", type=Path, help="also write the rows here")
    arguments = parser.parse_args()
    rows = importlib.import_module(BENCHMARKS[arguments.name]).measure()
    for row in rows:
        bound = f">= {row.at_least:g}" if row.at_least is not None else f"<= {row.at_most:g}"
        verdict = "holds" if row.holds else "DOES NOT HOLD"
        print(f"{row.what:58} / {row.versus:44} {row.ratio:9.3f}  {bound:10} {verdict}  (n = {row.n})")
    if arguments.json:
        arguments.json.write_text(json.dumps([row.as_json() for row in rows], indent=2) + "\n", encoding="utf-8")
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
