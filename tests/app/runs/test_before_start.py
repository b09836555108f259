"""Cards, time and disk space of a run are named before it starts; its pace is measured in a process of its own."""

import json
import time

import pytest

from app.runs import before_start
from app.runs.before_start import BeforeStart, cards_text, disk_text, time_text
from app.runs.pace_probe import PaceProbe
from db import runs
from engine.cards.pairs import CardPair
from engine.recipes import recipe_config
from engine.training.pace import Pace, RunSize, bytes_of_run, measure_pace, pace_settings, seconds_of_run
from labeling.snapshot import LeftOutCard, pairs_from_manifest
from tests.commands import SMALL_RUN

PACE = Pace(
    start=0.0,
    prepare=2.0,
    training=(0.25, 0.5),
    validation=0.1,
    save=1.0,
    checkpoint_bytes=400_000_000,
    model_bytes=100_000_000,
    picture_bytes=2_000_000,
)
SIZE = RunSize(training=40, validation=10, pictures=50)


def config(**changes):
    return recipe_config("baseline", {**SMALL_RUN, **changes})


def pairs(**numbers):
    return [
        CardPair(f"{split}-{number}", None, None, grade=1.0 + number % 10, split=split)
        for split, count in numbers.items()
        for number in range(count)
    ]


def test_the_time_is_that_of_all_parts():
    # 50 pictures of 2 s, and 10 epochs of 40 x .5 s, 10 x .1 s and 1 s.
    assert seconds_of_run(PACE, config(phase2_epochs=10), SIZE) == pytest.approx(100 + 10 * (20 + 1 + 1))
    both = config(phase1_epochs=10, phase2_epochs=10)
    assert seconds_of_run(PACE, both, SIZE) == pytest.approx(100 + 10 * (10 + 1 + 1) + 10 * (20 + 1 + 1))
    text = time_text(PACE, config(phase2_epochs=60), SIZE)
    assert text == "**About 24 minutes on this machine**: about 2 minutes to prepare 50 pictures, then 60 epochs."


def test_the_disk_space_is_compared_with_what_is_free():
    needed = bytes_of_run(PACE, SIZE)
    assert needed == 1_100_000_000, "checkpoint and model twice, and 50 pictures"
    assert disk_text(needed, 40 * 10**9) == "It needs 1.1 GB on the disk; 40 GB are free."
    assert "only 1.0 GB are free; free some space first" in disk_text(needed, 10**9)


def test_the_cards_are_named_by_split_and_those_left_out_by_reason():
    left_out = [
        LeftOutCard("a", "not labelled"),
        LeftOutCard("b", "not labelled"),
        LeftOutCard("c", "the picture c.png is missing"),
        LeftOutCard("d", "qualified OC (off center): the grade ignores that flaw"),
    ]
    text = cards_text(pairs(train=5, val=3, test=2), left_out, config())
    assert "5 cards to train on, 3 to choose the best epoch and to compare models, 2 kept back" in text
    assert "2 not labelled; 1 a picture is missing or has changed; 1 qualified OC (off center)" in text
    fewer = cards_text(pairs(train=5, val=3, test=2), [], config(max_pairs=4))
    assert "Left out: 4 above the maximum number of cards." in fewer


def test_settings_that_do_not_change_the_pace_are_not_measured_again():
    assert pace_settings(config(phase2_epochs=50, lr_phase2=1e-5, seed=3)) == pace_settings(config())
    assert pace_settings(config(batch_size=4)) != pace_settings(config())


def test_a_run_that_cannot_start_is_said_before_the_start(data_home):
    assert "It cannot start: no card is left for training" in BeforeStart(
        data_home.database, data_home.data, data_home.jobs
    ).text(config())


