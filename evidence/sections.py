"""What each step has found, in words and tables: the lines of its section on the page."""

from __future__ import annotations

from app.grading.calibration_report import UNCALIBRATED, coverage_table, how_often, reliability_table, risk_table
from engine.cards.grades import GRADES
from engine.recipes import recipe_config
from evidence.collection import VALIDATED
from evidence.fronts import REFERENCES
from evidence.simulated import FULL, MIXES, OURS, SEEDS
from evidence.tables import (
    FIGURES,
    Found,
    bounded,
    difference,
    listed,
    of_one_model,
    of_seeds,
    settings,
    table,
    two_places,
)


def simulated(found: Found) -> list[str]:
    """The recipes and the rubric, a table a mix, and what the certainty of ours is worth."""
    lines = [
        f"Each model learned from both mixes at once ({settings(found['told'])}), with the seeds "
        f"{listed(found['seeds'])}; it is judged on the sealed test cards, by which nothing was chosen. The rubric "
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
        rows = [[name, *of_seeds(each), f"{each['qwk'][0] / ceiling:.1%}"] for name, each in best_first]
        lines += table(["", *FIGURES.values(), "of the ceiling"], rows)
        less = [[other, *difference(row)] for other, row in own["less"].items()]
        lines += table([f"`{OURS}` less", "QWK", "p"], less)
    lines += [
        "### What its certainty is worth",
        "",
        f"`{OURS}`, seed {found['seeds'][0]}, both mixes together; calibrated on the cards that chose its epoch.",
        "",
    ]
    return [*lines, *certainty(found["certainty"], "evidence/simulated.png")]


def certainty(figures: Found, picture: str) -> list[str]:
    """What a model's certainty is worth, from what `evaluate` prints; `picture` lies beside the page."""
    recall = [["recall", *two_places(figures["recall"])]]
    recall += [[end, *two_places(figures[f"recall_{end}"])] for end in ("low", "high")]
    return [
        f"![Reliability, risk and coverage, confusion]({picture})",
        "",
        f"n = {figures['n']}. {_promised(figures['calibration'])} Ranges held the true grade in "
        f"{bounded(figures, 'coverage')} of the cards; their mean width is {bounded(figures, 'mean_width')} grades. "
        f"Calibration error {bounded(figures, 'ece')}; area under the risk-coverage curve {bounded(figures, 'aurc')} "
        "grades.",
        "",
        *table(["true grade", *GRADES], recall),
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


def changes(found: Found) -> list[str]:
    """One change at a time, a table a round."""
    one = found["rounds"][0]["rows"][0]
    lines = [
        f"Each against a recipe at a size at which many can be tried ({settings(found['told'])}), with the seeds "
        f"{listed(found['seeds'])}, judged on the validation cards, some of which also chose its epoch: "
        f"n = {one['cards']} in {one['groups']} groups. Hypotheses are as they were written before the run. Where one "
        "says something of single sides or of the pixels' part, that is not tested here: all is judged on whole cards. "
        "Measured inputs with some hidden are two settings at once.",
        "",
    ]
    for told in found["rounds"]:
        rows = [[row["change"], row["hypothesis"], f"{row['qwk']:.3f}", *difference(row)] for row in told["rows"]]
        reference = f"less {told['rows'][0]['reference_qwk']:.3f}"
        lines += [f"### Against `{told['recipe']}`", "", *table(["change", "hypothesis", "QWK", reference, "p"], rows)]
    return lines


def sizes(found: Found) -> list[str]:
    """Larger pictures, a table a mix, and what full size would take."""
    smallest, names = found["sizes"][0], ("qwk", "exact", "mae", "rps")
    heads = ("px", "trains pairs/s", *(FIGURES[name] for name in names), f"QWK less {smallest} px", "p")
    lines = [
        f"`{OURS}` on pictures of several sizes, all else alike ({settings(found['told'])}), seeds "
        f"{listed(found['seeds'])}, judged on the sealed test cards, by which nothing was chosen. Pairs a second are "
        "those of the runs themselves.",
        "",
    ]
    for mix in MIXES:
        own = found[mix]
        rows = [
            [
                *(size, f"{found['pairs_per_second'][size]:.1f}", *of_seeds(figures, names)),
                *(difference(own["less"][size]) if size in own["less"] else ("", "")),
            ]
            for size, figures in own["figures"].items()
        ]
        lines += [f"### Mix `{mix}`, n = {own['n']}", "", *table(heads, rows)]
    largest = found["sizes"][-1]
    return [*lines, _at_full_size(largest, found["pairs_per_second"][str(largest)]), ""]


def _at_full_size(pixels: int, pairs_per_second: float) -> str:
    """What `--full` would take of pictures of that size, at that pace."""
    cards = sum(part.pairs for part in FULL.parts if not part.test) * (VALIDATED - 1) // VALIDATED
    size, epochs = (FULL.settings[name] for name in ("image_size", "phase2_epochs"))
    return (
        f"`simulated --full` and `stronger --full` train {len(FULL.recipes)} recipes on about {cards:,} pairs at "
        f"{size} px for {epochs} epochs, and `{OURS}` at {FULL.larger} px too, {len(SEEDS)} seeds each. At the pace of "
        f"the runs above, whose encoders are smaller, one run at {pixels} px takes "
        f"{cards * epochs / pairs_per_second / 3600:.0f} hours: these want a GPU, and none was at hand. So how close "
        "to the ceiling full size comes, and what it costs on CUDA, is not known."
    )


def stronger(found: Found) -> list[str]:
    """Views, ensembles, students, a table a mix."""
    names = ("qwk", "mae", "rps")
    costs = ("models trained", "stored", "looks a card")
    heads = ("", *costs, *(FIGURES[name] for name in names), "QWK less single", "p")
    lines = [
        f"`{OURS}` on the test cards, which were looked at again for each number of views; seeds "
        f"{listed(found['seeds'])}. There is one ensemble of all seeds: its interval holds no chance of training.",
        "",
    ]
    for mix in MIXES:
        rows = [
            [
                *(name, way["trained"], way["stored"], way["looks"], *of_seeds(way["figures"], names)),
                *(difference(way["less"]) if way["less"] else ("", "")),
            ]
            for name, way in found[mix]["ways"].items()
        ]
        lines += [f"### Mix `{mix}`, n = {found[mix]['n']}", "", *table(heads, rows)]
    return lines


def fronts(found: Found) -> list[str]:
    """Real fronts, the references beside them."""
    rows = [[name, each["n"], *of_one_model(each)] for name, each in found["ways"].items()]
    given = [[name, "", *figures, *[""] * (len(FIGURES) - len(figures))] for name, figures in REFERENCES.items()]
    less = [[name, row["cards"], *difference(row)] for name, row in found["less"].items()]
    return [
        "Every card is judged once, by the fold that never saw it nor its near-duplicates, with one seed: no chance of "
        "training is in these intervals. Each fold's epoch was chosen on the cards that it is judged by, and how long "
        "and how sparingly to train (mixup, averaged weights) by looking at the first fold: both flatter. Nothing was "
        "chosen on the sealed cards, which the five folds' models judge together. The background alone is the picture "
        "with its card blacked out; a slab's label, which shows the grade, is still in it. The references were "
        "measured beforehand on another part of the same set, with the label cut away.",
        "",
        *table(["", "n", *FIGURES.values()], [*rows, *given]),
        "Held against each other on the cards of the first fold that both have judged:",
        "",
        *table(["", "n", "QWK", "p"], less),
    ]


def cost(found: Found) -> list[str]:
    """What the recipes cost."""

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
        *table(heads, rows),
    ]
