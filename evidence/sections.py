"""Sections of the evidence page: text and tables from the results of each step."""

from __future__ import annotations

from app.markdown import table
from app.models.calibration_report import UNCALIBRATED, coverage_table, how_often, reliability_table, risk_table
from engine.cards.grades import GRADES
from engine.recipes import recipe_config
from evidence.collection import VALIDATION_EVERY
from evidence.steps.fronts import REFERENCES
from evidence.steps.simulated import FULL, MIXES, OUR_RECIPE, SEEDS
from evidence.tables import (
    METRIC_HEADS,
    Results,
    comma_list,
    difference_cells,
    metric_cells,
    seed_metric_cells,
    settings_text,
    two_decimals,
    with_interval,
)


def simulated(results: Results) -> list[str]:
    """Simulated pairs: recipes and rubric, a table per mix, and the uncertainty metrics of our recipe."""
    lines = [
        f"Each model was trained on both mixes together ({settings_text(results['told'])}), with seeds "
        f"{comma_list(results['seeds'])}, and evaluated on the sealed test cards, on which nothing was selected. The "
        "rubric baseline is not trained: it applies the simulator's own severity table to the measurements, and counts "
        "missing measurements as flawless.",
        "",
    ]
    for mix in MIXES:
        on_mix = results[mix]
        ceiling = on_mix["ceiling"]["qwk"]
        lines += [
            f"### Mix `{mix}`",
            "",
            f"n = {on_mix['n']} cards. The simulated grader's error has a standard deviation of {on_mix['noise']} "
            f"grades: a perfect model would reach a QWK of {ceiling:.3f} against such labels.",
            "",
        ]
        best_first = sorted(on_mix["ways"].items(), key=lambda item: -item[1]["qwk"][0])
        rows = [
            [name, *seed_metric_cells(estimates), f"{estimates['qwk'][0] / ceiling:.1%}"]
            for name, estimates in best_first
        ]
        lines += table(["", *METRIC_HEADS.values(), "of the ceiling"], rows)
        differences = [[name, *difference_cells(row)] for name, row in on_mix["less"].items()]
        lines += table([f"`{OUR_RECIPE}` less", "QWK", "p"], differences)
    lines += [
        "### Uncertainty",
        "",
        f"`{OUR_RECIPE}`, seed {results['seeds'][0]}, both mixes together; calibrated on its validation cards.",
        "",
    ]
    return [*lines, *uncertainty(results["certainty"], "evidence/simulated.png")]


def uncertainty(metrics: Results, picture: str) -> list[str]:
    """A model's uncertainty metrics, from the output of `evaluate`; `picture` is a path relative to the page."""
    recall = [["recall", *two_decimals(metrics["recall"])]]
    recall += [[end, *two_decimals(metrics[f"recall_{end}"])] for end in ("low", "high")]
    return [
        f"![Reliability, risk and coverage, confusion]({picture})",
        "",
        f"n = {metrics['n']}. {_calibration_text(metrics['calibration'])} Fraction of cards whose range contains the "
        f"true grade: {with_interval(metrics, 'coverage')}; mean width: {with_interval(metrics, 'mean_width')} grades. "
        f"Calibration error: {with_interval(metrics, 'ece')}; area under the risk-coverage curve: "
        f"{with_interval(metrics, 'aurc')} grades.",
        "",
        *table(["true grade", *GRADES], recall),
        *coverage_table(metrics["coverage_by_grade"]),
        *risk_table(metrics["risk_coverage"]),
        *reliability_table(metrics["reliability"]),
    ]


def _calibration_text(calibration: Results | None) -> str:
    if calibration is None:
        return UNCALIBRATED
    max_width = calibration["widest"]
    limit = "none" if max_width == len(GRADES) else f"{max_width} grades"
    return (
        f"Ranges are calibrated to contain the true grade {how_often(calibration['coverage'])}. Limit on the width "
        f"of a graded range, as recommended by the calibration: {limit}."
    )


