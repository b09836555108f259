"""Command line of Loupe: opens the app, or runs one of its functions as a command."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TypeVar

import typer

from app.settings import DataFolder, Login, ServerOptions, check_file, check_folder, data_folder, https_files
from app.terminal import print_error, print_result, rank_and_world_size, read_password

if TYPE_CHECKING:
    from app.commands.train import TrainingOptions

BAD_INPUT, ABSTAINED = 2, 3
REFUSED = 3
MAX_RUN = 2**63 - 1
MANIFEST = "manifest (CSV file with the columns card_id,front,back,grade)"
Result = TypeVar("Result")

program = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
models_program = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
runs_program = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
program.add_typer(models_program, name="models", help="The model in use, its history, and how to change it.")
program.add_typer(runs_program, name="runs", help="List, show, stop and resume training runs.")


def _writable_folder(out: Path | None) -> Path | None:
    """Check the folder while parsing the options, so that hours of training cannot end in a folder without access."""
    if out is not None:
        _or_exit(lambda: check_folder(out, str(out), "--out"))
    return out


def _writable_file(option: str) -> Callable[[Path | None], Path | None]:
    def check(file: Path | None) -> Path | None:
        if file is not None:
            _or_exit(lambda: check_file(file, option))
        return file

    return check


Data = Annotated[
    Path | None,
    typer.Option("--data", help="Data folder. Default: $LOUPE_DATA, or ~/.local/share/loupe on Linux."),
]
Json = Annotated[
    Path | None,
    typer.Option("--json", callback=_writable_file("--json"), help="Write the JSON result to this file, not stdout."),
]
ModelName = Annotated[
    str | None,
    typer.Option("--model", help="Model file, 'current' or 'starter'. Default: current, or starter if there is none."),
]
PromotedModel = Annotated[str, typer.Argument(metavar="MODEL", help="Number of a run, path of a model, or 'starter'.")]
RunNumber = Annotated[int, typer.Argument(metavar="RUN", min=1, max=MAX_RUN, help="Number of the run.")]
PicturesFolder = Annotated[
    Path | None,
    typer.Option("--out", callback=_writable_folder, help="Write the heat maps and measured pictures to this folder."),
]
ReportPage = Annotated[
    Path | None,
    typer.Option(
        "--report",
        callback=_writable_file("--report"),
        help="Write a printable report to this HTML file: one page per card, with pictures, opens offline.",
    ),
]
RunFolder = Annotated[
    Path | None, typer.Option("--out", callback=_writable_folder, help="Folder of the run; requires --manifest.")
]
MaxIntervalWidth = Annotated[
    int | None,
    typer.Option(
        "--max-interval-width",
        min=1,
        max=10,
        help="Do not grade a card whose range spans more than this many grades. Default: the model's own limit.",
    ),
]
CalibratedFile = Annotated[
    Path | None,
    typer.Option("--out", callback=_writable_file("--out"), help="Write the calibrated model to this file. [required]"),
]
ExportedFile = Annotated[
    Path | None,
    typer.Option("--out", help="File to write, or new folder. Default: in the data folder."),
]


@dataclass(frozen=True)
class NewRun:
    """Options of every command that begins runs: the recipe, the changed settings, and the plan."""

    recipe: Annotated[
        str | None,
        typer.Option("--recipe", help="Recipe to take the settings from. Default: loupe.", show_default=False),
    ] = None
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting listed in the Train tab; may be repeated."),
    ] = None
    parent: Annotated[str, typer.Option(help="Recipe or run to compare with. Default: the recipe.")] = ""
    bundle: Annotated[
        str, typer.Option("--several-changes-because", help="Reason for changing several settings at once.")
    ] = ""
    hypothesis: Annotated[str, typer.Option(help="Expected effect of the change.")] = ""
    expect: Annotated[str, typer.Option(help="Success criteria, e.g. qwk>=0.74@27,val_loss<=3.3@27.")] = ""
    fail: Annotated[str, typer.Option("--fail-if", help="Failure criteria, e.g. qwk<0.40@13.")] = ""

    @property
    def options(self) -> TrainingOptions:
        """The options as the commands take them."""
        from app.commands.train import TrainingOptions
        from app.runs.plan_input import PlanInput

        plan = PlanInput(self.parent, self.bundle, self.hypothesis, self.expect, self.fail)
        return TrainingOptions(self.recipe, self.settings or (), plan)


def begins_runs(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command that begins runs: its parameter `new_run` becomes the options of NewRun."""
    fields = inspect.signature(NewRun, eval_str=True).parameters
    parameters = {**inspect.signature(command, eval_str=True).parameters, **fields}
    del parameters["new_run"]

    @wraps(command)
    def decorated(**values: Any) -> None:
        command(new_run=NewRun(**{name: values.pop(name) for name in fields}), **values)

    # From which Typer reads the options of a command.
    decorated.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
    decorated.__annotations__ = {name: parameter.annotation for name, parameter in parameters.items()}
    return decorated


