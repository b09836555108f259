"""The front door: no command opens the app; the commands do by script what the screens do by hand."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar

import typer

from app.settings import DataFolder, check_file, check_folder, data_folder
from app.terminal import complain, give, process

BAD_INPUT, ABSTAINED = 2, 3
Result = TypeVar("Result")

program = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def _writable_folder(out: Path | None) -> Path | None:
    """Asked when the words are read: hours of training shall not end in a folder that takes nothing."""
    if out is not None:
        _plainly(lambda: check_folder(out, str(out), "--out"))
    return out


def _writable_file(option: str) -> Callable[[Path | None], Path | None]:
    def checked(file: Path | None) -> Path | None:
        if file is not None:
            _plainly(lambda: check_file(file, option))
        return file

    return checked


Data = Annotated[Path | None, typer.Option("--data", help="The data folder; LOUPE_DATA, else the user's own.")]
Json = Annotated[
    Path | None,
    typer.Option("--json", callback=_writable_file("--json"), help="Write the result there, not to stdout."),
]
ModelName = Annotated[str | None, typer.Option("--model", help="A path, 'starter' or 'current'.")]
Out = Annotated[Path | None, typer.Option("--out", callback=_writable_folder, help="Where files go.")]
Widest = Annotated[
    int | None,
    typer.Option(min=1, max=10, help="Grades that the interval may span before a card is not graded."),
]
OutFile = Annotated[Path | None, typer.Option("--out", callback=_writable_file("--out"), help="The file to write.")]


@program.callback(invoke_without_command=True)
def app(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to serve on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to serve on.")] = 7860,
    data: Data = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
) -> None:
    """Loupe: which PSA grade would this card get, how sure is that, and where does the card lose it?"""
    context.obj = data
    # Read by torch's thread pool when it is loaded. By default its idle threads spin: beside other programs on two
    # cores a training step then took 3 times the processor time and 2.5 times as long (12 steps, ResNet-18, 96 px).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if context.invoked_subcommand is None:
        from app.screens.server import serve

        _plainly(lambda: serve(data_folder(data), host=host, port=port, open_browser=not no_browser))


@program.command("import")
def import_(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="A folder, a manifest, or a folder per grade.")],
    labels: Annotated[Path | None, typer.Option(help="A CSV of card_id and grade beside a folder.")] = None,
    data: Data = None,
    json: Json = None,
) -> None:
    """Take cards and their labels in."""
    from app.commands import import_cards

    result = _plainly(lambda: import_cards.run(_folder(context, data), path, labels))
    give(result, json)
    raise typer.Exit(BAD_INPUT if result["refused"] else 0)


@program.command()
def simulate(
    pairs: Annotated[int, typer.Option(min=1, help="How many cards, each with front and back.")],
    out: Annotated[Path, typer.Option(callback=_writable_folder, help="The folder to fill, or to go on filling.")],
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal cards.")] = 0,
    mix: Annotated[
        Literal["history", "psa", "uniform"], typer.Option(help="How often each grade is drawn.")
    ] = "history",
    noise: Annotated[
        float, typer.Option(min=0, max=5, help="Standard deviation, in grades, of the labels around the grade.")
    ] = 0.0,
    kinds: Annotated[str, typer.Option(help="scan, photo, slab, sleeve, as in scan=3,photo=1; empty: all four.")] = "",
    height: Annotated[int, typer.Option(min=200, max=4200, help="Of the card in its picture, pixels.")] = 1050,
    graded_on: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="The day whose centering rules hold.")
    ] = datetime(2025, 2, 1),
    art: Annotated[Path | None, typer.Option(help="A folder of pictures to show on the fronts.")] = None,
    workers: Annotated[int, typer.Option(min=0, max=256, help="Processes; 0: one a core.")] = 0,
    json: Json = None,
) -> None:
    """Draw cards whose truth is known."""
    from app.commands import simulate

    give(
        _plainly(
            lambda: simulate.run(
                out,
                pairs=pairs,
                seed=seed,
                mix=mix,
                noise=noise,
                kinds=kinds,
                height=height,
                graded_on=graded_on.date(),
                art=art,
                workers=workers,
            )
        ),
        json,
    )


@program.command()
def train(
    context: typer.Context,
    recipe: Annotated[str | None, typer.Option(help="Where the settings start from; without it, loupe.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="key=value; repeats.")] = None,
    manifest: Annotated[Path | None, typer.Option(help="Train on these cards, with --out.")] = None,
    out: Out = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the run in this folder.")] = None,
    run: Annotated[int | None, typer.Option(help="Train this queued run: how the app starts its processes.")] = None,
    folds: Annotated[
        int, typer.Option(min=0, max=20, help="Train K runs, each card validated once, stop_if ending none; 0: one.")
    ] = 0,
    controls: Annotated[
        bool, typer.Option("--controls", help="Train background- and label-only controls too.")
    ] = False,
    parent: Annotated[str, typer.Option(help="The recipe or run that this one varies; else the recipe.")] = "",
    bundle: Annotated[str, typer.Option(help="Why several changes are made at once.")] = "",
    hypothesis: Annotated[str, typer.Option(help="What the change is thought to do.")] = "",
    expect: Annotated[str, typer.Option(help="What should then hold, as in qwk>=0.74@27,val_loss<=3.3@27.")] = "",
    fail: Annotated[str, typer.Option(help="What makes the run a failure, as in qwk<0.40@13.")] = "",
    data: Data = None,
    json: Json = None,
) -> None:
    """Train a model."""
    from app.runs.plan_input import Said

    said = Said(parent, bundle, hypothesis, expect, fail)
    if resume is not None and (recipe or settings or manifest or out or run or folds or controls or said != Said()):
        _refuse(
            "--resume goes on with what the run was told and what was said of it; leave --recipe, --set, --manifest, "
            "--out, --folds, --controls, --parent, --bundle and the like away"
        )
    _refuse_words_that_do_not_go_together(manifest, out, resume, folds, controls=controls)
    from app.commands import train
    from app.runs.worker import work

    def trained() -> dict[str, Any]:
        if resume is not None:
            return train.go_on(_folder(context, data), resume)
        if run is not None:
            return work(_folder(context, data), run)
        start = recipe or train.DEFAULT
        if manifest is not None and out is not None:
            return train.from_manifest(manifest, out, start, settings or [], said, folds=folds, controls=controls)
        return train.from_labels(_folder(context, data), start, settings or [], said)

    give(_plainly(trained), json)


def _refuse_words_that_do_not_go_together(
    manifest: Path | None, out: Path | None, resume: Path | None, folds: int, *, controls: bool
) -> None:
    if (manifest is None) != (out is None):
        _refuse("--manifest and --out go together: the cards to train on, and the folder the run is written to")
    if process()[1] > 1 and manifest is None and resume is None:
        _refuse("the data folder's runs are one process each; under torchrun give --manifest and --out, or --resume")
    if (folds or controls) and (manifest is None or (folds and controls)):
        _refuse("--folds and --controls go with --manifest and --out, one of the two at a time")
    if folds == 1:
        _refuse("--folds 1 leaves no card to train on; give 2 or more")


@program.command()
def evaluate(
    context: typer.Context,
    model: ModelName = None,
    manifest: Annotated[Path | None, typer.Option(help="Measure on these cards.")] = None,
    split: Annotated[Literal["train", "val", "test", "all"] | None, typer.Option(help="Which cards.")] = None,
    keep: Annotated[
        Path | None,
        typer.Option("--predictions", callback=_writable_file("--predictions"), help="Write each card's ten there."),
    ] = None,
    views: Annotated[
        int, typer.Option(min=1, max=64, help="Look at each card so often, each time moved and lit otherwise.")
    ] = 1,
    data: Data = None,
    json: Json = None,
) -> None:
    """Measure a model."""
    from app.commands import evaluate

    give(_plainly(lambda: evaluate.run(_folder(context, data), model, manifest, split, keep, views)), json)


@program.command()
def calibrate(
    context: typer.Context,
    out: OutFile = None,
    model: ModelName = None,
    manifest: Annotated[Path | None, typer.Option(help="Calibrate on these cards.")] = None,
    split: Annotated[
        Literal["val", "test", "all"] | None, typer.Option(help="Which cards; of a manifest all, else val.")
    ] = None,
    coverage: Annotated[float, typer.Option(min=0.5, max=0.99, help="How often an interval holds the grade.")] = 0.9,
    widest: Widest = None,
    data: Data = None,
    json: Json = None,
) -> None:
    """Set a model's probabilities and doubt right on cards that it has not learned from; writes a new model file."""
    if out is None:
        _refuse("--out names the file to write the calibrated model to; give it")
    from app.commands import calibrate

    asked = calibrate.Asked(split, coverage, widest)
    give(_plainly(lambda: calibrate.run(_folder(context, data), model, manifest, out, asked)), json)


