"""A data folder written by commit 172c264, before settings were renamed, opens with equal meaning.

tests/old_data_folder was made there by `import` of thirty synthetic cards and one `train` run that sets the renamed
settings. Its paths begin with /loupe-before; to keep it small, the model file has no weights.
"""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import torch

from db import runs
from db.session import Database
from engine.config import RENAMED_SETTINGS, from_saved
from engine.experiments import run_folder
from engine.inference.load_model import load_model
from engine.model.dual_branch import DualBranch
from tests import commands
from tests.card_factory import write_cards

# Whole commands on a trained model.
pytestmark = pytest.mark.slow

GRADES = [1 + (7 * number // 3) % 10 for number in range(30)]


@pytest.fixture
def old_folder(tmp_path: Path) -> Path:
    """The data folder under a new root, with its pictures drawn again and random weights in its model file."""
    write_cards(tmp_path / "pictures", GRADES)
    folder = Path(shutil.copytree(Path(__file__).with_name("old_data_folder"), tmp_path / "data"))
    for path in (folder / "runs" / "run-0001").iterdir():
        if path.suffix != ".pt":
            path.write_text(path.read_text(encoding="utf-8").replace("/loupe-before", str(tmp_path)), encoding="utf-8")
    with closing(sqlite3.connect(folder / "loupe.db")) as raw:
        for table, columns in {
            "pictures": ("path",),
            "snapshots": ("path",),
            "runs": ("folder", "log_path", "summary"),
        }.items():
            for column in columns:
                raw.execute(f"UPDATE {table} SET {column} = replace({column}, '/loupe-before', ?)", (str(tmp_path),))
        raw.commit()
    model = folder / "runs" / "run-0001" / "model.pt"
    content = torch.load(model, weights_only=True)
    assert set(RENAMED_SETTINGS) < set(content["config"]), "the file no longer stands for what was written before"
    torch.save({**content, "model": DualBranch(from_saved(content["config"])).state_dict()}, model)
    return folder


def test_every_renamed_setting_keeps_its_value():
    saved = json.loads(Path(__file__).with_name("old_data_folder").joinpath("runs/run-0001/config.json").read_text())
    config = from_saved(saved.get("config", saved))
    for old, new in RENAMED_SETTINGS.items():
        assert getattr(config, new) == saved.get("config", saved)[old]
    assert (config.use_measurements, config.measurement_dropout, config.teacher_weight) == (True, 0.2, 0.25)


def test_its_run_folder_and_its_model_load(old_folder):
    config, pairs = run_folder.load(old_folder / "runs" / "run-0001")
    assert len(pairs) == 30
    assert config.use_measurements
    model = load_model(old_folder / "runs" / "run-0001" / "model.pt")
    assert model.config == config


def test_its_database_opens_and_its_run_keeps_its_settings(old_folder):
    with Database.open(old_folder / "loupe.db") as database, database.reading() as session:
        run = runs.get(session, run_id=1)
        assert run is not None
        assert (run.state, run.recipe) == ("finished", "loupe")
        assert from_saved(run.config).measurement_dropout == 0.2


def test_its_history_is_exported_under_the_new_names(old_folder):
    result = commands.call("export", "history", "--data", old_folder)
    assert result.exit_code == 0, result.err
    text = Path(result.result["path"]).read_text(encoding="utf-8")
    assert "teacher_weight" in text
    assert not any(f"{old} " in text for old in RENAMED_SETTINGS)


def test_its_model_evaluates_and_its_run_is_compared_with_itself(old_folder):
    model = old_folder / "runs" / "run-0001" / "model.pt"
    result = commands.call("evaluate", "--model", model, "--split", "val", "--data", old_folder)
    assert result.exit_code == 0, result.err
    assert result.result["n"] > 0
    result = commands.call("compare", "1", "--against", "1", "--data", old_folder)
    assert result.exit_code == 0, result.err


def test_a_new_run_starts_from_its_weights(old_folder, tmp_path):
    model = old_folder / "runs" / "run-0001" / "model.pt"
    manifest = write_cards(tmp_path / "others", GRADES[:12], seed=7)
    settings = commands.settings(pretrained=model, use_measurements="true", measurement_dropout="0.2")
    result = commands.call("train", "--manifest", manifest, "--out", tmp_path / "run", *settings)
    assert result.exit_code == 0, result.err
