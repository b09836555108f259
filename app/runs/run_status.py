"""Status of a run for the screen: text, epochs, the end of its log, and the possible actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.markdown import escape
from app.runs.epoch_report import speed_text
from app.runs.history_report import best_epoch, criteria_text, score_text, settings_changes, verdict_of
from app.runs.run_queue import is_alive, place_text
from app.settings import DataFolder
from db import promotions, runs
from db.schema import Epoch, Run
from db.session import Database
from engine.experiments.lineage import describe
from engine.experiments.plans import ExperimentPlan
from engine.experiments.run_folder import CHECKPOINT, MODEL

LOG_LINES = 40
LOG_BYTES = 16_000
# Steps of the engine as the screen names them; others as they are.
STEPS = {"pictures": "preparing picture", "measuring": "measuring side", "features": "encoding picture"}
NO_RUNS = "No run yet. Choose a recipe and press **Start training**."


@dataclass(frozen=True)
class RunStatus:
    """Everything that the screen shows of a run."""

    status: str
    epochs: tuple[Epoch, ...]
    log: str
    can_stop: bool
    can_resume: bool


def run_choices(database: Database) -> list[tuple[str, int]]:
    """Runs as (text, id), newest first."""
    with database.reading() as session:
        return [(f"Run {run.id}: {run.recipe}, {_state(run)}", run.id) for run in runs.runs(session)]


def model_choices(database: Database) -> list[tuple[str, str]]:
    """Models of the runs as (text, path), newest first."""
    with database.reading() as session:
        models_of_runs = [(f"Run {run.id}: {run.recipe}", Path(run.folder) / MODEL) for run in runs.runs(session)]
    return [(text, str(path)) for text, path in models_of_runs if path.is_file()]


def runs_with_models(database: Database) -> list[tuple[str, int]]:
    """Runs that have saved a model, as (text, id), newest first."""
    with database.reading() as session:
        saved = [run for run in runs.runs(session) if (Path(run.folder) / MODEL).is_file()]
    return [(f"Run {run.id}: {run.recipe}, {_state(run)}", run.id) for run in saved]


def load_status(database: Database, data: DataFolder, run_id: int | None) -> RunStatus:
    """The present status of a run; of no run if `run_id` is None or unknown."""
    with database.reading() as session:
        run = None if run_id is None else runs.get(session, run_id=run_id)
        epochs = () if run is None else tuple(runs.epochs(session, run_id=run.id))
        current = promotions.current_model(session)
        queue = runs.queued_runs(session)
        running = [other for other in runs.open_runs(session) if other.state == "running"]
    if run is None:
        return RunStatus(NO_RUNS, (), "", False, False)
    lines = [place_text(run.id, queue, running)] if run in queue and run.stop_requested_at is None else []
    if run.stop_requested_at is not None:
        has_ended = run.state not in ("queued", "running") and not is_alive(data.run_lock(run.id))
        lines.append(stop_steps(run, has_ended=has_ended))
    is_grading = current is not None and current.run_id == run.id
    return RunStatus(
        status=status_text(run, epochs, lines, grading=is_grading),
        epochs=epochs,
        log=log_end(Path(run.log_path)),
        can_stop=run.state in ("queued", "running") and run.stop_requested_at is None,
        can_resume=run.state in ("stopped", "failed", "lost"),
    )


def stop_steps(run: Run, *, has_ended: bool) -> str:
    """Steps of a stop request: asked, saved, exited. The process saves after the batch that it is at."""
    steps = ["asked ✓"]
    if run.state in ("queued", "running"):
        steps += ["saves after this batch ..." if run.state == "running" else "leaves the queue ...", "exits"]
    else:
        # Before the first epoch there is nothing to save.
        done = "saved" if (Path(run.folder) / CHECKPOINT).is_file() else run.state
        asked, ended = run.stop_requested_at, run.ended_at
        after = f" after {max(0.0, (ended - asked).total_seconds()):.0f} s" if asked and ended else ""
        steps += [f"{done}{after} ✓", "exited ✓" if has_ended else "exits ..."]
    return f"**Stop:** {' → '.join(steps)}"


def status_text(run: Run, epochs: tuple[Epoch, ...], notes: Sequence[str], *, grading: bool) -> str:
    """Markdown text of a run's state, notes on its place or its stop, progress, best QWK, plan and message."""
    lines = [f"### Run {run.id}: {escape(run.recipe)}, {_state(run)}"]
    lines += notes
    if run.state == "running" and run.progress:
        lines.append(progress_text(run, epochs))
    best = best_epoch(epochs)
    if best:
        lines.append(f"Best validation QWK {score_text(best)} at epoch {best.epoch} of {len(epochs)} completed")
    lines += [speed] if run.state == "running" and (speed := speed_text(epochs)) else []
    lines += _experiment(run, epochs)
    if run.message:
        lines.append(escape(run.message))
    if (Path(run.folder) / CHECKPOINT).is_file() and run.state != "finished":
        lines.append(f"Checkpoint: `{Path(run.folder) / CHECKPOINT}`")
    if grading:
        lines.append("**The grading model comes from this run.**")
    return "\n\n".join(lines)


