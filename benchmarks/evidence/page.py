"""docs/evidence.md: what the other steps have found, in words and tables; what is not gathered yet is named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.calibration import coverage_table, reliability_table, risk_table
from app.settings import PROGRAM
from benchmarks.evidence import pictures, worst
from benchmarks.evidence.fronts import REFERENCES
from benchmarks.evidence.simulated import OURS
from benchmarks.kept import read
from engine import predictions
from engine.card import FILE, Card
from engine.pairs import read_manifest
from engine.starter import MODEL

PAGE = PROGRAM / "docs" / "evidence.md"
PICTURES = PROGRAM / "docs" / "evidence"
# The ten worst errors, looked at and explained by a person, under the SHA-256 of the model that made them.
EXPLAINED = Path(__file__).parent / "worst.md"
FIGURES = {"qwk": "QWK", "exact": "exact", "within_one": "within one", "mae": "MAE", "rps": "RPS"}

Found = dict[str, Any]
INTRODUCTION = """# How good is it, and how do we know

Written by `python -m benchmarks.evidence page --out DIR` from what the other steps left in that folder, and in
`DIR/starter` from what `python -m benchmarks.starter --work DIR/starter` left. Each goes on where it was stopped.

Intervals are 95 %: whole groups of cards (a design, a near-duplicate) are drawn with replacement a thousand times.
Where there are several seeds, those are drawn too; two or three of them show less than the whole chance of training.
Differences are paired, card by card and seed by seed; p-values are after Holm for the rows of a table. What was tried
and did not help stands here like what did.
"""


def run(folder: Path) -> Found:
    """Write the page; returns where it lies and which parts are missing."""
    sections = {
        "simulated": _simulated,
        "changes": _changes,
        "stronger": _stronger,
        "fronts": _fronts,
        "cost": _cost,
    }
    missing = [name for name in sections if not (folder / f"{name}.json").exists()]
    written = [INTRODUCTION]
    starter = folder / "starter"
    if MODEL.with_name(FILE).exists() and (starter / "fresh.csv").exists():
        written += _starter(starter)
    else:
        missing.insert(0, "starter")
    for name, section in sections.items():
        if name not in missing:
            written += section(read(folder / f"{name}.json"))
    if missing:
        written += ["## Not gathered yet", "", f"{', '.join(missing).capitalize()}.", ""]
    PAGE.write_text("\n".join(written), encoding="utf-8")
    return {"page": str(PAGE), "missing": missing}


def _table(heads: Sequence[object], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [*("| " + " | ".join(map(str, line)) + " |" for line in lines), ""]


def _figure(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" + ("" if low is None or high is None else f" ({low:.3f} to {high:.3f})")


def _bounded(figures: Found, name: str) -> str:
    return _figure(figures[name], figures[f"{name}_low"], figures[f"{name}_high"])


def _of_one_model(figures: Found) -> list[str]:
    return [_bounded(figures, "qwk"), *(f"{figures[name]:.3f}" for name in ("exact", "within_one", "mae"))]


def _of_seeds(figures: Found) -> list[str]:
    return [_figure(*figures["qwk"]), *(f"{figures[name][0]:.3f}" for name in FIGURES if name != "qwk")]


def _difference(row: Found) -> list[str]:
    return [f"{row['delta']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})", f"{row['p_holm']:.3f}"]


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))


def _settings(told: Found) -> str:
    return _listed([f"{name} {value}" for name, value in told.items()])


def _simulated(found: Found) -> list[str]:
    lines = [
        "## Simulated pairs: the recipes, and no learning at all",
        "",
        f"Each model learned from both mixes at once ({_settings(found['told'])}), with the seeds "
        f"{_listed(found['seeds'])}; it is judged on the sealed test cards, by which nothing was chosen. The rubric "
        "learns nothing: it grades what was measured by the table that the simulator itself grades by, and takes for "
        "flawless what could not be measured.",
        "",
    ]
    for mix in ("history", "uniform"):
        own = found[mix]
        ceiling = own["ceiling"]["qwk"]
        lines += [
            f"### Mix `{mix}`",
            "",
            f"n = {own['n']} cards. The grader errs by a standard deviation of {own['noise']} grades: who saw every "
            f"flaw would reach a QWK of {ceiling:.3f} against such labels.",
            "",
        ]
        best_first = sorted(own["ways"].items(), key=lambda item: -item[1]["qwk"][0])
        rows = [[name, *_of_seeds(each), f"{each['qwk'][0] / ceiling:.1%}"] for name, each in best_first]
        lines += _table(["", *FIGURES.values(), "of the ceiling"], rows)
        less = [[other, *_difference(row)] for other, row in own["less"].items()]
        lines += _table([f"`{OURS}` less", "QWK", "p"], less)
    pictures.certainty(found["certainty"], PICTURES / "simulated.png")
    lines += ["### What its certainty is worth", ""]
    lines += [
        f"`{OURS}`, seed {found['seeds'][0]}, both mixes together; calibrated on the cards that chose its epoch.",
        "",
    ]
    return [*lines, *_certainty(found["certainty"], "evidence/simulated.png")]


def _certainty(figures: Found, picture: str) -> list[str]:
    recall = [f"{value:.2f}" if value is not None else "" for value in figures["recall"]]
    return [
        f"![Reliability, risk and coverage, confusion]({picture})",
        "",
        f"n = {figures['n']}. Ranges held the true grade in {_bounded(figures, 'coverage')} of the cards and are "
        f"{figures['mean_width']:.2f} grades wide on average; calibration error {figures['ece']:.3f}; area under the "
        f"risk-coverage curve {_bounded(figures, 'aurc')} grades.",
        "",
        *_table(["true grade", *range(1, 11)], [["recall", *recall]]),
        *coverage_table(figures["coverage_by_grade"]),
        *risk_table(figures["risk_coverage"]),
        *reliability_table(figures["reliability"]),
    ]


def _changes(found: Found) -> list[str]:
    one = found["rounds"][0]["rows"][0]
    lines = [
        "## One change at a time",
        "",
        f"Each against a recipe as it is ({_settings(found['told'])}) with the seeds {_listed(found['seeds'])}, judged "
        f"on the validation cards, some of which also chose its epoch: n = {one['cards']} in {one['groups']} groups.",
        "",
    ]
    for told in found["rounds"]:
        rows = [[row["change"], row["hypothesis"], f"{row['qwk']:.3f}", *_difference(row)] for row in told["rows"]]
        reference = f"less {told['rows'][0]['reference_qwk']:.3f}"
        lines += [f"### Against `{told['recipe']}`", "", *_table(["change", "hypothesis", "QWK", reference, "p"], rows)]
    return lines


def _stronger(found: Found) -> list[str]:
    rows = [
        [
            *(name, way["trained"], way["stored"], way["looks"], *_of_seeds(way["figures"])),
            *(_difference(way["less"]) if way["less"] else ("", "")),
        ]
        for name, way in found["ways"].items()
    ]
    heads = ("", "models trained", "stored", "looks a card", *FIGURES.values(), "QWK less single", "p")
    return [
        "## Stronger predictions, and what they cost",
        "",
        f"`{OURS}` on the test cards of both mixes, which were looked at again for each number of views. n = "
        f"{found['n']}, seeds {_listed(found['seeds'])}. There is one ensemble of all seeds: its interval holds no "
        "chance of training.",
        "",
        *_table(heads, rows),
    ]


def _fronts(found: Found) -> list[str]:
    rows = [[name, each["n"], *_of_one_model(each)] for name, each in found.items()]
    given = [[name, "", *figures] for name, figures in REFERENCES.items()]
    return [
        "## Real fronts",
        "",
        "Every card is judged once, by the fold that never saw it nor its near-duplicates, with one seed. Each fold's "
        "epoch was chosen on the cards that it is judged by, which flatters ours and its controls; nothing was chosen "
        "on the sealed cards, which the five folds' models judge together. What was trained on the first fold alone is "
        "to be held against the others' first fold. The references were measured beforehand on another part of the "
        "same set, with the label cut away.",
        "",
        *_table(["", "n", "QWK", "exact", "within one", "MAE"], [*rows, *given]),
    ]


def _starter(made: Path) -> list[str]:
    """What ships, from its card, and its worst errors on the fresh cards of the folder that it was made in."""
    card = Card.model_validate_json(MODEL.with_name(FILE).read_bytes())
    if read(made / "evaluate.json")["model"]["sha256"] != card.sha256:
        raise SystemExit(f"{made} holds another model than the one that ships; give the folder that it was made in")
    figures, agreed = card.measured[0].figures, card.agreement
    pictures.certainty(figures, PICTURES / "starter.png")
    pairs = read_manifest(made / "fresh" / "labels.csv").pairs
    worst.sheet(predictions.read(made / "fresh.csv"), pairs, PICTURES / "worst.jpg")
    explained = EXPLAINED.read_text(encoding="utf-8") if EXPLAINED.exists() else ""
    looked_at = explained if card.sha256 in explained else "Nobody has looked at them yet."
    rows = [[each.on, each.figures["n"], *_of_one_model(each.figures)] for each in card.measured]
    return [
        "## The starter model",
        "",
        *(f"- {sentence}" for sentence in (*card.data, *card.limits)),
        "",
        *_table(["", "n", "QWK", "exact", "within one", "MAE"], rows),
        f"Stored in 8 bits it tells the same grade as at full precision on {agreed['equal_grades']:.1%} of "
        f"{agreed['cards']} cards; no probability differs by more than {agreed['largest_difference']:.4f}; QWK "
        f"{agreed['qwk']:.4f} against {agreed['qwk_full']:.4f}.",
        "",
        *_certainty(figures, "evidence/starter.png"),
        "### Its ten worst errors",
        "",
        "![Ten cards, front and back, with the true and the expected grade](evidence/worst.jpg)",
        "",
        looked_at,
        "",
    ]


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
        "grades pairs/s",
        "trains pairs/s",
        "in bf16",
        "MiB grading",
        "training",
    )
    return [
        "## Cost",
        "",
        f"{found['device']}, in its own seconds; medians of {found['steps']} steps after one to warm up. Before the "
        f"network, a side takes {before['seconds to find']:.2f} s to read and find, and "
        f"{before['seconds to measure']:.2f} s to measure (medians of {before['sides']} simulated sides).",
        "",
        *_table(heads, rows),
    ]
