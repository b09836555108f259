"""docs/evidence.md: what the other steps have found, in words and tables; what is not gathered yet is named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.calibration import coverage_table, reliability_table, risk_table
from benchmarks.evidence import pictures, worst
from benchmarks.evidence.fronts import REFERENCES
from engine import predictions
from engine.card import FILE, Card
from engine.pairs import read_manifest

PROGRAM = Path(__file__).resolve().parents[2]
PAGE = PROGRAM / "docs" / "evidence.md"
PICTURES = PROGRAM / "docs" / "evidence"
STARTER = PROGRAM / "engine" / "starter"
# Looked at and written by a person; everything else on the page is computed.
EXPLAINED = Path(__file__).parent / "worst.md"
FIGURES = {"qwk": "QWK", "exact": "exact", "within_one": "within one", "mae": "MAE", "ece": "ECE", "rps": "RPS"}

Found = dict[str, Any]
INTRODUCTION = """# How good is it, and how do we know

Written by `python -m benchmarks.evidence page --out DIR`, from what the other steps left in that folder. Intervals are
95 %: whole groups of cards (a design, a near-duplicate) are drawn with replacement a thousand times, and where there
are several seeds these are drawn too. Differences are paired, card by card and seed by seed; p-values are after Holm
for the rows of a table. What was tried and did not help stands here like what did.
"""


def run(folder: Path) -> Found:
    """Write the page; returns where it lies and which parts are missing."""
    parts = {
        "simulated": _simulated,
        "changes": _changes,
        "stronger": _stronger,
        "fronts": _fronts,
        "cost": _cost,
    }
    written, missing = [INTRODUCTION, *_starter(folder)], []
    for name, section in parts.items():
        path = folder / f"{name}.json"
        if path.exists():
            written += section(json.loads(path.read_text(encoding="utf-8")))
        else:
            missing.append(name)
    if missing:
        written += ["## Not gathered yet", "", f"The steps {', '.join(missing)}.", ""]
    PAGE.write_text("\n".join(written), encoding="utf-8")
    return {"page": str(PAGE), "missing": missing}


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [*("| " + " | ".join(map(str, line)) + " |" for line in lines), ""]


def _figure(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" + ("" if low is None or high is None else f" ({low:.3f} to {high:.3f})")


def _difference(row: Found) -> list[str]:
    return [f"{row['delta']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})", f"{row['p_holm']:.3f}"]


def _of_seeds(figures: Found) -> list[str]:
    """`over_seeds` as cells: QWK with its interval, the others without."""
    return [_figure(*figures["qwk"]), *(f"{figures[name][0]:.3f}" for name in FIGURES if name != "qwk")]


def _simulated(found: Found) -> list[str]:
    lines = ["## Simulated pairs: four recipes, and no learning at all", ""]
    for mix in ("history", "uniform"):
        own = found[mix]
        ceiling = own["ceiling"]["qwk"]
        lines += [
            f"### Mix `{mix}`",
            "",
            f"n = {own['n']} cards, seeds {', '.join(map(str, own['seeds']))}. The grader errs by a standard deviation "
            f"of {own['noise']} grades: who saw every flaw would reach a QWK of {ceiling:.3f} against such labels.",
            "",
        ]
        rows = [
            [name, *_of_seeds(each), f"{each['qwk'][0] / ceiling:.1%}"]
            for name, each in sorted(own["ways"].items(), key=lambda item: -item[1]["qwk"][0])
        ]
        lines += _table(["", *FIGURES.values(), "of the ceiling"], rows)
        lines += _table(["loupe less", "QWK", "p"], [[other, *_difference(row)] for other, row in own["less"].items()])
    pictures.certainty(found["certainty"], PICTURES / "simulated.png")
    return [*lines, "### What its certainty is worth", "", *_certainty(found["certainty"], "evidence/simulated.png")]


def _certainty(figures: Found, picture: str) -> list[str]:
    recall = [f"{value:.2f}" if value is not None else "" for value in figures["recall"]]
    return [
        f"![reliability, risk and coverage, confusion]({picture})",
        "",
        f"n = {figures['n']}. Intervals held the true grade in {_figure(*_bounded(figures, 'coverage'))}, "
        f"{figures['mean_width']:.2f} grades wide on average; calibration error {figures['ece']:.3f}; area under the "
        f"risk-coverage curve {_figure(*_bounded(figures, 'aurc'))} grades.",
        "",
        *_table(["true grade", *range(1, 11)], [["recall", *recall]]),
        *coverage_table(figures["coverage_by_grade"]),
        *risk_table(figures["risk_coverage"]),
        *reliability_table(figures["reliability"]),
    ]


def _bounded(figures: Found, name: str) -> list[float | None]:
    return [figures[name], figures[f"{name}_low"], figures[f"{name}_high"]]


def _changes(found: list[Found]) -> list[str]:
    lines = ["## One change at a time", ""]
    lines += [
        "Each against the `ordinal` recipe at a small size, same cards and seeds, judged on the validation cards that "
        f"also chose the epoch (n = {found[0]['cards']} in {found[0]['groups']} groups, {found[0]['seeds']} seeds).",
        "",
    ]
    rows = [[row["change"], f"{row['qwk']:.3f}", *_difference({**row, "delta": row["delta_qwk"]})] for row in found]
    return lines + _table(["change", "QWK", f"less {found[0]['reference_qwk']:.3f}", "p"], rows)


def _stronger(found: Found) -> list[str]:
    rows = [
        [name, way["looks"], *_of_seeds(way["figures"]), *(_difference(way["less"]) if way["less"] else ("", ""))]
        for name, way in found["ways"].items()
    ]
    return [
        "## Stronger predictions, and what they cost",
        "",
        f"n = {found['n']}, seeds {', '.join(map(str, found['seeds']))}. Looks: how often a network reads a card.",
        "",
        *_table(["", "looks", *FIGURES.values(), "QWK less single", "p"], rows),
    ]


def _fronts(found: Found) -> list[str]:
    rows = [[name, each["n"], *_plain(each)] for name, each in found.items()]
    given = [[name, "", *figures] for name, figures in REFERENCES.items()]
    return [
        "## Real fronts",
        "",
        "Every card is judged once, by the fold that never saw it nor its near-duplicates. Each fold's epoch was "
        "chosen on the cards that it is judged by, which flatters all of them alike. The references were measured "
        "beforehand on another part of the same set, with the label cut away.",
        "",
        *_table(["", "n", "QWK", "exact", "within one", "MAE"], [*rows, *given]),
    ]


def _plain(figures: Found) -> list[str]:
    return [_figure(*_bounded(figures, "qwk")), *(f"{figures[name]:.3f}" for name in ("exact", "within_one", "mae"))]


def _starter(folder: Path) -> list[str]:
    """What ships, from its card; the worst errors where the folder holds what it said of the fresh cards."""
    if not (STARTER / FILE).exists():
        return ["## The starter model", "", "None ships yet.", ""]
    card = Card.model_validate_json((STARTER / FILE).read_bytes())
    figures = card.measured[0].figures
    pictures.certainty(figures, PICTURES / "starter.png")
    lines = ["## The starter model", "", *(f"- {sentence}" for sentence in (*card.data, *card.limits)), ""]
    rows = [[each.on, each.figures["n"], *_plain(each.figures)] for each in card.measured]
    lines += _table(["", "n", "QWK", "exact", "within one", "MAE"], rows)
    lines += [f"Stored in 8 bits against full precision: {json.dumps(card.agreement)}", ""]
    lines += _certainty(figures, "evidence/starter.png")
    fresh = folder / "fresh"
    if fresh.exists():
        said = predictions.read(folder / "fresh.csv")
        worst.sheet(said, read_manifest(fresh / "labels.csv").pairs, PICTURES / "worst.jpg")
    if EXPLAINED.exists():
        lines += [EXPLAINED.read_text(encoding="utf-8")]
    return lines


def _cost(found: Found) -> list[str]:
    def speed(row: Found, what: str) -> str:
        return f"{row[what]['pairs_per_second']:.2f}"

    rows = [
        [
            *(row["recipe"], row["image_size"], f"{row['parameters'] / 1e6:.1f}", speed(row, "grading")),
            *(speed(row, "training 32"), speed(row, "training bf16")),
            *(f"{row[what]['memory_mib']:.0f}" for what in ("grading", "training 32")),
        ]
        for row in found["networks"]
    ]
    before = found["before the network"]
    heads = (
        "recipe",
        "px",
        "million weights",
        "graded pairs/s",
        "trained pairs/s",
        "in bf16",
        "MiB grading",
        "training",
    )
    return [
        "## Cost",
        "",
        f"{found['device']}. Before the network, a side takes {before['seconds to find']:.2f} s to read and find, and "
        f"{before['seconds to measure']:.2f} s to measure (medians of {before['sides']} simulated sides).",
        "",
        *_table(heads, rows),
    ]
