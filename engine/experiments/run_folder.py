"""The files of a run's folder, and what it was told: written once, asked again on every resume. Free of torch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from engine.cards.pairs import CardPair, read_snapshot, write_snapshot
from engine.config import BadConfig, Config
from engine.storage.atomic import aside

CONFIG = "config.json"
PAIRS = "pairs.jsonl"
CHECKPOINT = "last.ckpt"  # all that is needed to go on exactly
MODEL = "model.pt"  # the weights of the best validation QWK so far
# Runs that belong together lie in one folder: a cross-validation's folds, or a model's run and its controls.
FOLD, CONTROL = "fold-", "control-"
CONTROLS = ("background", "label")


def holds_run(folder: Path) -> bool:
    """Whether a run was ever started in the folder."""
    return (folder / CONFIG).is_file()


def record(folder: Path, config: Config, pairs: Sequence[CardPair]) -> None:
    """Write what a run is told, once. Raises BadConfig where the folder holds a run that was told otherwise."""
    if not holds_run(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_snapshot(folder / PAIRS, pairs)
        # The config last: where it stands, all stands.
        with aside(folder / CONFIG) as part:
            part.write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if told(folder) != (config, list(pairs)):
        raise BadConfig(f"{folder}: already holds a run with other settings or cards; choose another folder")


def told(folder: Path) -> tuple[Config, list[CardPair]]:
    """What the run in the folder was told. Raises BadConfig where there is none."""
    if not holds_run(folder):
        raise BadConfig(f"{folder}: holds no run; give a folder that a training run has written")
    try:
        config = Config.model_validate_json((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadConfig(
            f"{folder / CONFIG}: holds no settings that this version of Loupe knows; start anew in another folder"
        ) from error
    return config, read_snapshot(folder / PAIRS)


def folds_in(folder: Path) -> list[Path]:
    """The folders of a cross-validation's folds, in order; none where `folder` holds no cross-validation told whole."""
    return told_folds(folder) if holds_run(folder / f"{FOLD}1") else []


def told_folds(folder: Path) -> list[Path]:
    """The folders of folds, in order, also where telling them was ended before the first, which is told last."""
    numbers = (path.name.removeprefix(FOLD) for path in folder.glob(f"{FOLD}*"))
    return [folder / f"{FOLD}{number}" for number in sorted(int(number) for number in numbers if number.isdecimal())]


def controls_in(folder: Path) -> dict[str, Path]:
    """The folders of the controls beside a run, by what they see."""
    return {seen: folder / f"{CONTROL}{seen}" for seen in CONTROLS if holds_run(folder / f"{CONTROL}{seen}")}


def sha256(path: Path) -> str:
    """A file's SHA-256 as 64 hex digits: a model's identity."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
