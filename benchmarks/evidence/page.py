"""docs/evidence.md: what the other steps have found, in words and tables; what is not gathered yet is named.

A section is written anew where the folder holds what its step found, and else stays as it stands on the page: one part
of the evidence can be gathered again without all the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from app.calibration import UNCALIBRATED, coverage_table, how_often, reliability_table, risk_table
from app.settings import PROGRAM
from benchmarks.evidence import pictures, worst
from benchmarks.evidence.collection import VALIDATED
from benchmarks.evidence.fronts import REFERENCES
from benchmarks.evidence.simulated import FULL, MIXES, OURS, SEEDS
from benchmarks.kept import read
from engine import predictions
from engine.card import FILE, Card
from engine.grades import GRADES
from engine.pairs import read_manifest
from engine.recipes import recipe_config
from engine.starter import MODEL

# By step, in the page's order.
TITLES = {
    "starter": "The starter model",
    "simulated": "Simulated pairs: the recipes, and no learning at all",
    "changes": "One change at a time",
    "sizes": "Larger pictures, and what they cost",
    "stronger": "Stronger predictions, and what they cost",
    "fronts": "Real fronts",
    "cost": "Cost",
}
PAGE = PROGRAM / "docs" / "evidence.md"
PICTURES = PROGRAM / "docs" / "evidence"
# The ten worst errors, looked at and explained by a person, under the SHA-256 of the model that made them.
EXPLAINED = Path(__file__).parent / "worst.md"
FIGURES = {
    "qwk": "QWK",
    "exact": "exact",
    "within_one": "within one",
    "mae": "MAE",
    "macro_mae": "macro-MAE",
    "auc_9_10": "AUC of 9 and 10",
    "rps": "RPS",
}

Found = dict[str, Any]
INTRODUCTION = """# How good is it, and how do we know

Written by `python -m benchmarks.evidence page --out DIR` from what the other steps left in that folder, and in
`DIR/starter` from what `python -m benchmarks.starter --work DIR/starter` left. Each goes on where it was stopped.

Intervals are 95 %: whole groups of cards (a design, a near-duplicate) are drawn with replacement a thousand times.
Where there are several seeds, those are drawn too; two or three of them show less than the whole chance of training,
one shows nothing of it. Differences are paired, card by card and seed by seed, from ten thousand draws. Their intervals
are each row's own; their p-values are after Holm for the rows of a table, and none can be told below the number of rows
times .0002. Intervals of a calibration error lean upwards: cards drawn anew make gaps by chance. What was tried and did
not help stands here like what did.

Macro-MAE is the mean of the grades' own MAE. The AUC of 9 and 10 says how well tens are told from nines; .5 is chance.
RPS is the ranked probability score, 0 for who is certain and right.
"""


def run(folder: Path) -> Found:
    """Write the page; returns where it lies, which parts stay as they stood, and which are missing."""
    found = {name: read(path) for name in TITLES if (path := folder / f"{name}.json").exists()}
    told: dict[str, list[str]] = {}
    if MODEL.with_name(FILE).exists() and (folder / "starter" / "fresh.csv").exists():
        told["starter"] = _starter(folder / "starter")
    told |= {name: tell(found[name]) for name, tell in TELLERS.items() if name in found}
    stood = _sections(PAGE)
    kept = [name for name, title in TITLES.items() if name not in told and title in stood]
    missing = [name for name in TITLES if name not in told and name not in kept]
    written = [INTRODUCTION]
    for name, title in TITLES.items():
        if name in told:
            written += [f"## {title}", "", *told[name]]
        elif name in kept:
            written += [f"## {title}", stood[title]]
    if missing:
        written += ["## Not gathered yet", "", f"{_listed(missing).capitalize()}.", ""]
    PAGE.write_text("\n".join(written), encoding="utf-8")
    return {"page": str(PAGE), "kept": kept, "missing": missing}


def _sections(page: Path) -> dict[str, str]:
    """By title what stands below it on the page, up to the next title of its rank."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    return dict(section.split("\n", 1) for section in text.split("\n## ")[1:])


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
    return [_bounded(figures, name) for name in FIGURES]


def _of_seeds(figures: Found, names: Sequence[str] = (*FIGURES,)) -> list[str]:
    return [_figure(*figures[name]) for name in names]


def _difference(row: Found) -> list[str]:
    return [f"{row['delta']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})", f"{row['p_holm']:.3f}"]


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))


