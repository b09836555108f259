"""What the grading model's certainty is worth: a fold of the Grade tab with its tables and two curves."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app import charts
from app.calibration import tables
from engine.calibrate import Calibration


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
        measured = calibration.measured
        plots = (
            [gr.update(visible="hidden")] * 2
            if measured is None
            else [gr.update(value=draw(measured), visible=True) for draw in (charts.reliability, charts.risk_coverage)]
        )
        return [gr.update(visible=True), tables(calibration), *plots]
