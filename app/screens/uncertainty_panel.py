"""What the grading model's certainty is worth: a fold of the Grade tab with its tables and two curves."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.grading.calibration_report import tables
from app.screens import charts
from engine.evaluation.calibration import Calibration


class Certainty:
    """The fold, laid out where this is called."""

    def __init__(self) -> None:
        """Hidden until there is a calibrated model."""
        plot: dict[str, Any] = {"height": 240, "buttons": []}
        with gr.Accordion("How far its doubt can be trusted", open=False, visible=False, elem_id="certainty") as fold:
            text = gr.Markdown(elem_id="certainty-tables")
            with gr.Row():
                reliability = gr.LinePlot(
                    x="said", y="came true", color="model", title="Confidence", elem_id="reliability-plot", **plot
                )
                risk = gr.LinePlot(
                    x="cards graded", y="mean error", title="Error by cards graded", elem_id="risk-plot", **plot
                )
        self.shown: list[Any] = [fold, text, reliability, risk]

    @staticmethod
    def of(calibration: Calibration | None) -> list[Any]:
        """What is shown of a calibration, for the components of `shown`."""
        if calibration is None:
            return [gr.update(visible=False), "", gr.skip(), gr.skip()]
        shown, measured = [gr.update(visible=True), tables(calibration)], calibration.measured
        if measured is None:
            return [*shown, gr.update(visible="hidden"), gr.update(visible="hidden")]
        risk = charts.risk_coverage(measured)
        most = max(0.1, float(risk["mean error"].max()))
        return [
            *shown,
            gr.update(value=charts.reliability(measured), visible=True),
            gr.update(value=risk, y_lim=[0, most], visible=True),
        ]