@program.callback(invoke_without_command=True)
def app(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to serve on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to serve on.")] = 7860,
    data: Data = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
    auth: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Ask for a login with this name; the password is $LOUPE_PASSWORD or is asked for."
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Also answer at this name, such as that of a reverse proxy; may be repeated."
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Serve over https with this certificate (PEM); requires --key."),
    ] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="Private key of the certificate (PEM).")] = None,
    mcp: Annotated[
        bool,
        typer.Option("--mcp", help="Also serve AI assistants by the Model Context Protocol; requires the extra mcp."),
    ] = False,
    max_picture_mb: Annotated[float, typer.Option(min=1, max=1e6, help="Largest picture to grade, in MB.")] = 64,
    max_upload_gb: Annotated[
        float, typer.Option(min=0.001, max=1e6, help="Largest file of any kind to upload, in GB.")
    ] = 4,
) -> None:
    """Estimate the PSA grade of trading cards. Without a command, open the app in the browser."""
    context.obj = data
    _or_exit(rank_and_world_size)  # every message asks for the rank
    # Read by torch's thread pool on import. By default its idle threads spin: with other programs on two cores a
    # training step then took 3 times the CPU time and 2.5 times as long (12 steps, ResNet-18, 96 px).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if context.invoked_subcommand is None:
        from app.screens.server import serve

        def serve_app() -> None:
            options = ServerOptions(
                host=host,
                port=port,
                open_browser=not no_browser,
                public_hosts=allow_host or (),
                login=None if auth is None else Login(auth, read_password(auth)),
                https=https_files(certificate, key),
                mcp=mcp,
                max_picture_bytes=round(max_picture_mb * 1e6),
                max_upload_bytes=round(max_upload_gb * 1e9),
            )
            serve(data_folder(data), options)

        _or_exit(serve_app)


@program.command("import")
def import_(
    context: typer.Context,
    path: Annotated[
        Path, typer.Argument(help=f"Folder of pictures, folder with one subfolder per grade, or {MANIFEST}.")
    ],
    labels: Annotated[Path | None, typer.Option(help="CSV of grades for a folder: card_id,grade[,qualifier].")] = None,
    labels_win: Annotated[
        bool, typer.Option("--labels-win", help="Imported labels replace those that a person has given since.")
    ] = False,
    data: Data = None,
    json: Json = None,
) -> None:
    """Import cards and their labels into the data folder."""
    from app.commands import import_cards

    result = _or_exit(lambda: import_cards.run(_folder(context, data), path, labels, labels_win=labels_win))
    print_result(result, json)
    raise typer.Exit(BAD_INPUT if result["refused"] else 0)


