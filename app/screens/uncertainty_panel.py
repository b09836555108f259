"""Uncertainty panel of the Grade tab: calibration tables and two curves of the grading model."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.models.calibration_report import calibration_tables
from app.screens import charts
from engine.evaluation.calibration import Calibration


class UncertaintyPanel:
    """The collapsed panel; hidden unless the model is calibrated."""

    def __init__(self) -> None:
        """Add the panel to the Gradio layout being built."""
        plot: dict[str, Any] = {"height": 240, "buttons": []}
        with gr.Accordion(
            "How reliable is this model? Figures for experts", open=False, visible=False, elem_id="certainty"
        ) as accordion:
            text = gr.Markdown(elem_id="certainty-tables")
            with gr.Row():
                reliability = gr.LinePlot(
                    x="confidence",
                    y="accuracy",
                    color="model",
                    title="Accuracy by confidence",
                    elem_id="reliability-plot",
                    **plot,
                )
                risk = gr.LinePlot(
                    x="cards graded", y="mean error", title="Error by cards graded", elem_id="risk-plot", **plot
                )
        self.components: list[Any] = [accordion, text, reliability, risk]

    @staticmethod
    def updates(calibration: Calibration | None) -> list[Any]:
        """Updates of `components` for a calibration."""
        if calibration is None:
            return [gr.update(visible=False), "", gr.skip(), gr.skip()]
        updates, measured = [gr.update(visible=True), calibration_tables(calibration)], calibration.measured
        if measured is None:
            return [*updates, gr.update(visible="hidden"), gr.update(visible="hidden")]
        risk = charts.risk_coverage(measured)
        max_error = max(0.1, float(risk["mean error"].max()))
        return [
            *updates,
            gr.update(value=charts.reliability(measured), visible=True),
            gr.update(value=risk, y_lim=[0, max_error], visible=True),
        ]