def progress_text(run: Run, epochs: tuple[Epoch, ...]) -> str:
    """Progress of a running run: "Epoch 3 of 12: training 8 of 40, about 9 minutes left"."""
    progress = run.progress or {}
    total = run.config.get("phase1_epochs", 0) + run.config.get("phase2_epochs", 0)
    step = f"{STEPS.get(progress['step_name'], progress['step_name'])} {progress['batch']} of {progress['batches']}"
    left: float | None = progress.get("seconds_left")
    if not progress["epoch"]:
        return f"Before the first epoch: {step}{_time_left(left, 'for this step')}"
    if epochs:
        # The pace of the latest epochs: the first ones may have waited for other programs.
        latest = [epoch.seconds for epoch in epochs[-3:]]
        per_epoch = sum(latest) / len(latest)
        is_training = progress["step_name"] == "training"
        of_this = per_epoch * (1 - progress["batch"] / max(progress["batches"], 1)) if is_training else 0.0
        left = per_epoch * max(total - progress["epoch"], 0) + of_this
    elif left is not None and progress["batch"] < progress["batches"]:
        per_epoch = left / (1 - progress["batch"] / progress["batches"])
        left += per_epoch * max(total - progress["epoch"], 0)
    return f"Epoch {progress['epoch']} of {total}: {step}{_time_left(left)}"


def _time_left(seconds: float | None, suffix: str = "") -> str:
    if seconds is None:
        return ""
    return f", {duration_text(seconds)} left{f' {suffix}' if suffix else ''}"


def duration_text(seconds: float) -> str:
    """A time in words: "less than a minute", "about 25 minutes", "about 3 hours"."""
    minutes = round(seconds / 60)
    if minutes >= 120:
        return f"about {minutes / 60:.0f} hours"
    return "less than a minute" if minutes < 1 else "about a minute" if minutes == 1 else f"about {minutes} minutes"


def _experiment(run: Run, epochs: tuple[Epoch, ...]) -> list[str]:
    """The run's changes, hypothesis, criteria and verdict, as lines of text."""
    if not run.plan:
        return [f"Changed against the recipe: {escape(settings_changes(run))}"]
    plan = ExperimentPlan.model_validate(run.plan)
    reason = f", several changes because: {escape(plan.bundle)}" if plan.bundle else ""
    lines = [f"Changed against {escape(plan.parent)}: {escape(describe(plan.changes))}{reason}"]
    if plan.hypothesis:
        lines.append(f"Hypothesis: {escape(plan.hypothesis)}")
    if plan.expect or plan.fail:
        lines.append(f"Expected: {criteria_text(plan)}: **{verdict_of(run, epochs).outcome}**")
    return lines


def _state(run: Run) -> str:
    if run.state == "running" and run.stop_requested_at:
        return "stopping"
    return "interrupted" if run.state == "lost" else run.state


def log_end(path: Path) -> str:
    """The last lines of a log."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_BYTES))
        return "\n".join(file.read().decode("utf-8", errors="replace").splitlines()[-LOG_LINES:])
