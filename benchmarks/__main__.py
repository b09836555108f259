"""python -m benchmarks NAME [--json PATH]: run a benchmark, print a table and check each bound."""

from __future__ import annotations

import importlib
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.harness import NothingMeasured, Row
from engine.storage.atomic import write_text

BENCHMARKS = {
    "batch": "benchmarks.speed.batch",
    "cache": "benchmarks.speed.cache",
    "ceiling": "benchmarks.accuracy.ceiling",
    "channels": "benchmarks.speed.channels",
    "conformal": "benchmarks.accuracy.conformal",
    "cuda": "benchmarks.speed.cuda",
    "find": "benchmarks.accuracy.card_detection",
    "findings": "benchmarks.accuracy.findings",
    "fronts": "benchmarks.accuracy.real_fronts",
    "gpu": "benchmarks.speed.gpu",
    "intervals": "benchmarks.speed.intervals",
    "maps": "benchmarks.accuracy.maps",
    "measure": "benchmarks.accuracy.measure",
    "memory": "benchmarks.speed.memory",
    "onnx": "benchmarks.speed.onnx",
    "prepare": "benchmarks.speed.prepare",
    "queue": "benchmarks.speed.queue",
    "repaint": "benchmarks.accuracy.label_leak",
    "simulate": "benchmarks.speed.simulate",
    "start": "benchmarks.speed.start",
    "grade": "benchmarks.speed.grade",
    "targets": "benchmarks.accuracy.targets",
    "train": "benchmarks.speed.train",
}


Name = StrEnum("Name", list(BENCHMARKS))  # type: ignore[misc]  # the choices of the command line


def main(
    name: Name,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the rows to this file.")] = None,
) -> None:
    """Run a benchmark, print a table and check each bound.

    Exit codes: 0 all bounds hold, 1 one does not, 2 nothing can be measured here.
    """
    try:
        rows: list[Row] = importlib.import_module(BENCHMARKS[name]).measure()
    except NothingMeasured as error:
        print(f"{name}: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    for row in rows:
        bound = f">= {row.at_least:g}" if row.at_least is not None else f"<= {row.at_most:g}"
        verdict = "holds" if row.holds else "DOES NOT HOLD"
        print(f"{row.what:58} / {row.versus:44} {row.ratio:9.3f}  {bound:10} {verdict}  (n = {row.n})")
    if json_file:
        write_text(json_file, json.dumps([row.as_json() for row in rows], indent=2) + "\n")
    raise typer.Exit(0 if all(row.holds for row in rows) else 1)


if __name__ == "__main__":
    typer.run(main)