@program.command()
def simulate(
    pairs: Annotated[int, typer.Option(min=1, help="Number of cards, each with front and back.")],
    out: Annotated[Path, typer.Option(callback=_writable_folder, help="Output folder; a partial one is completed.")],
    seed: Annotated[int, typer.Option(min=0, help="Random seed; the same seed gives the same cards.")] = 0,
    mix: Annotated[
        Literal["history", "psa", "uniform"],
        typer.Option(help="Frequencies of the grades: history (40 % 10s), psa (36 % 9s, 25 % 10s) or uniform."),
    ] = "history",
    noise: Annotated[float, typer.Option(min=0, max=5, help="Standard deviation of the label noise, in grades.")] = 0.0,
    kinds: Annotated[
        str,
        typer.Option(
            help="Kinds of picture (scan, photo, slab, sleeve, toploader, one_touch, semi_rigid, binder, slab_bgs, "
            "slab_cgc, slab_sgc), e.g. scan=3,photo=1. Default: the first four."
        ),
    ] = "",
    height: Annotated[
        int, typer.Option(min=200, max=4200, help="Height of the card in the picture, in pixels.")
    ] = 1050,
    graded_on: Annotated[
        datetime,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="Grading date; selects the centering rules. Default: 2025-02-01.",
            show_default=False,
        ),
    ] = datetime(2025, 2, 1),
    art: Annotated[Path | None, typer.Option(help="Folder of pictures to print on the card fronts.")] = None,
    workers: Annotated[int, typer.Option(min=0, max=256, help="Number of processes; 0: one per CPU core.")] = 0,
    json: Json = None,
) -> None:
    """Generate simulated cards with known grade, wear and centering."""
    from app.commands import simulate

    config = simulate.SimulationConfig(seed=seed, mix=mix, noise=noise, height=height, graded_on=graded_on.date())
    options = simulate.FolderOptions(pairs, kinds, art, workers)
    print_result(_or_exit(lambda: simulate.run(out, config, options)), json)


@program.command()
@begins_runs
def train(
    context: typer.Context,
    new_run: NewRun,
    manifest: Annotated[
        Path | None, typer.Option(help=f"Train on the cards of this {MANIFEST}; requires --out. Default: all labels.")
    ] = None,
    out: RunFolder = None,
    folder: Annotated[
        Path | None, typer.Option("--resume", help="Resume the run in this folder, as the command resume does.")
    ] = None,
    run: Annotated[int | None, typer.Option(help="Train this queued run of the data folder; used by the app.")] = None,
    controls: Annotated[
        bool,
        typer.Option(
            "--controls", help="Also train control models on the background alone and on the slab label alone."
        ),
    ] = False,
    data: Data = None,
    json: Json = None,
) -> None:
    """Train a model on the data folder's labels or on a manifest."""
    if folder is not None:
        if new_run != NewRun() or manifest or out or run or controls:
            _refuse(
                "--resume uses the settings and the plan of the run; omit --recipe, --set, --manifest, --out, "
                "--controls, --parent and the other plan options"
            )
        resume(context, folder, data, json)
        return
    if (manifest is None) != (out is None):
        _refuse("--manifest and --out go together: give the cards to train on and the folder of the run")
    if controls and manifest is None:
        _refuse("--controls requires --manifest and --out")
    if rank_and_world_size()[1] > 1 and manifest is None:
        _refuse("runs of the data folder use one process; with torchrun give --manifest and --out, or --resume")
    if run is not None:
        # Without the other commands, which load torch: a run may wait for hours.
        from app.runs.worker import train_queued_run

        print_result(_or_exit(lambda: train_queued_run(_folder(context, data), run)), json)
        return
    from app.commands import train

    def train_run() -> dict[str, Any]:
        if manifest is not None and out is not None:
            cache = _named_cache(context, data)
            return train.from_manifest(manifest, out, new_run.options, controls=controls, cache=cache)
        return train.from_labels(_folder(context, data), new_run.options)

    print_result(_or_exit(train_run), json)


@program.command(hidden=True)
def pace(folder: Path, json: Json = None) -> None:
    """Measure the pace of a run, as the app asks for it in a file of the folder."""
    from app.commands import pace

    print_result(_or_exit(lambda: pace.run(folder)), json)


@program.command()
def resume(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder of a run or of a cross-validation.")],
    data: Data = None,
    json: Json = None,
) -> None:
    """Resume a stopped, failed or killed run with its settings, cards and plan; the result is the same."""
    from app.commands import train

    cache = _named_cache(context, data)
    print_result(_or_exit(lambda: train.resume_run(_folder(context, data), folder, cache)), json)


