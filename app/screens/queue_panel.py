"""Queue of the Train tab: the runs that wait, in their order, which can be changed."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.runs import run_queue
from app.runs.run_queue import queue_choices
from db.session import Database


class QueuePanel:
    """The queue of one database, hidden while no run waits."""

    def __init__(self, database: Database) -> None:
        """Add the panel to the Gradio layout being built; the tab connects its events."""
        self._database = database
        with gr.Column(visible=False) as self._section:
            label = "Queue: the first starts when the run before it has ended"
            self._run = gr.Radio([], label=label, elem_id="queue")
            with gr.Row(elem_classes="level"):
                self.earlier = gr.Button("Earlier", elem_id="queue-earlier")
                self.later = gr.Button("Later", elem_id="queue-later")
                self.remove = gr.Button("Remove from the queue", variant="stop", elem_id="queue-remove")
        # The radio itself is no input of what is asked every few seconds: of two answers on their way, the older may be
        # drawn last, with a run that has left the queue, and Gradio refuses a value that is no choice any more.
        self.chosen: gr.State = gr.State(None)
        self._run.input(lambda run: run, self._run, self.chosen, show_progress="hidden")

    @property
    def outputs(self) -> list[Any]:
        """The widgets that `fill` updates."""
        return [self._section, self._run, self.chosen]

    def fill(self, chosen: int | None) -> list[Any]:
        """Updates of the queue; the chosen run stays chosen, else it is the last one, which was added last."""
        choices = queue_choices(self._database)
        ids = [run for _, run in choices]
        value = chosen if chosen in ids else next(iter(ids[::-1]), None)
        return [gr.update(visible=bool(ids)), gr.update(choices=choices, value=value), value]

    def move(self, chosen: int | None, places: int) -> list[Any]:
        """Move the chosen run. Raises UserError if it is no longer in the queue."""
        run_queue.move(self._database, chosen, places)
        return self.fill(chosen)

    def take_out(self, chosen: int | None) -> list[Any]:
        """Remove the chosen run; it can be resumed later. Raises as `move` does."""
        run_queue.remove(self._database, chosen)
        return self.fill(chosen)