@program.command()
def compare(
    context: typer.Context,
    runs: Annotated[list[str], typer.Argument(help="Runs by number, folder or model file.")],
    reference: Annotated[
        list[str] | None, typer.Option("--with", help="The runs to compare them with; repeats.")
    ] = None,
    data: Data = None,
    json: Json = None,
) -> None:
    """Compare runs card by card: is one better, or is it chance?"""
    if not reference:
        _refuse("--with names the run to compare with; give it at least once")
    from app.commands import compare

    give(_plainly(lambda: compare.run(_folder(context, data), runs, reference or [])), json)


@program.command()
def grade(
    context: typer.Context,
    front: Annotated[Path | None, typer.Argument(help="Picture of the front.")] = None,
    back: Annotated[Path | None, typer.Argument(help="Picture of the back.")] = None,
    batch: Annotated[Path | None, typer.Option(help="A manifest: grade all its cards.")] = None,
    model: ModelName = None,
    out: Out = None,
    widest: Widest = None,
    data: Data = None,
    json: Json = None,
) -> None:
    """Grade one pair of pictures, or many."""
    if (front is None) == (batch is None):
        _refuse("give either the picture of a front, or --batch with a manifest")
    from app.commands import grade

    folder = _folder(context, data)
    if batch is not None:
        give(_plainly(lambda: grade.many(folder, batch, model, out, widest)), json)
        return
    assert front is not None
    result = _plainly(lambda: grade.one(folder, front, back, model, out, widest))
    give(result, json)
    raise typer.Exit(ABSTAINED if result["abstained"] else 0)