@program.command()
@begins_runs
def cross_validate(
    context: typer.Context,
    new_run: NewRun,
    manifest: Annotated[
        Path | None, typer.Option(help=f"Train and validate on the cards of this {MANIFEST}. [required]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(callback=_writable_folder, help="Folder of the runs, one per fold. [required]")
    ] = None,
    folds: Annotated[int, typer.Option(min=2, max=20, help="Number of folds.")] = 5,
    data: Data = None,
    json: Json = None,
) -> None:
    """Cross-validate: train one model per fold and grade every card by the model that was trained without it.

    The setting stop_if is ignored.
    """
    if manifest is None or out is None:
        _refuse("give --manifest, the cards to train on, and --out, the folder of the runs")
    from app.commands import train

    cache = _named_cache(context, data)
    print_result(_or_exit(lambda: train.in_folds(manifest, out, new_run.options, folds, cache)), json)


@program.command()
def evaluate(
    context: typer.Context,
    model: ModelName = None,
    manifest: Annotated[
        Path | None, typer.Option(help=f"Evaluate on the cards of this {MANIFEST}. Default: the data folder's labels.")
    ] = None,
    split: Annotated[
        Literal["train", "val", "test", "all"] | None,
        typer.Option(help="Split to evaluate on. Default: all of a manifest, val of the data folder."),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions",
            callback=_writable_file("--predictions"),
            help="Write the ten probabilities of each card to this file.",
        ),
    ] = None,
    views: Annotated[
        int, typer.Option("--tta", min=1, max=64, help="Test-time augmentation: number of augmented views.")
    ] = 1,
    uncalibrated: Annotated[
        bool, typer.Option("--uncalibrated", help="Ignore the model's calibration: the network's own probabilities.")
    ] = False,
    data: Data = None,
    json: Json = None,
) -> None:
    """Evaluate a model on labelled cards. Prints QWK, accuracy, calibration error and more."""
    from app.commands import evaluate

    result = _or_exit(
        lambda: evaluate.run(
            _folder(context, data), model, manifest, split, predictions, views, uncalibrated=uncalibrated
        )
    )
    print_result(result, json)


@program.command()
def calibrate(
    context: typer.Context,
    out: CalibratedFile = None,
    model: ModelName = None,
    manifest: Annotated[
        Path | None, typer.Option(help=f"Calibrate on the cards of this {MANIFEST}. Default: the data folder's labels.")
    ] = None,
    split: Annotated[
        Literal["val", "test", "all"] | None,
        typer.Option(help="Split to calibrate on. Default: all of a manifest, val of the data folder."),
    ] = None,
    coverage: Annotated[
        float, typer.Option(min=0.5, max=0.99, help="Fraction of cards whose range should contain the true grade.")
    ] = 0.9,
    max_interval_width: MaxIntervalWidth = None,
    data: Data = None,
    json: Json = None,
) -> None:
    """Calibrate a model on held-out cards and write it to a new file."""
    if out is None:
        _refuse("Missing --out: the file to write the calibrated model to")
    from app.commands import calibrate

    options = calibrate.CalibrationOptions(split, coverage, max_interval_width)
    print_result(_or_exit(lambda: calibrate.run(_folder(context, data), model, manifest, out, options)), json)


@program.command()
def compare(
    context: typer.Context,
    runs: Annotated[list[str], typer.Argument(help="Runs, each by number, folder or model file.")],
    references: Annotated[
        list[str] | None, typer.Option("--against", help="Reference run; may be repeated, one per seed. [required]")
    ] = None,
    data: Data = None,
    json: Json = None,
) -> None:
    """Test whether runs differ significantly in QWK. The runs are paired by seed and card."""
    if not references:
        _refuse("Missing --against: the run to compare with")
    from app.commands import compare

    print_result(_or_exit(lambda: compare.run(_folder(context, data), runs, references or [])), json)