def changes(results: Results) -> list[str]:
    """One change at a time, a table per round."""
    first_row = results["rounds"][0]["rows"][0]
    lines = [
        f"Each change is compared with a recipe at a small size ({settings_text(results['told'])}), with seeds "
        f"{comma_list(results['seeds'])}, on the validation cards, some of which were also used to select the epoch: "
        f"n = {first_row['cards']} in {first_row['groups']} groups. Hypotheses are quoted as written before the run. "
        "Claims about single sides or about the contribution of the pixels were not tested: every comparison uses "
        "whole cards. The measured inputs that are hidden on a fifth of the sides are two settings at once. The "
        "setting of soft labels has been removed since.",
        "",
    ]
    for round_ in results["rounds"]:
        rows = [
            [row["change"], row["hypothesis"], f"{row['qwk']:.3f}", *difference_cells(row)] for row in round_["rows"]
        ]
        heads = ["change", "hypothesis", "QWK", f"less {round_['rows'][0]['reference_qwk']:.3f}", "p"]
        lines += [f"### Against `{round_['recipe']}`", "", *table(heads, rows)]
    return lines


def sizes(results: Results) -> list[str]:
    """Larger pictures: a table per mix, and the time that full size would take."""
    smallest, names = results["sizes"][0], ("qwk", "exact", "mae", "rps")
    heads = ("px", "trains pairs/s", *(METRIC_HEADS[name] for name in names), f"QWK less {smallest} px", "p")
    lines = [
        f"`{OUR_RECIPE}` with pictures of several sizes and otherwise equal settings "
        f"({settings_text(results['told'])}), seeds {comma_list(results['seeds'])}, evaluated on the sealed "
        "test cards, on which nothing was selected. Pairs per second were measured during these runs.",
        "",
    ]
    for mix in MIXES:
        on_mix = results[mix]
        rows = [
            [
                *(size, f"{results['pairs_per_second'][size]:.1f}", *seed_metric_cells(estimates, names)),
                *(difference_cells(on_mix["less"][size]) if size in on_mix["less"] else ("", "")),
            ]
            for size, estimates in on_mix["figures"].items()
        ]
        lines += [f"### Mix `{mix}`, n = {on_mix['n']}", "", *table(heads, rows)]
    largest = results["sizes"][-1]
    return [*lines, _full_size_text(largest, results["pairs_per_second"][str(largest)]), ""]


def _full_size_text(image_size: int, pairs_per_second: float) -> str:
    """Training time of `--full` at an image size, estimated from the measured speed."""
    cards = sum(part.pairs for part in FULL.parts if not part.test) * (VALIDATION_EVERY - 1) // VALIDATION_EVERY
    full_size, epochs = (FULL.settings[name] for name in ("image_size", "phase2_epochs"))
    return (
        f"`simulated --full` and `stronger --full` train {len(FULL.recipes)} recipes on about {cards:,} pairs at "
        f"{full_size} px for {epochs} epochs, and `{OUR_RECIPE}` also at {FULL.larger_image_size} px, {len(SEEDS)} "
        f"seeds each. At the speed of the runs above, which use smaller encoders, one run at {image_size} px takes "
        f"{cards * epochs / pairs_per_second / 3600:.0f} hours. These runs need a GPU, and none was available, so the "
        "QWK at full size and the cost on CUDA are unknown."
    )


def stronger(results: Results) -> list[str]:
    """Test-time augmentation, ensembles and distillation, a table per mix."""
    names = ("qwk", "mae", "rps")
    costs = ("models trained", "stored", "looks a card")
    heads = ("", *costs, *(METRIC_HEADS[name] for name in names), "QWK less single", "p")
    lines = [
        f"`{OUR_RECIPE}` on the test cards, which were used again for each number of views; seeds "
        f"{comma_list(results['seeds'])}. All seeds form one ensemble, so its interval does not include the variation "
        "between training runs.",
        "",
    ]
    for mix in MIXES:
        rows = [
            [
                *(name, method["trained"], method["stored"], method["looks"]),
                *seed_metric_cells(method["figures"], names),
                *(difference_cells(method["less"]) if method["less"] else ("", "")),
            ]
            for name, method in results[mix]["ways"].items()
        ]
        lines += [f"### Mix `{mix}`, n = {results[mix]['n']}", "", *table(heads, rows)]
    return lines


