"""Run folders: config and pairs are written once, and a folder that cannot be resumed is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine.cards.pairs import write_snapshot
from engine.config import RENAMED_SETTINGS, BadConfig
from engine.events import Stopped
from engine.experiments import run_folder
from engine.training.loop import resume
from tests.engine.training_helpers import config, run

pytestmark = pytest.mark.usefixtures("no_fsync")


def test_a_folder_with_another_run_is_refused(tmp_path, cards, prepared):
    run(config(), cards, tmp_path / "run", prepared, stop=lambda: True)
    for settings, pairs in ((config(dropout=0.5), cards), (config(), cards[1:])):
        with pytest.raises(BadConfig, match="already holds a run with other settings or cards; choose another folder"):
            run(settings, pairs, tmp_path / "run", prepared)


def test_a_folder_without_a_run_cannot_be_resumed(tmp_path):
    with pytest.raises(BadConfig, match="holds no run; give the folder of a training run"):
        list(resume(tmp_path))


@pytest.mark.parametrize("text", ["", '{"dropout": ', '{"dropout": 7}', "[]", '{"of_a_later_version": 1}'])
def test_a_run_with_unreadable_settings_is_refused_with_one_message(tmp_path, cards, text):
    (tmp_path / "config.json").write_text(text)
    write_snapshot(tmp_path / "pairs.jsonl", cards)
    with pytest.raises(BadConfig) as refusal:
        list(resume(tmp_path))
    assert str(refusal.value).startswith(f"{tmp_path / 'config.json'}: ")
    assert "\n" not in str(refusal.value)


def test_a_run_folder_written_by_an_earlier_version_is_resumed(tmp_path, cards, prepared):
    folder = tmp_path / "run"
    run(config(), cards, folder, prepared, stop=lambda: True)
    text = (folder / "config.json").read_text()
    for old, new in RENAMED_SETTINGS.items():
        text = text.replace(f'"{new}"', f'"{old}"')
    (folder / "config.json").write_text(text)
    assert run_folder.load(folder)[0] == config()
    assert isinstance(list(resume(folder, lambda: True, prepared))[-1], Stopped)
    assert isinstance(run(config(), cards, folder, prepared, stop=lambda: True)[-1], Stopped)


def test_a_kill_while_the_settings_are_written_leaves_a_folder_that_can_be_used(tmp_path, cards, prepared, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(config(), cards, tmp_path / "run", prepared)
    assert isinstance(run(config(), cards, tmp_path / "run", prepared, stop=lambda: True)[-1], Stopped)


def test_a_run_on_cards_with_relative_paths_can_be_resumed(tmp_path, cards, prepared, monkeypatch):
    monkeypatch.chdir(cards[0].front.parent)
    relative = [
        replace(card, front=card.front and Path(card.front.name), back=card.back and Path(card.back.name))
        for card in cards
    ]
    for _ in range(2):
        events = run(config(), relative, tmp_path / "run", prepared, stop=lambda: True)
        assert isinstance(events[-1], Stopped)
    monkeypatch.chdir(tmp_path)
    assert isinstance(list(resume(tmp_path / "run", lambda: True, prepared))[-1], Stopped)