@program.command()
def export(
    context: typer.Context,
    what: Annotated[Literal["labels", "model", "report", "history"], typer.Argument(help="What to write.")],
    model: ModelName = None,
    out: OutFile = None,
    bits: Annotated[Literal["8", "32"], typer.Option(help="Of a model's weights in the file.")] = "32",
    onnx: Annotated[bool, typer.Option("--onnx", help="Write the model as an ONNX graph.")] = False,
    manifest: Annotated[Path | None, typer.Option(help="Cards to compare the written model on with the model.")] = None,
    data: Data = None,
    json: Json = None,
) -> None:
    """Write labels, a model, its report or the history of runs to a file."""
    if what != "model" and (bits != "32" or onnx or manifest):
        _refuse(f"--bits, --onnx and --manifest are for export model, not for export {what}; leave them away")
    if onnx and bits != "32":
        _refuse("--onnx writes all of the weights' 32 bits; leave --bits away")
    from app.commands import export
    from app.commands.export_model import Asked

    asked = Asked("onnx" if onnx else "8 bits" if bits == "8" else "model", manifest)
    give(_plainly(lambda: export.run(_folder(context, data), what, model, out, asked)), json)


def _folder(context: typer.Context, data: Path | None) -> DataFolder:
    """The data folder, whether --data stood before the command or after it."""
    return _plainly(lambda: data_folder(data or context.obj))


def _plainly(act: Callable[[], Result]) -> Result:
    """Do it; what a person can mend ends as one line on stderr and exit code 2."""
    try:
        return act()
    except _mendable() as error:
        _refuse(str(error))


def _mendable() -> tuple[type[Exception], ...]:
    """Asked for only when something was raised, so that a command loads no room that it does not use."""
    from app.errors import MENDABLE

    return MENDABLE


def _refuse(sentence: str) -> NoReturn:
    complain(sentence)
    raise typer.Exit(BAD_INPUT)


if __name__ == "__main__":
    program()
