"""Texts of an import for the page: its preview, its progress and its result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape as escape_html

from app.labels.card_imports import ImportProgress, ImportRecord, ImportStatus
from app.labels.card_names import label_text
from app.markdown import bullets, counted
from app.markdown import escape as escape_markdown
from app.report.embedded_pictures import data_uri
from db.schema import LabelEvent
from engine.cards.pairs import CardPair, Refused
from engine.image.read import BadPicture, picture_size, read_reduced
from labeling.import_cards import changed_labels_text
from labeling.import_preview import ImportPreview

LABELS_WIN = "Imported labels replace mine"
MAX_REFUSALS, MAX_CHANGED = 20, 10
SAMPLES, SAMPLE_PX = 4, 220
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", ":": "colons", " ": "blanks"}
LAYOUTS = {
    "grade folders": "a folder per grade",
    "names": "pictures paired by name",
    "table": "a table",
}
MEANINGS = {
    "card_id": "name of the card",
    "front": "picture of the front",
    "back": "picture of the back",
    "grade": "grade",
    "group": "cards that belong together",
    "split": "training, validation or test",
    "cert": "certificate number",
    "game": "game",
    "qualifier": "qualifier",
    "notes": "notes",
}


def escape(text: str) -> str:
    """The text for a component whose template Gradio fills in: a name may hold the signs of a template."""
    return escape_html(text.encode(errors="replace").decode()).replace("{", "&#123;").replace("$", "&#36;")


def preview_html(record: ImportRecord, preview: ImportPreview) -> str:
    """The preview of an import."""
    return "".join(
        [
            f"<h3>Preview of {escape(record.title)}</h3>",
            f"<p>{_summary(preview)}</p>",
            _columns(preview),
            _grades(preview),
            _samples(preview.samples(SAMPLES)),
            _list(f"{_labels(len(preview.changed))} from what a person has said since", _changed(preview)),
            _list(
                f"{_files(len(preview.refused))} left out",
                [_refused(record, item) for item in preview.refused[:MAX_REFUSALS]],
                len(preview.refused) - MAX_REFUSALS,
            ),
            *(f"<p>{escape(notice)}</p>" for notice in preview.notices if not preview.columns),
        ]
    )


def _summary(preview: ImportPreview) -> str:
    sides, total = preview.sides, len(preview.cards)
    parts = [
        f"{sides['both']} with front and back" if sides["both"] else "",
        f"{sides['front']} with the front alone" if sides["front"] else "",
        f"{sides['back']} with the back alone" if sides["back"] else "",
    ]
    kinds = ", ".join(filter(None, parts))
    separator = f", separated by {SEPARATORS[preview.separator]}" if preview.separator else ""
    known = f" {preview.known} of them are already imported and are not added again." if preview.known else ""
    text = f"<strong>{counted(total)}</strong>" + (f": {kinds}" if kinds else "")
    return f"Found {LAYOUTS[preview.layout]}{separator}. {text}.{known} Nothing is imported yet."


def _columns(preview: ImportPreview) -> str:
    if not preview.columns:
        return ""
    rows = [(escape(cell), MEANINGS.get(name, "<em>not used</em>")) for cell, name in preview.columns]
    return _table(("Column", "Taken for"), rows)


def _grades(preview: ImportPreview) -> str:
    grades = preview.grades
    known = sorted(grade for grade in grades if grade is not None)
    heads = ["Grade", *(f"{grade:g}" for grade in known), *(["none"] if grades[None] else [])]
    cells = ["Cards", *(str(grades[grade]) for grade in known), *([str(grades[None])] if grades[None] else [])]
    return _table(heads, [cells]) if preview.cards else ""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class='scrolls'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _samples(pairs: Iterable[CardPair]) -> str:
    figures = "".join(
        f"<figure>{_picture(pair, 'front')}{_picture(pair, 'back')}"
        f"<figcaption>{escape(pair.card_id)}: {escape(_label(pair))}</figcaption></figure>"
        for pair in pairs
    )
    return f'<div class="samples">{figures}</div>' if figures else ""


def _picture(pair: CardPair, side: str) -> str:
    path = pair.front if side == "front" else pair.back
    if path is None:
        return f'<span class="missing">no {side}</span>'
    try:
        reduction = max(1.0, min(picture_size(path)) / SAMPLE_PX)
        rgb, _ = read_reduced(path, max_reduction=reduction)
    except BadPicture:
        return f'<span class="missing">the {side} cannot be read</span>'
    return f'<img src="{data_uri(rgb, SAMPLE_PX)}" alt="{side} of {escape(pair.card_id)}">'


def _label(pair: CardPair) -> str:
    return label_text(LabelEvent(grade=pair.grade, qualifier=pair.qualifier))


def _changed(preview: ImportPreview) -> list[str]:
    lines = [
        f"{escape(item.card)}: {escape(_label(item.imported))} in the import, {escape(label_text(item.given))} here"
        for item in preview.changed[:MAX_CHANGED]
    ]
    return lines and [*lines, f"A person's label stays unless you tick “{LABELS_WIN}”."]


def _refused(record: ImportRecord, item: Refused) -> str:
    return escape(str(Refused(record.shown_path(item.path), item.reason)))


def _list(head: str, lines: Sequence[str], more: int = 0) -> str:
    if not lines:
        return ""
    items = "".join(f"<li>{line}</li>" for line in lines)
    rest = f"<li>and {more} more; the report of the import names them all</li>" if more > 0 else ""
    return f"<h4>{head}</h4><ul>{items}{rest}</ul>"


def _labels(count: int) -> str:
    return "1 label differs" if count == 1 else f"{count} labels differ"


def _files(count: int) -> str:
    return "1 file or row is" if count == 1 else f"{count} files or rows are"


def question_text(preview: ImportPreview) -> str:
    """The question about pictures whose names leave open what they are."""
    count = preview.unclear
    head = "1 picture is" if count == 1 else f"{count} pictures are"
    return f"{head} named like the back of another one, as card_b.jpg beside card.jpg. What is it?"


def progress_html(status: ImportStatus) -> str:
    """The progress of an import that runs, or that was stopped."""
    progress, title = status.progress, escape(status.record.title)
    counts = f"{progress.done:,} of {progress.total:,} cards" if progress.total else ""
    if status.state == "running":
        step = progress.step
        if step:
            counts = counts.replace("cards", "rows")
        text = f"{step}: {title} {counts}" if step else f"Importing {title}: {counts}"
        bar = f'<progress max="{progress.total or 1}" value="{progress.done}" aria-label="Import"></progress>'
        return f'<p role="status">{text}</p>{bar}{_earlier(progress)}'
    problem = f" It ended: {escape(progress.problem)}." if progress.problem else ""
    done = f"after {counts}" if counts else "before the first card"
    return (
        f"<p>The import of <strong>{title}</strong> was stopped {done}.{problem} "
        "Resume it: what is in is known by its content and is not read in again.</p>"
    )


def _earlier(progress: ImportProgress) -> str:
    if not progress.earlier:
        return ""
    return f"<p>{counted(progress.earlier)} were in before; they are known by their content and not imported again.</p>"


def result_text(record: ImportRecord, progress: ImportProgress) -> str:
    """The result of an import, with a line for each of the first files left out, as Markdown."""
    head = f"**{progress.added} cards added, {progress.known} already imported, {progress.refused} refused.**"
    remedy = f"tick “{LABELS_WIN}” and import again"
    changed = changed_labels_text(progress.changed_labels, taken=record.labels_win, remedy=remedy)
    earlier = f"{counted(progress.earlier)} of the known ones were imported before the stop" if progress.earlier else ""
    notices = [*filter(None, [earlier, changed]), *progress.notices]
    left = progress.refused - len(progress.first_refused)
    rest = [f"- and {left} more; the report lists them all"] if left > 0 else []
    lines = [*bullets(notices, len(notices)), *bullets(progress.first_refused, MAX_REFUSALS), *rest]
    return "\n".join([head, "", *lines])


def refusal_text(problem: str) -> str:
    """A path or upload that cannot be imported, as Markdown."""
    return f"**Not imported:** {escape_markdown(problem)}."