def _settings(told: Found) -> str:
    return _listed([f"{name} {value}" for name, value in told.items()])


def _simulated(found: Found) -> list[str]:
    lines = [
        f"Each model learned from both mixes at once ({_settings(found['told'])}), with the seeds "
        f"{_listed(found['seeds'])}; it is judged on the sealed test cards, by which nothing was chosen. The rubric "
        "learns nothing: it grades what was measured by the table that the simulator itself grades by, and takes for "
        "flawless what could not be measured.",
        "",
    ]
    for mix in MIXES:
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
    recall = [["recall", *_two_places(figures["recall"])]]
    recall += [[end, *_two_places(figures[f"recall_{end}"])] for end in ("low", "high")]
    return [
        f"![Reliability, risk and coverage, confusion]({picture})",
        "",
        f"n = {figures['n']}. {_promised(figures['calibration'])} Ranges held the true grade in "
        f"{_bounded(figures, 'coverage')} of the cards; their mean width is {_bounded(figures, 'mean_width')} grades. "
        f"Calibration error {_bounded(figures, 'ece')}; area under the risk-coverage curve {_bounded(figures, 'aurc')} "
        "grades.",
        "",
        *_table(["true grade", *GRADES], recall),
        *coverage_table(figures["coverage_by_grade"]),
        *risk_table(figures["risk_coverage"]),
        *reliability_table(figures["reliability"]),
    ]


def _promised(calibration: Found | None) -> str:
    if calibration is None:
        return UNCALIBRATED
    widest = calibration["widest"]
    limit = "however wide its range" if widest == len(GRADES) else f"up to a range of {widest} grades"
    return (
        f"Ranges are to hold the true grade {how_often(calibration['coverage'])}. By what its calibration cards "
        f"recommend it grades a card {limit}."
    )


def _two_places(values: Sequence[float | None]) -> list[str]:
    return [f"{value:.2f}" if value is not None else "" for value in values]


def _changes(found: Found) -> list[str]:
    one = found["rounds"][0]["rows"][0]
    lines = [
        f"Each against a recipe at a size at which many can be tried ({_settings(found['told'])}), with the seeds "
        f"{_listed(found['seeds'])}, judged on the validation cards, some of which also chose its epoch: "
        f"n = {one['cards']} in {one['groups']} groups. Hypotheses are as they were written before the run. Where one "
        "says something of single sides or of the pixels' part, that is not tested here: all is judged on whole cards. "
        "Measured inputs with some hidden are two settings at once.",
        "",
    ]
    for told in found["rounds"]:
        rows = [[row["change"], row["hypothesis"], f"{row['qwk']:.3f}", *_difference(row)] for row in told["rows"]]
        reference = f"less {told['rows'][0]['reference_qwk']:.3f}"
        lines += [f"### Against `{told['recipe']}`", "", *_table(["change", "hypothesis", "QWK", reference, "p"], rows)]
    return lines


def _sizes(found: Found) -> list[str]:
    smallest, names = found["sizes"][0], ("qwk", "exact", "mae", "rps")
    heads = ("px", "trains pairs/s", *(FIGURES[name] for name in names), f"QWK less {smallest} px", "p")
    lines = [
        f"`{OURS}` on pictures of several sizes, all else alike ({_settings(found['told'])}), seeds "
        f"{_listed(found['seeds'])}, judged on the sealed test cards, by which nothing was chosen. Pairs a second are "
        "those of the runs themselves.",
        "",
    ]
    for mix in MIXES:
        own = found[mix]
        rows = [
            [
                *(size, f"{found['pairs_per_second'][size]:.1f}", *_of_seeds(figures, names)),
                *(_difference(own["less"][size]) if size in own["less"] else ("", "")),
            ]
            for size, figures in own["figures"].items()
        ]
        lines += [f"### Mix `{mix}`, n = {own['n']}", "", *_table(heads, rows)]
    return lines