def fronts(results: Results) -> list[str]:
    """Real fronts, with the references."""
    rows = [[name, metrics["n"], *metric_cells(metrics)] for name, metrics in results["ways"].items()]
    references = [[name, "", *values, *[""] * (len(METRIC_HEADS) - len(values))] for name, values in REFERENCES.items()]
    differences = [[name, row["cards"], *difference_cells(row)] for name, row in results["less"].items()]
    return [
        "Every card is predicted once, by the fold that was not trained on it or on its near-duplicates, with one "
        "seed: the intervals do not include the variation between training runs. Two choices make the results "
        "optimistic: each fold's epoch was selected on the cards it is evaluated on, and the length and regularization "
        "of training (mixup, averaged weights) on the first fold. Nothing was selected on the sealed cards, which are "
        "predicted by the mean of the five folds' models. For the background alone, the card in the picture is blacked "
        "out; a slab's label, which shows the grade, is still visible. The references were measured earlier on another "
        "part of the same set, with the label cut away.",
        "",
        *table(["", "n", *METRIC_HEADS.values()], [*rows, *references]),
        "Paired differences on the cards of the first fold that both models predicted:",
        "",
        *table(["", "n", "QWK", "p"], differences),
    ]


def cost(results: Results) -> list[str]:
    """Speed and memory of the recipes."""

    def speed(row: Results, task: str) -> str:
        return f"{row[task]['pairs_per_second']:.2f}"

    rows = [
        [
            *(row["recipe"], row["image_size"], f"{row['parameters'] / 1e6:.1f}", speed(row, "grading")),
            *(speed(row, "training 32"), speed(row, "training bf16")),
            *(f"{row[task]['memory_mib']:.0f}" for task in ("grading", "training 32")),
        ]
        for row in results["networks"]
    ]
    before = results["before the network"]
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
        f"{results['device']}, in processor time; medians of {results['steps']} steps after one warm-up step. With so "
        "few steps, differences within about 15 % are noise (`baseline` and `ordinal` are nearly the same network). "
        f"Grading takes one pair at a time, training a batch of {recipe_config(OUR_RECIPE, {}).batch_size}. Before the "
        f"network, a side takes {before['seconds to find']:.2f} s to read and detect and "
        f"{before['seconds to measure']:.2f} s to measure (medians of {before['sides']} simulated sides).",
        "",
        *table(heads, rows),
    ]


def real_networks(results: Results) -> list[str]:
    """Networks trained on real pairs: out of fold, sealed, other sources, the photograph's part, changed photos."""
    names = ("qwk", "exact", "within_one", "mae", "auc_9_10")
    heads = [METRIC_HEADS[name] for name in names]
    given = {"pair": "front and back", "front": "front alone", "back": "back alone"}
    sealed, changes, control = results["sealed"], results["changes"], results["control"]
    rows = [[given[name], *seed_metric_cells(row, names)] for name, row in results["out of fold"].items()]
    rows += [[f"{sealed['n']} sealed pairs, mean of the fold models", *seed_metric_cells(sealed["metrics"], names)]]
    gain, p_value = difference_cells(control["gain"])
    return [
        "Recipe `photographs`: two frozen EfficientNet-Lite0 with ImageNet weights at 704 x 512 pixels, the features "
        "of their penultimate stage pooled over the side, its edges and its corners; measurements; and fusion layers "
        "trained on pairs and some simulated cards, each in eight views, seven of them photographed differently. "
        f"{results['n']} open pairs in five folds that separate no "
        "near-duplicates; each is graded by the one network of the folds without it, at its last epoch. One seed.",
        "",
        *table(["", *heads], rows),
        f"Less the control for the photograph (below): QWK {gain}, p {p_value}. Correlation of the network's grade "
        f"with the true grade, both less the control's prediction: {control['correlation']:.2f}.",
        "",
        "Trained on other sources of pictures than the evaluated one, the figure that counts for a user, whose camera "
        "is always another source. Cards in pictures unlike the training pictures are graded by their measurements "
        "alone:",
        "",
        *table(
            ["trained on -> evaluated on", *heads],
            [[name, *seed_metric_cells(row, names)] for name, row in results["across"].items()],
        ),
        f"The same {changes['n']} pairs, photographed differently and graded anew: the expected grade changes by "
        f"{changes['median']:.2f} in the median, {changes['p95']:.2f} in the 95th percentile; {changes['refused']} "
        "changed pairs are refused.",
        "",
        *_changes_table(changes),
    ]


