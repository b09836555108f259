"""docs/evidence.md, written from the results of the other steps; missing parts are listed at its end.

A section is rewritten if its results are in the folder and kept otherwise, so one part of the evidence can be gathered
again without the others.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.markdown import table
from app.settings import PROGRAM
from engine.cards.pairs import read_manifest
from engine.evaluation import predictions
from engine.inference.model_card import FILE_NAME, ModelCard
from engine.starter import MODEL
from evidence import pictures, sections, worst
from evidence.cached_json import read_json
from evidence.tables import METRIC_HEADS, Results, comma_list, metric_cells, with_interval

# Section titles by step, in the order of the page.
TITLES = {
    "real_networks": "Networks trained on real pairs",
    "real_recipes": "The recipes trained end to end on real pairs",
    "real_pairs": "Real graded pairs",
    "starter": "The starter model",
    "simulated": "Simulated pairs: the recipes and a rubric baseline",
    "changes": "One change at a time",
    "sizes": "Larger pictures and their cost",
    "stronger": "Stronger predictions and their cost",
    "fronts": "Real fronts",
    "cost": "Cost",
}
PAGE = PROGRAM / "docs" / "evidence.md"
PICTURES = PROGRAM / "docs" / "evidence"
# Explanation of the ten worst errors, written by hand; it names the SHA-256 of its model.
EXPLANATION = Path(__file__).parent / "worst.md"
SECTION_WRITERS: dict[str, Callable[[Results], list[str]]] = {
    "real_networks": sections.real_networks,
    "real_recipes": sections.real_recipes,
    "real_pairs": sections.real_pairs,
    "simulated": sections.simulated,
    "changes": sections.changes,
    "sizes": sections.sizes,
    "stronger": sections.stronger,
    "fronts": sections.fronts,
    "cost": sections.cost,
}

INTRODUCTION = """# Evidence: how accurate the models are, and how it was measured

Written by `python -m evidence page --out DIR` from the results of the other steps in that folder, and from those of
`python -m tools.build_starter --work DIR/starter` in `DIR/starter`. Each step can be interrupted and resumed. A section
whose results are not in the folder keeps its previous text.

Intervals are 95 %, from a bootstrap over groups of cards (a design, a near-duplicate) with a thousand resamples. With
several seeds, the seeds are resampled too; two or three seeds underestimate the variation between training runs, and
one seed does not measure it. Differences are paired by card and seed, from ten thousand resamples. Their intervals are
per row; their p-values are Holm-adjusted over the rows of a table, and the smallest possible is .0002 x rows. Bootstrap
intervals of the calibration error are biased upwards, since resampling adds random gaps. Negative results are listed
too.

Macro-MAE is the mean of the MAE of each grade. The AUC of 9 and 10 measures how well tens are separated from nines; .5
is chance. RPS: ranked probability score, 0 is perfect.
"""


def run(folder: Path) -> Results:
    """Write the page; returns its path, the kept sections and the missing ones."""
    results = {name: read_json(path) for name in TITLES if (path := folder / f"{name}.json").exists()}
    new: dict[str, list[str]] = {}
    if MODEL.with_name(FILE_NAME).exists() and (folder / "starter" / "evaluate.csv").exists():
        new["starter"] = _starter(folder / "starter")
    new |= {name: write(results[name]) for name, write in SECTION_WRITERS.items() if name in results}
    if "simulated" in results:
        pictures.draw_uncertainty(results["simulated"]["certainty"], PICTURES / "simulated.png")
    old = _sections(PAGE)
    kept_names = [name for name, title in TITLES.items() if name not in new and title in old]
    missing = [name for name in TITLES if name not in new and name not in kept_names]
    lines = [INTRODUCTION]
    for name, title in TITLES.items():
        if name in new:
            lines += [f"## {title}", "", *new[name]]
        elif name in kept_names:
            lines += [f"## {title}", old[title]]
    if missing:
        lines += ["## Not gathered yet", "", f"{comma_list(missing).capitalize()}.", ""]
    PAGE.write_text("\n".join(lines), encoding="utf-8")
    return {"page": str(PAGE), "kept": kept_names, "missing": missing}


def _sections(page: Path) -> dict[str, str]:
    """Text of each section of the page by title."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    return dict(section.split("\n", 1) for section in text.split("\n## ")[1:])


def _starter(folder: Path) -> list[str]:
    """The shipped model, from its card, and its worst errors on the fresh cards in the folder of its build.

    Raises SystemExit if the folder holds another model than the shipped one.
    """
    card = ModelCard.model_validate_json(MODEL.with_name(FILE_NAME).read_bytes())
    if read_json(folder / "evaluate.json")["model"]["sha256"] != card.sha256:
        raise SystemExit(f"{folder} holds another model than the one that ships; give the folder that it was built in")
    # The first results with the ranges of the shipped model itself; those before are of models that lack the cards.
    of_model = (result.figures for result in card.measured if result.figures.get("calibration"))
    metrics = next(of_model, card.measured[0].figures)
    agreement = card.agreement
    pictures.draw_uncertainty(metrics, PICTURES / "starter.png")
    pairs = read_manifest(folder / "fresh" / "labels.csv").pairs
    worst.draw_worst(predictions.read(folder / "evaluate.csv"), pairs, PICTURES / "worst.jpg")
    explanation = EXPLANATION.read_text(encoding="utf-8") if EXPLANATION.exists() else ""
    heads = ["", "n", *METRIC_HEADS.values(), "ranges hold"]
    rows = [
        [
            *(result.on, result.figures["n"], *metric_cells(result.figures)),
            with_interval(result.figures, "coverage") if "coverage" in result.figures else "",
        ]
        for result in card.measured
    ]
    return [
        *(f"- {sentence}" for sentence in (*card.data, *card.limits)),
        "",
        *table(heads, rows),
        f"Stored in 8 bits, the model gives the same grade as at full precision on {agreement['equal_grades']:.1%} of "
        f"{agreement['cards']} fresh cards (those outside the program's own test split); no probability differs by "
        f"more than {agreement['largest_difference']:.4f}; QWK {agreement['qwk']:.4f} against "
        f"{agreement['qwk_full']:.4f}.",
        "",
        *sections.uncertainty(metrics, "evidence/starter.png"),
        "### Its ten worst errors",
        "",
        "![Ten cards, front and back, with the true and the expected grade](evidence/worst.jpg)",
        "",
        explanation if card.sha256 in explanation else "They have not been explained yet.",
        "",
    ]