def _stronger(found: Found) -> list[str]:
    names = ("qwk", "mae", "rps")
    costs = ("models trained", "stored", "looks a card")
    heads = ("", *costs, *(FIGURES[name] for name in names), "QWK less single", "p")
    lines = [
        f"`{OURS}` on the test cards, which were looked at again for each number of views; seeds "
        f"{_listed(found['seeds'])}. There is one ensemble of all seeds: its interval holds no chance of training.",
        "",
    ]
    for mix in MIXES:
        rows = [
            [
                *(name, way["trained"], way["stored"], way["looks"], *_of_seeds(way["figures"], names)),
                *(_difference(way["less"]) if way["less"] else ("", "")),
            ]
            for name, way in found[mix]["ways"].items()
        ]
        lines += [f"### Mix `{mix}`, n = {found[mix]['n']}", "", *_table(heads, rows)]
    return lines


def _fronts(found: Found) -> list[str]:
    rows = [[name, each["n"], *_of_one_model(each)] for name, each in found["ways"].items()]
    given = [[name, "", *figures, *[""] * (len(FIGURES) - len(figures))] for name, figures in REFERENCES.items()]
    less = [[name, row["cards"], *_difference(row)] for name, row in found["less"].items()]
    return [
        "Every card is judged once, by the fold that never saw it nor its near-duplicates, with one seed: no chance of "
        "training is in these intervals. Each fold's epoch was chosen on the cards that it is judged by, and how long "
        "and how sparingly to train (mixup, averaged weights) by looking at the first fold: both flatter. Nothing was "
        "chosen on the sealed cards, which the five folds' models judge together. The background alone is the picture "
        "with its card blacked out; a slab's label, which shows the grade, is still in it. The references were "
        "measured beforehand on another part of the same set, with the label cut away.",
        "",
        *_table(["", "n", *FIGURES.values()], [*rows, *given]),
        "Held against each other on the cards of the first fold that both have judged:",
        "",
        *_table(["", "n", "QWK", "p"], less),
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
    heads = ["", "n", *FIGURES.values(), "ranges hold"]
    rows = [
        [
            *(each.on, each.figures["n"], *_of_one_model(each.figures)),
            _bounded(each.figures, "coverage") if "coverage" in each.figures else "",
        ]
        for each in card.measured
    ]
    return [
        *(f"- {sentence}" for sentence in (*card.data, *card.limits)),
        "",
        *_table(heads, rows),
        f"Stored in 8 bits it tells the same grade as at full precision on {agreed['equal_grades']:.1%} of those "
        f"{agreed['cards']} fresh cards that the program's own split does not call test; no probability differs by "
        f"more than {agreed['largest_difference']:.4f}; QWK {agreed['qwk']:.4f} against {agreed['qwk_full']:.4f}.",
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
        f"{found['device']}, in its own seconds; medians of {found['steps']} steps after one to warm up, so few that "
        "rows within about 15 % are not told apart (`baseline` and `ordinal` are nearly one network). One pair is "
        f"graded at a time, {recipe_config(OURS, {}).batch_size} are trained on at once. Before the network, a side "
        f"takes {before['seconds to find']:.2f} s to read and find and {before['seconds to measure']:.2f} s to measure "
        f"(medians of {before['sides']} simulated sides).",
        "",
        *_table(heads, rows),
        _at_full_size({row["image_size"]: row["training bf16"]["pairs_per_second"] for row in found["networks"]}),
        "",
    ]


def _at_full_size(speeds: dict[int, float]) -> str:
    """What `--full` takes on a device that trains so many pairs a second at each size, in bf16."""
    cards = sum(part.pairs for part in FULL.parts if not part.test) * (VALIDATED - 1) // VALIDATED
    size, epochs = (FULL.settings[name] for name in ("image_size", "phase2_epochs"))
    hours = {pixels: cards * epochs / speeds[pixels] / 3600 for pixels in (size, FULL.larger) if pixels in speeds}
    each = " and ".join(f"{taken:.0f} hours at {pixels} px" for pixels, taken in hours.items())
    return (
        f"`simulated --full` and `stronger --full` train {len(FULL.recipes)} recipes on about {cards:,} pairs at "
        f"{size} px for {epochs} epochs, and `{OURS}` at {FULL.larger} px too, {len(SEEDS)} seeds each. On this device "
        f"a run takes about {each}. What this page tells of simulated pairs says under each heading at which size it "
        "was trained; of how close to the ceiling full size comes it says nothing where that is smaller."
    )


TELLERS: dict[str, Callable[[Found], list[str]]] = {
    "simulated": _simulated,
    "changes": _changes,
    "sizes": _sizes,
    "stronger": _stronger,
    "fronts": _fronts,
    "cost": _cost,
}