def test_a_run_that_was_just_started_is_not_slowed_down_by_a_measurement(data_home, monkeypatch):
    """Its process takes the lock only once it has loaded torch."""
    monkeypatch.setattr(before_start, "pairs_from_rows", lambda database: (pairs(train=5, val=3), []))
    cost = BeforeStart(data_home.database, data_home.data, data_home.jobs)
    with data_home.database.writing() as session:
        files = {"snapshot_id": None, "folder": "", "log_path": ""}
        run_id = runs.add_run(session, recipe="loupe", parent=None, config={}, **files).id
    assert cost.text(config()).endswith("The time is measured when no run trains.")
    with data_home.database.writing() as session:
        runs.change_state(session, run_id=run_id, expected="queued", to="failed")
    monkeypatch.setattr(cost.probe, "pace", lambda *asked: "Measuring")
    assert cost.text(config()).endswith("Measuring")


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Stands for the program: waits for the file `go`, and answers as told."""

    def write(answer):
        code = (
            "import json, sys, time\nfrom pathlib import Path\nhere = Path(__file__).parent\n"
            "request, result = Path(sys.argv[2]) / 'request.json', Path(sys.argv[4])\n"
            "assert json.loads(request.read_text())['config']['batch_size']\n"
            "while not (here / 'go').exists(): time.sleep(0.01)\n" + answer
        )
        (tmp_path / "launch.py").write_text(code, encoding="utf-8")
        monkeypatch.setattr("app.runs.jobs.PROGRAM", tmp_path)
        return tmp_path

    return write


def answered(probe, settings):
    """The answer once the process has ended."""
    deadline = time.monotonic() + 60
    while isinstance(answer := probe.pace(settings, []), str) and answer.startswith("Measuring"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return answer


def test_other_settings_end_the_measurement_and_a_run_that_trains_prevents_it(data_home, program):
    folder = program(f"result.write_text({json.dumps(json.dumps(PACE.__dict__))})")
    probe = PaceProbe(data_home.database, data_home.data, data_home.jobs)
    with data_home.data.training_lock():
        assert probe.pace(config(), []) == "The time is measured when no run trains."
    assert probe.pace(config(batch_size=2), [], "a page").startswith("Measuring the time")
    first = probe._current.process
    assert probe.pace(config(batch_size=4), [], "another page").startswith("Measuring the time")
    assert first.poll() is None, "the page that waits does not end it"
    assert probe.pace(config(batch_size=4), [], "a page").startswith("Measuring the time")
    assert first.returncode is not None
    (folder / "go").touch()
    assert answered(probe, config(batch_size=4)) == PACE
    assert probe.pace(config(batch_size=4, phase2_epochs=9), []) == PACE, "known, and not measured again"


def test_a_failed_measurement_is_one_sentence(data_home, program):
    folder = program("sys.stderr.write('loupe: a.png: no picture'); sys.exit(2)")
    (folder / "go").touch()
    assert (
        answered(PaceProbe(data_home.database, data_home.data, data_home.jobs), config())
        == "The time could not be measured: a.png: no picture."
    )


@pytest.mark.parametrize("changes", [{"phase1_epochs": 3}, {"frozen_layers": "encoders", "attention": "none"}])
def test_a_few_real_steps_give_a_pace(manifest, tmp_path, changes):
    """Both ways to train: on pictures, in two phases, and on features of frozen encoders."""
    settings = config(batch_size=2, auxiliary_targets=False, cached_views=1, **changes)
    cards = [pair for pair in pairs_from_manifest(manifest).pairs if pair.split == "train"]
    pace = measure_pace(settings, cards[:1], tmp_path)
    assert settings.caches_features == ("frozen_layers" in changes)
    assert [seconds > 0 for seconds in pace.training] == [settings.phase1_epochs > 0, True]
    assert min(pace.prepare, pace.validation, pace.save, pace.model_bytes) > 0
    assert pace.picture_bytes >= 64 * 64 * 3
    # Adam keeps two values for each trained weight beside it.
    assert pace.checkpoint_bytes > (1 if settings.caches_features else 2) * pace.model_bytes


@pytest.mark.long
def test_the_pace_of_real_steps_is_measured_and_nothing_is_left_behind(home):
    before_start = BeforeStart(home.database, home.data, home.jobs)
    deadline = time.monotonic() + 120
    while "Measuring" in (text := before_start.text(config())):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "18 cards to train on, 6 to choose the best epoch" in text
    assert "on this machine**: " in text
    assert "48 pictures, then 1 epoch." in text
    assert " are free." in text
    assert not (home.data.cache / "pace").exists()