def _changes_table(changes: Results) -> list[str]:
    rows = [[name, f"{move:.2f}"] for name, move in changes["by change"].items()]
    return table(["change", "median change in grades"], rows)


def real_recipes(results: Results) -> list[str]:
    """The recipes trained end to end on real pairs, and what the frozen encoders of the starter gain over each."""
    names = ("qwk", "exact", "within_one", "mae")
    rows = [
        [
            f"`{name}`",
            str(row["n"]),
            *seed_metric_cells(row["metrics"], names),
            *difference_cells(results["frozen less"][name]),
        ]
        for name, row in results["recipes"].items()
    ]
    return [
        f"Trained on the same open pairs and folds ({settings_text(results['settings'])}), each pair graded by the "
        "network of the folds without it; recipes with fewer cards were trained on the first fold only. The ResNets "
        "start from random weights, since those of ImageNet come by download only. `baseline` is the history's run 3, "
        "whose best epoch reached .7633 on its own cards, `ordinal` its run 6.",
        "",
        *table(
            ["recipe", "pairs", *(METRIC_HEADS[name] for name in names), "frozen encoders less this", "p (Holm)"], rows
        ),
    ]


def real_pairs(results: Results) -> list[str]:
    """Real pairs: frozen features by input and side, the control for the photograph, other sources, changed photos."""
    control, changes = results["control"], results["changes"]
    names = ("qwk", "exact", "within_one", "mae")
    heads = [METRIC_HEADS[name] for name in names]
    side_of_weight = {"front 0": "back", "front 0.3": ".3 front + .7 back", "front 1": "front"}
    rows = [
        [spec, *(side_of_weight[name], *seed_metric_cells(estimates, names))]
        for spec, by_weight in results["inputs"].items()
        for name, estimates in by_weight.items()
        if name in side_of_weight
    ]
    across = [[name, *seed_metric_cells(estimates, names)] for name, estimates in results["across"].items()]
    return [
        f"{results['n']} real Pokemon pairs of one public source, 25 to 33 of each grade; {results['sealed']} more "
        "are sealed. Ridge regression on features of a frozen EfficientNet-Lite with ImageNet weights; five folds that "
        "separate no near-duplicates, three seeds. The card is rectified first, so that slab and background are not "
        'seen; only the rows "whole picture" see them.',
        "",
        *table(["input", "side", *heads], rows),
        "### How much of it is the photograph",
        "",
        "Boosted trees on size, bytes, sharpness, exposure and mean colors of the same pictures, which know nothing of "
        "the card's condition:",
        "",
        *table(["", *heads], [["control", *seed_metric_cells(control["metrics"], names)]]),
        f"Features less control: QWK {difference_cells(control['gain'])[0]}, p {difference_cells(control['gain'])[1]}. "
        "Correlation of the features' grade with the true grade, both less the control's prediction: "
        f"{control['correlation']:.2f}.",
        "",
        "### Other sources",
        "",
        "Fronts only, trained on one source of pictures and evaluated on another: the figure that counts for a user, "
        "whose camera is always another source.",
        "",
        *table(["trained on -> evaluated on", *heads], across),
        "### The same card, photographed differently",
        "",
        f"Change of the expected grade of {changes['n']} cards: median {changes['median']:.2f}, 95th percentile "
        f"{changes['p95']:.2f} grades.",
        "",
        *_changes_table(changes),
    ]
