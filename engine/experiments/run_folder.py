"""Files of a run folder: its config and card pairs are written once and read on every resume. Free of torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from engine.cards.pairs import CardPair, read_snapshot, write_snapshot
from engine.config import BadConfig, Config, current_names
from engine.storage.atomic import write_text

CONFIG = "config.json"
PAIRS = "pairs.jsonl"
CHECKPOINT = "last.ckpt"  # all that an exact resume needs
MODEL = "model.pt"  # the weights with the best validation QWK so far
# Subfolders of related runs: the folds of a cross-validation, the controls of a run.
FOLD, CONTROL = "fold-", "control-"
CONTROLS = ("background", "label")


def holds_run(folder: Path) -> bool:
    """Return True if a run was started in the folder."""
    return (folder / CONFIG).is_file()


def save(folder: Path, config: Config, pairs: Sequence[CardPair]) -> None:
    """Write config and pairs of a run, once. Raises BadConfig if the folder has a run with others."""
    if not holds_run(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_snapshot(folder / PAIRS, pairs)
        # The config comes last: its presence marks the folder as complete.
        write_text(folder / CONFIG, config.model_dump_json(indent=2) + "\n")
    if load(folder) != (config, list(pairs)):
        raise BadConfig(f"{folder}: already holds a run with other settings or cards; choose another folder")


def load(folder: Path) -> tuple[Config, list[CardPair]]:
    """Read config and pairs of the run in the folder. Raises BadConfig if there is none."""
    if not holds_run(folder):
        raise BadConfig(f"{folder}: holds no run; give the folder of a training run")
    try:
        settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"), object_hook=current_names)
        config = Config.model_validate(settings)
    except ValueError as error:
        raise BadConfig(
            f"{folder / CONFIG}: this version of Loupe cannot read its settings; start a new run in another folder"
        ) from error
    return config, read_snapshot(folder / PAIRS)


def fold_folders(folder: Path) -> list[Path]:
    """Fold folders of a cross-validation, in order; empty if `folder` has no completely set up cross-validation."""
    return all_fold_folders(folder) if holds_run(folder / f"{FOLD}1") else []


def all_fold_folders(folder: Path) -> list[Path]:
    """All fold folders, including those of an interrupted set-up (fold-1 is written last and marks it complete)."""
    numbers = (path.name.removeprefix(FOLD) for path in folder.glob(f"{FOLD}*"))
    return [folder / f"{FOLD}{number}" for number in sorted(int(number) for number in numbers if number.isdecimal())]


def control_folders(folder: Path) -> dict[str, Path]:
    """Folders of a run's controls by their input region."""
    folders = {region: folder / f"{CONTROL}{region}" for region in CONTROLS}
    return {region: path for region, path in folders.items() if holds_run(path)}