@program.command()
def grade(
    context: typer.Context,
    front: Annotated[Path | None, typer.Argument(help="Picture of the front; required without --batch.")] = None,
    back: Annotated[Path | None, typer.Argument(help="Picture of the back.")] = None,
    batch: Annotated[Path | None, typer.Option(help=f"Grade all cards of this {MANIFEST}.")] = None,
    app_batch: Annotated[
        str | None, typer.Option(hidden=True, help="Grade this batch of the data folder; used by the app.")
    ] = None,
    model: ModelName = None,
    out: PicturesFolder = None,
    report: ReportPage = None,
    max_interval_width: MaxIntervalWidth = None,
    no_ceiling: Annotated[
        bool, typer.Option("--no-ceiling", help="Do not rule out grades that the measured centering does not allow.")
    ] = False,
    data: Data = None,
    json: Json = None,
) -> None:
    """Grade one card from its pictures, or all cards of a manifest. Exit code 3: one card that was not graded."""
    if app_batch is not None:
        from app.batch.grade_cards import grade_cards

        print_result(_or_exit(lambda: grade_cards(_folder(context, data), app_batch)), json)
        return
    if (front is None) == (batch is None):
        _refuse("give either the picture of a front, or --batch with a manifest")
    from app.commands import grade

    folder = _folder(context, data)
    options = grade.CommandOptions(model, out, max_interval_width, ceiling_binds=not no_ceiling, report=report)
    if batch is not None:
        print_result(_or_exit(lambda: grade.grade_batch(folder, batch, options)), json)
        return
    assert front is not None
    result = _or_exit(lambda: grade.grade_pair(folder, front, back, options))
    print_result(result, json)
    raise typer.Exit(ABSTAINED if result["abstained"] else 0)


@program.command()
def queue(
    context: typer.Context,
    by: Annotated[
        Literal["suspect", "uncertain", "rare", "disagreement", "unreviewed", "mixed"],
        typer.Option(help="Order: labels that the model contradicts, cards it is unsure of, rare grades, and so on."),
    ] = "suspect",
    limit: Annotated[int | None, typer.Option(min=1, help="Number of cards; default: all.")] = None,
    data: Data = None,
    json: Json = None,
) -> None:
    """List the cards whose labels matter most, best first, with reasons. Grades the cards not graded yet."""
    from app.commands import queue

    print_result(_or_exit(lambda: queue.run(_folder(context, data), by, limit)), json)


@models_program.command("list")
def list_models(context: typer.Context, data: Data = None, json: Json = None) -> None:
    """Print the model in use, the history of models in use, and the models that can be promoted."""
    from app.commands import models

    print_result(_or_exit(lambda: models.list_models(_folder(context, data))), json)


@models_program.command("compare")
def compare_models(
    context: typer.Context,
    model: PromotedModel,
    against: Annotated[str, typer.Option(help="Model to compare with. Default: the one in use.")] = "",
    data: Data = None,
    json: Json = None,
) -> None:
    """Compare a model with the one in use on the labelled cards that neither has learned from."""
    from app.commands import models

    print_result(_or_exit(lambda: models.compare(_folder(context, data), model, against)), json)


@models_program.command()
def promote(
    context: typer.Context,
    model: PromotedModel,
    reason: Annotated[str, typer.Option(help="Reason to use it although the comparison speaks against it.")] = "",
    data: Data = None,
    json: Json = None,
) -> None:
    """Use a model for grading if it is not worse than the one in use. Exit code 3: refused, with the reasons."""
    from app.commands import models
    from app.models.promotion import PromotionRefused

    def promote_or_refuse() -> dict[str, Any]:
        try:
            return models.promote(_folder(context, data), model, reason)
        except PromotionRefused as error:
            print_error(str(error))
            raise typer.Exit(REFUSED) from error

    print_result(_or_exit(promote_or_refuse), json)


@models_program.command()
def rollback(
    context: typer.Context,
    to: Annotated[
        int | None, typer.Option(min=0, help="Number in the history; 0: the starter. Default: the model before.")
    ] = None,
    data: Data = None,
    json: Json = None,
) -> None:
    """Put a model back in use that was in use before."""
    from app.commands import models

    print_result(_or_exit(lambda: models.roll_back(_folder(context, data), to)), json)


@runs_program.command("list")
def list_runs(context: typer.Context, data: Data = None, json: Json = None) -> None:
    """Print all training runs, newest first."""
    from app.commands import runs

    print_result(_or_exit(lambda: runs.list_runs(_folder(context, data))), json)


@runs_program.command("show")
def show_run(context: typer.Context, run: RunNumber, data: Data = None, json: Json = None) -> None:
    """Print the state, progress and epochs of a run."""
    from app.commands import runs

    print_result(_or_exit(lambda: runs.show(_folder(context, data), run)), json)


