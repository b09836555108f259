"""Import of cards: what to import, its preview, its progress, and the report."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from app.errors import user_message
from app.labels import import_text
from app.labels.card_imports import CardImports, ImportStatus
from app.markdown import counted
from app.screens.error_messages import show_user_errors
from app.screens.import_drop import dropped_from_page, import_drop
from app.screens.private_paths import PrivatePaths
from app.screens.security import is_local
from app.settings import PROGRAM, DataFolder, ServerOptions, UserError
from db.session import Database
from engine.paths import expand_path
from labeling.discover import Endings

WELCOME = """### Start here: import your cards
Three layouts work:

- a folder per grade: `psa1` ... `psa10`, or `1` ... `10`
- pairs of file names: `charizard_front.jpg`, `charizard_back.jpg`
- a table, `labels.csv`, with the columns `card_id,front,back,grade`

You see what was found before anything is imported. Nothing leaves this machine. Then label each card: press **1** to
**9**, or **0** for a 10."""
ONLY_LOCAL = (
    "Importing by path works only in a browser on the machine that runs Loupe. Drop the folder above, or run "
    "`python launch.py import PATH` there."
)
NO_PATH = "Enter the path of a folder or a CSV file first."
POLL_INTERVAL_S = 0.7
ENDINGS: list[tuple[str, Endings]] = [
    ("Leave them out", "left out"),
    ("They are backs", "back"),
    ("They are cards of their own", "card"),
]
STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")

# Updates by widget; those left out stay as they are.
Updates = dict[Any, Any]


class ImportPanel:
    """The import part of the Label tab.

    accordion  closed once there are cards
    """

    def __init__(self, database: Database, data: DataFolder, options: ServerOptions) -> None:
        """Add the panel to the Gradio layout being built; `connect` connects its events."""
        self._data, self.imports = data, CardImports(database, data)
        self._max_picture_bytes = options.max_picture_bytes
        with gr.Accordion("Import cards", open=False) as self.accordion:
            gr.Markdown(WELCOME)
            self._drop = import_drop(self.imports, data, options, PrivatePaths((data.root, PROGRAM)))
            with gr.Row(elem_classes="level"):
                self._path = gr.Textbox(label="Or a folder or CSV file on this machine", elem_id="import-path", scale=4)
                self._look = gr.Button("Preview", variant="primary", elem_id="import-start", scale=1)
        # Outside the accordion: it closes after the first import, and the result must stay visible.
        self.name = gr.Textbox("", visible=False)
        with gr.Column(visible=False, elem_id="import-previewed") as self._previewed:
            self._preview = gr.HTML(elem_id="import-preview", css_template=STYLE)
            self._endings = gr.Radio(ENDINGS, value="left out", visible=False, elem_id="import-endings")
            self._labels_win = gr.Checkbox(label=import_text.LABELS_WIN, visible=False, elem_id="import-labels-win")
            with gr.Row(elem_classes="level"):
                self._confirm = gr.Button("Import", variant="primary", elem_id="import-confirm")
                self._cancel = gr.Button("Cancel", elem_id="import-cancel")
        with gr.Column(visible=False) as self._running:
            self._progress = gr.HTML(elem_id="import-progress", css_template=STYLE)
            with gr.Row(elem_classes="level"):
                self._stop = gr.Button("Stop", elem_id="import-stop")
                self._resume = gr.Button("Resume", variant="primary", visible=False, elem_id="import-resume")
                self._discard = gr.Button("Do not resume", visible=False, elem_id="import-discard")
        self._outcome = gr.Markdown(elem_id="import-outcome")
        with gr.Row(elem_classes="level"):
            self._report = gr.DownloadButton("Download the report (CSV)", visible=False, elem_id="import-report")
        self._timer = gr.Timer(POLL_INTERVAL_S, active=False)
        self.outputs: list[Any] = [
            *(
                self._outcome,
                self._path,
                self.name,
                self._previewed,
                self._preview,
                self._endings,
                self._labels_win,
                self._confirm,
            ),
            *(self._running, self._progress, self._stop, self._resume, self._discard, self._report),
            *(self._timer, self.accordion),
        ]

    def connect(self, fill: Callable[[str | None], Updates], entry: Any, filled: Sequence[Any]) -> None:
        """Connect the events; `fill` gets the value of `entry` and returns updates of `filled` after an import."""
        self._fill = fill
        hidden: dict[str, Any] = {"show_progress": "hidden"}
        outputs = [*self.outputs, *(widget for widget in filled if widget is not self.accordion)]
        # Not over the labeling buttons: an error would stay there and take their clicks.
        shown: dict[str, Any] = {"show_progress_on": self._outcome}
        gr.on([self._look.click, self._path.submit], self.preview_path, [self._path, self.name], self.outputs, **shown)
        self._drop.submit(self.preview_upload, [self._drop, self.name], self.outputs, **shown)
        self._endings.input(self.preview_again, [self.name, self._endings], self.outputs, **shown)
        self._confirm.click(self.start, [self.name, self._labels_win], self.outputs, **hidden)
        self._cancel.click(self.cancel, self.name, self.outputs, **hidden)
        self._stop.click(self.stop, self.name, self.outputs, **hidden)
        self._resume.click(self.resume, self.name, self.outputs, **hidden)
        self._discard.click(self.discard, [self.name, entry], outputs, **hidden)
        self._timer.tick(self.poll, [self.name, entry], outputs, **hidden)

    @show_user_errors
    def restore(self, name: str | None) -> Updates:
        """Show the import that runs or was stopped, also by the end of the server, unless the page has one already."""
        status = None if name else self.imports.current()
        return {self._timer: gr.skip()} if status is None else self._shown(status)

    @show_user_errors
    def preview_path(
        self,
        path: str | None,
        name: str | None,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Updates:
        """Preview the import of a path of this machine."""
        if not is_local(request):
            return self._refused(ONLY_LOCAL)
        if not (path or "").strip():
            return self._refused(NO_PATH)
        self._forget(name)

        def add() -> str:
            return self.imports.add_path(expand_path((path or "").strip()))

        return self._previewed_import(add, progress)

    @show_user_errors
    def preview_upload(
        self,
        value: Any,
        name: str | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Updates:
        """Preview the import of files that the drop zone has uploaded."""
        dropped = dropped_from_page(value)
        self._forget(name)

        def add() -> str:
            try:
                self.imports.add_upload(
                    dropped.name,
                    dropped.title,
                    left_out=dropped.refused,
                    max_bytes=self._max_picture_bytes,
                    unpacking=lambda done, total: progress((done, total), desc="Unpacking"),
                )
            except BaseException:
                self._forget(dropped.name)
                raise
            return dropped.name

        return self._previewed_import(add, progress)

    @show_user_errors
    def preview_again(
        self,
        name: str | None,
        endings: Any,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Updates:
        """Preview the same import with another answer to the question about the sides."""
        if endings not in [value for _, value in ENDINGS]:
            raise UserError("choose one of the answers")
        return self._previewed_import(lambda: name or "", progress, endings)

    @show_user_errors
    def start(self, name: str | None, labels_win: bool) -> Updates:
        """Start the import that is previewed."""
        self.imports.start(name or "", labels_win=labels_win)
        return {**self._shown(self.imports.status(name or "")), self._path: ""}

    @show_user_errors
    def cancel(self, name: str | None) -> Updates:
        """Close the preview; nothing has been imported."""
        self._forget(name)
        hidden = {self._previewed: gr.update(visible=False), self.accordion: gr.update(open=True)}
        return {self.name: "", self._outcome: "", **hidden}

    @show_user_errors
    def stop(self, name: str | None) -> Updates:
        """Ask the import to stop."""
        self.imports.stop(name or "")
        return {self._stop: gr.update(value="Stopping ...", interactive=False)}

    @show_user_errors
    def resume(self, name: str | None) -> Updates:
        """Go on with a stopped import."""
        self.imports.start(name or "")
        return self._shown(self.imports.status(name or ""))

    @show_user_errors
    def discard(self, name: str | None, entry: str | None) -> Updates:
        """Leave a stopped import as it is; the cards that are in stay."""
        self.imports.discard(name or "")
        return {
            self.name: "",
            self._running: gr.update(visible=False),
            self._report: gr.update(visible=False),
            **self._fill(entry),
        }

    @show_user_errors
    def poll(self, name: str | None, entry: str | None) -> Updates:
        """Show how far the import is, and its result once it has ended."""
        try:
            status = self.imports.status(name or "")
        except UserError:  # discarded on another page
            return {self._timer: gr.update(active=False), self._running: gr.update(visible=False)}
        shown = self._shown(status)
        return shown if status.state == "running" else {**shown, **self._fill(entry)}

    def _previewed_import(
        self, add: Callable[[], str], progress: gr.Progress, endings: Endings = "left out"
    ) -> Updates:
        progress(0, desc="Looking for cards")
        name = ""
        try:
            name = add()
            record, preview = self.imports.preview(
                name, endings, lambda step, done, total: progress((done, total), desc=step)
            )
        except Exception as error:
            if (problem := user_message(error)) is None:
                raise
            self._forget(name)
            return self._refused(import_text.refusal_text(problem))
        has_question = bool(preview.unclear) or endings != "left out"
        count = len(preview.cards)
        return {
            self.name: name,
            self._previewed: gr.update(visible=True),
            self._preview: import_text.preview_html(record, preview),
            self._endings: gr.update(
                visible=has_question,
                value=endings,
                **({"label": import_text.question_text(preview)} if preview.unclear else {}),
            ),
            self._labels_win: gr.update(visible=bool(preview.changed), value=False),
            self._confirm: gr.update(value=f"Import {these(count)}", interactive=count > 0),
            self._outcome: "",
            self._report: gr.update(visible=False),
            self.accordion: gr.update(open=False),
        }

    def _shown(self, status: ImportStatus) -> Updates:
        """Updates for an import that was started."""
        name, is_running = status.record.name, status.state == "running"
        is_finished = status.state == "finished"
        return {
            self.name: "" if is_finished else name,
            self._previewed: gr.update(visible=False),
            self._running: gr.update(visible=not is_finished),
            self._progress: "" if is_finished else import_text.progress_html(status),
            self._stop: gr.update(visible=is_running, value="Stop", interactive=True),
            self._resume: gr.update(visible=not is_running),
            self._discard: gr.update(visible=not is_running),
            self._timer: gr.update(active=is_running),
            self._outcome: import_text.result_text(status.record, status.progress) if is_finished else "",
            self._report: self._download(name) if not is_running else gr.update(visible=False),
        }

    def _download(self, name: str) -> Any:
        report = self.imports.report(name)
        if not report.exists():
            return gr.update(visible=False)
        # Deleted after a day, as uploads are.
        folder = self._data.uploads / f"report-{uuid.uuid4().hex}"
        folder.mkdir(parents=True)
        return gr.update(value=str(shutil.copy(report, folder / f"{name}.csv")), visible=True)

    def _refused(self, message: str) -> Updates:
        """Show a refusal; the path stays on the screen, to be corrected."""
        return {self.name: "", self._outcome: message, self._previewed: gr.update(visible=False)}

    def _forget(self, name: str | None) -> None:
        """Delete a preview that was not confirmed."""
        self.imports.forget_preview(name or "")


def these(count: int) -> str:
    """A number of cards to import: "this card", "these 12 cards"."""
    return "this card" if count == 1 else f"these {counted(count)}"
