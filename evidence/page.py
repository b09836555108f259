"""docs/evidence.md: what the other steps have found, in words and tables; what is not gathered yet is named.

A section is written anew where the folder holds what its step found, and else stays as it stands on the page: one part
of the evidence can be gathered again without all the others.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.settings import PROGRAM
from engine.cards.pairs import read_manifest
from engine.evaluation import predictions
from engine.inference.model_card import FILE, Card
from engine.starter import MODEL
from evidence import pictures, sections, worst
from evidence.cached_json import read
from evidence.tables import FIGURES, Found, bounded, listed, of_one_model, table

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
TELLERS: dict[str, Callable[[Found], list[str]]] = {
    "simulated": sections.simulated,
    "changes": sections.changes,
    "sizes": sections.sizes,
    "stronger": sections.stronger,
    "fronts": sections.fronts,
    "cost": sections.cost,
}

INTRODUCTION = """# How good is it, and how do we know

Written by `python -m evidence page --out DIR` from what the other steps left in that folder, and in
`DIR/starter` from what `python -m tools.build_starter --work DIR/starter` left. Each goes on where it was stopped. A
section whose findings are not in that folder stays as it was written before.

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
    if "simulated" in found:
        pictures.certainty(found["simulated"]["certainty"], PICTURES / "simulated.png")
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
        written += ["## Not gathered yet", "", f"{listed(missing).capitalize()}.", ""]
    PAGE.write_text("\n".join(written), encoding="utf-8")
    return {"page": str(PAGE), "kept": kept, "missing": missing}


def _sections(page: Path) -> dict[str, str]:
    """By title what stands below it on the page, up to the next title of its rank."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    return dict(section.split("\n", 1) for section in text.split("\n## ")[1:])


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
            *(each.on, each.figures["n"], *of_one_model(each.figures)),
            bounded(each.figures, "coverage") if "coverage" in each.figures else "",
        ]
        for each in card.measured
    ]
    return [
        *(f"- {sentence}" for sentence in (*card.data, *card.limits)),
        "",
        *table(heads, rows),
        f"Stored in 8 bits it tells the same grade as at full precision on {agreed['equal_grades']:.1%} of those "
        f"{agreed['cards']} fresh cards that the program's own split does not call test; no probability differs by "
        f"more than {agreed['largest_difference']:.4f}; QWK {agreed['qwk']:.4f} against {agreed['qwk_full']:.4f}.",
        "",
        *sections.certainty(figures, "evidence/starter.png"),
        "### Its ten worst errors",
        "",
        "![Ten cards, front and back, with the true and the expected grade](evidence/worst.jpg)",
        "",
        looked_at,
        "",
    ]
