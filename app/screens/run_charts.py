"""Charts of the Train tab: several runs side by side, a chart for each chosen metric; the browser keeps the choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from app.runs.run_status import run_choices
from app.screens import charts
from app.screens.kept_state import kept_state
from db import runs
from db.schema import Epoch
from db.session import Database

MAX_CHARTS, MAX_RUNS = 4, 6
# Of the curves in their order; those of Vega, a contrast of 3 on white and on the dark page.
COLORS = ("#4c78a8", "#e06c00", "#d6444b", "#2a9a94", "#54883f", "#b279a2")


class RunCharts:
    """The charts of one database."""

    def __init__(self, database: Database) -> None:
        """Add the charts to the Gradio layout being built; the tab connects their events."""
        self._database = database
        with gr.Row(elem_classes="level"):
            limit: dict[str, Any] = {"multiselect": True, "scale": 1, "min_width": 260}
            self.metrics = gr.Dropdown(
                list(charts.METRICS),
                value=list(charts.DEFAULT_METRICS),
                label="Charts",
                max_choices=MAX_CHARTS,
                elem_id="chart-metrics",
                **limit,
            )
            self.compared = gr.Dropdown(
                [], label="Compare with runs", max_choices=MAX_RUNS - 1, elem_id="compared-runs", **limit
            )
        with gr.Row():
            options: dict[str, Any] = {"x": "epoch", "y": "value", "color": "curve", "color_title": "", "height": 240}
            self._plots = [
                gr.LinePlot(
                    x_axis_format=".3~g", buttons=[], visible="hidden", elem_id=f"run-chart-{number}", **options
                )
                for number in range(1, MAX_CHARTS + 1)
            ]
        self.kept = kept_state("train-charts")
        self.drawn: gr.State = gr.State(None)

    @property
    def inputs(self) -> list[Any]:
        """The widgets that `draw` reads."""
        return [self.metrics, self.compared, self.drawn]

    @property
    def outputs(self) -> list[Any]:
        """The widgets that `draw` updates."""
        return [*self._plots, self.drawn]

    @property
    def filled(self) -> list[Any]:
        """The widgets that `fill` updates."""
        return [self.metrics, self.compared]

    def fill(self, kept: Any) -> list[Any]:
        """Updates of the choices, as the browser has kept them."""
        choices = run_choices(self._database)
        metrics, compared = kept_choice(kept, choices)
        return [metrics, gr.update(choices=choices, value=compared)]

    def draw(
        self, run_id: int | None, metrics: Sequence[str] | None, compared: Sequence[int] | None, drawn: Any
    ) -> list[Any]:
        """Charts of the watched run and those compared with it; redrawn only after a change, so as not to flicker."""
        chosen = [*([] if run_id is None else [run_id]), *(run for run in compared or () if run != run_id)][:MAX_RUNS]
        shown = [metric for metric in metrics or () if metric in charts.METRICS][:MAX_CHARTS]
        with self._database.reading() as session:
            versions = runs.epoch_versions(session, run_ids=chosen)
            version = [[run, *map(str, versions.get(run, ()))] for run in chosen]
            old_curves, old_version, is_repeated = drawn or ([], [], False)
            has_new_curves = old_curves != [shown, chosen]
            if not has_new_curves and old_version == version and is_repeated:
                return [gr.skip()] * len(self.outputs)
            epochs = {run: runs.epochs(session, run_id=run) for run in chosen}
        # New curves are drawn once more at the next tick: Gradio 6.31 sometimes draws them with the names of the old.
        is_repeated = not has_new_curves and (is_repeated or old_version == version)
        plots = [_plot(epochs, metric, is_repeated=is_repeated) for metric in shown]
        hidden = [gr.update(visible="hidden")] * (MAX_CHARTS - len(plots))
        return [*plots, *hidden, ([shown, chosen], version, is_repeated)]


def kept_choice(kept: Any, choices: Sequence[tuple[str, int]]) -> tuple[list[str], list[int]]:
    """Metrics and runs that the browser has kept, those that there still are; without any, the usual metrics."""
    values = kept if isinstance(kept, dict) else {}
    ids = [run for _, run in choices]
    metrics, compared = values.get("metrics"), values.get("runs")
    return (
        [name for name in charts.METRICS if name in metrics][:MAX_CHARTS]
        if isinstance(metrics, list)
        else list(charts.DEFAULT_METRICS),
        [run for run in compared if run in ids][: MAX_RUNS - 1] if isinstance(compared, list) else [],
    )


def _plot(epochs: dict[int, Sequence[Epoch]], metric: str, *, is_repeated: bool) -> dict[str, Any]:
    """New content of a chart.

    One without any value is hidden but stays in the page: Gradio 6.31 fails on measuring a plot that was removed.
    """
    rows = charts.curves(epochs, metric)
    if rows.empty:
        return gr.update(visible="hidden")  # with its old content, since an empty one has no limits
    first, last = charts.epoch_range([epoch for of_run in epochs.values() for epoch in of_run])
    margin = charts.STROKE * (last - first)  # for a single epoch at the edge
    # Gradio 6.31 builds a chart anew only if this changes too; the color of no curve is not used.
    colors = dict(zip(rows["curve"].unique(), COLORS, strict=False)) | ({"": COLORS[0]} if is_repeated else {})
    return gr.update(
        value=rows,
        title=metric,
        y_title=metric,
        color_map=colors,
        x_lim=[first - margin, last + margin],
        visible=True,
    )