@runs_program.command("stop")
def stop_run(context: typer.Context, run: RunNumber, data: Data = None, json: Json = None) -> None:
    """Ask a run to save and stop after the present batch."""
    from app.commands import runs

    print_result(_or_exit(lambda: runs.stop(_folder(context, data), run)), json)


@runs_program.command("resume")
def resume_run(context: typer.Context, run: RunNumber, data: Data = None, json: Json = None) -> None:
    """Resume a stopped, failed or killed run of the data folder, to its end."""
    from app.commands import runs

    print_result(_or_exit(lambda: runs.resume(_folder(context, data), run)), json)


@program.command()
def export(
    context: typer.Context,
    kind: Annotated[
        Literal["labels", "model", "report", "history"],
        typer.Argument(help="What to export."),
    ],
    model: ModelName = None,
    out: ExportedFile = None,
    bits: Annotated[Literal["8", "32"], typer.Option(help="Bits per weight of an exported model.")] = "32",
    onnx: Annotated[bool, typer.Option("--onnx", help="Export the model as an ONNX graph.")] = False,
    manifest: Annotated[
        Path | None, typer.Option(help="Cards on which to compare the exported model with the original.")
    ] = None,
    form: Annotated[
        Literal["csv", "parquet", "folders", "imagefolder"],
        typer.Option(
            help="Form of exported labels: a CSV file, a Parquet file, the pictures in a folder for each grade, or "
            "such a folder as Hugging Face reads it."
        ),
    ] = "csv",
    data: Data = None,
    json: Json = None,
) -> None:
    """Export labels, a model, a report or the history. The report describes a model, the history all runs."""
    if out is not None and form not in ("folders", "imagefolder"):
        _or_exit(lambda: check_file(out, "--out"))
    if kind != "labels" and form != "csv":
        _refuse(f"--form applies to export labels only; omit it with export {kind}")
    if kind != "model" and (bits != "32" or onnx or manifest):
        _refuse(f"--bits, --onnx and --manifest apply to export model only; omit them with export {kind}")
    if onnx and bits != "32":
        _refuse("--onnx always writes 32-bit weights; omit --bits")
    from app.commands import export
    from app.commands.export_model import ExportOptions

    options = ExportOptions("onnx" if onnx else "8 bits" if bits == "8" else "model", manifest)
    print_result(_or_exit(lambda: export.run(_folder(context, data), kind, model, out, options, form)), json)


@program.command()
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="ZIP file to write.")],
    data: Data = None,
    json: Json = None,
) -> None:
    """Back up the data folder and the pictures of its cards to one file."""
    from app.commands import backup

    result = _or_exit(lambda: backup.back_up(_folder(context, data), file))
    print_result(result, json)
    raise typer.Exit(BAD_INPUT if result["left_out"] else 0)


@program.command()
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="File written by backup, or a daily copy of the database.")],
    data: Data = None,
    json: Json = None,
) -> None:
    """Restore a backup into an empty data folder."""
    from app.commands import backup

    print_result(_or_exit(lambda: backup.restore(_folder(context, data), file)), json)


@program.command("clear-cache")
def clear_cache(context: typer.Context, data: Data = None, json: Json = None) -> None:
    """Delete the caches of the data folder, which are made again when needed."""
    from app.collection.deleting import clear_caches

    print_result({"freed_bytes": _or_exit(lambda: clear_caches(_folder(context, data)))}, json)


def _folder(context: typer.Context, data: Path | None) -> DataFolder:
    """The data folder; --data may precede or follow the command."""
    return _or_exit(lambda: data_folder(data or context.obj))


def _named_cache(context: typer.Context, data: Path | None) -> Path | None:
    """The data folder's prepared pictures, shared by runs outside it only if the folder was named."""
    return _folder(context, data).cache if data is not None or context.obj is not None else None


def _or_exit(action: Callable[[], Result]) -> Result:
    """Call `action`; an error that the user can correct becomes one line on stderr and exit code 2."""
    try:
        return action()
    except Exception as error:
        # Imported only after an error, so that a command loads only what it uses.
        from app.errors import user_message

        if (message := user_message(error)) is None:
            raise
        _refuse(message)


def _refuse(sentence: str) -> NoReturn:
    print_error(sentence)
    raise typer.Exit(BAD_INPUT)


if __name__ == "__main__":
    program()
