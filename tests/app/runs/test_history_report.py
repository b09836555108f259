"""The history report shows the plans and the results of runs."""

import pytest

from app.runs.history_report import best_epoch, history_page, score_text
from app.runs.plan_input import PlanInput, build_plan, undeclared_bundle_warning
from app.settings import UserError
from db import runs
from db.schema import Epoch
from engine.config import RENAMED_SETTINGS
from engine.experiments.plans import ExperimentPlan
from engine.recipes import recipe_config
from engine.thresholds import BadThreshold


def epochs(*scores):
    return [Epoch(run_id=1, epoch=number, qwk=score, metrics={}) for number, score in enumerate(scores, start=1)]


def test_of_equal_epochs_the_first_is_the_best_as_the_engine_keeps_only_a_better_model():
    assert best_epoch(epochs(0.2, 0.5, 0.5)).epoch == 2


def test_an_undefined_qwk_is_never_the_best_and_zero_can_be():
    assert best_epoch(epochs(None, 0.0, None, -0.1)).epoch == 2
    assert best_epoch(epochs(None)) is None
    assert best_epoch([]) is None


def test_the_page_says_by_which_score_an_epoch_was_chosen_if_not_by_qwk():
    scores = [(None, 0.05), (0.0, 0.03), (0.0, 0.04)]
    rows = [
        Epoch(run_id=1, epoch=number, qwk=qwk, metrics={"qwk": qwk, "rps": rps, "chosen_by": "rps"})
        for number, (qwk, rps) in enumerate(scores, start=1)
    ]
    assert best_epoch(rows).epoch == 2
    assert score_text(rows[1]) == "0.0000 (chosen by ranked probability score, 0.0300)"
    assert score_text(rows[0]) == "undefined (chosen by ranked probability score, 0.0500)"


@pytest.fixture
def history(database):
    """The baseline and the fourth run of the real history: four changes at once, stopped at epoch 13."""

    def add(recipe, plan_input, epochs):
        plan = build_plan(plan_input, recipe_config(recipe), recipe, database)
        with database.writing() as session:
            run = runs.add_run(
                session,
                recipe=recipe,
                parent=plan.parent,
                config=recipe_config(recipe).model_dump(),
                snapshot_id=None,
                folder="/f",
                log_path="/l",
                plan=plan.model_dump(mode="json"),
            )
            runs.change_state(session, run_id=run.id, expected="queued", to="running")
            for epoch, qwk, train_loss, val_loss in epochs:
                runs.record_epoch(
                    session,
                    run_id=run.id,
                    epoch=epoch,
                    phase=2,
                    train_loss=train_loss,
                    val_loss=val_loss,
                    qwk=qwk,
                    learning_rate=3e-4,
                    seconds=1.0,
                    metrics={"qwk": qwk, "train_qwk": 0.87},
                )
            runs.change_state(session, run_id=run.id, expected="running", to="stopped", message="stopped in epoch 13")

    add("baseline", PlanInput(), [(27, 0.7633, 0.49, 3.53)])
    bundle = PlanInput("1", "to save time", "all four help", "qwk>=0.5@13,qwk>=0.74@27", "qwk<0.40@13")
    add("four_at_once", bundle, [(12, 0.25, 2.0, 4.0), (13, 0.287, 1.9, 3.9)])
    return database


def test_the_history_shows_problem_change_expectation_result_and_verdict(history):
    page, count = history_page(history)
    assert count == 2
    assert "| 1 | baseline | baseline | 0 | 1 | 0.7633 at epoch 27 | stopped | no criteria |" in page
    assert "| 2 | four_at_once | run 1 | 4, declared | 2 | 0.2870 at epoch 13 | stopped | failed |" in page
    story = page[page.index("## Run 2") : page.index("## Recipes")]
    for sentence in (
        "**Problem.** Four changes at once",
        "**Change** against run 1: alpha_emd = 0.4 (0.7), label_smoothing = 0.1 (0.0), mixup_alpha = 0.3 (0.0)",
        "Several changes at once, because: to save time. Their effects cannot be separated.",
        "**Hypothesis.** all four help",
        "**Expectation.** qwk>=0.5@13, qwk>=0.74@27; failed if qwk<0.4@13",
        "**Result.** stopped after 2 epochs; best validation QWK 0.2870 at epoch 13; ",
        "training QWK then 0.8700 (gap 0.5830)",
        "losses 1.9000 in training, 3.9000 in validation",
        "**Verdict.** failed (qwk>=0.5@13 does not hold: 0.287; qwk>=0.74@27 could not be evaluated; qwk<0.4@13 holds",
    ):
        assert sentence in story
    assert "- `four_at_once` from `baseline`: alpha_emd = 0.4 (0.7)" in page
    assert "- `original`, the first." in page


def test_a_run_without_a_stored_plan_is_described_by_its_settings(database):
    config = recipe_config("baseline", {"dropout": 0.1, "mixup_alpha": 0.2, "seed": 5, "max_pairs": 10})
    with database.writing() as session:
        runs.add_run(
            session,
            recipe="baseline",
            parent="over_regularised",
            config=config.model_dump(),
            snapshot_id=None,
            folder="/f",
            log_path="/l",
        )
    page, _ = history_page(database)
    assert "| 1 | baseline | baseline | 2, undeclared | 0 | undefined | queued | no criteria |" in page
    assert "not declared: their effects cannot be separated" in page


def test_the_settings_of_an_earlier_version_s_run_have_current_names(database):
    config = recipe_config("loupe", {"measurement_dropout": 0.3}).model_dump()
    old_names = {new: old for old, new in RENAMED_SETTINGS.items()}
    with database.writing() as session:
        runs.add_run(
            session,
            recipe="loupe",
            parent="ordinal",
            config={old_names.get(key, key): value for key, value in config.items()},
            snapshot_id=None,
            folder="/f",
            log_path="/l",
        )
    page, _ = history_page(database)
    assert "measurement_dropout = 0.3 (0.2)" in page


def test_a_run_without_a_parent_is_compared_with_its_recipe(database):
    config = recipe_config("focal", {"seed": 5, "max_pairs": 10})
    assert build_plan(PlanInput(), config, "focal", database) == ExperimentPlan(parent="focal")
    against = build_plan(PlanInput(parent="baseline"), config, "focal", database)
    assert against.changes == {"focal_gamma": (0.0, 2.0)}
    assert undeclared_bundle_warning(against) is None


def test_a_stop_if_rule_is_also_a_failure_criterion(database):
    config = recipe_config("baseline", {"stop_if": "qwk<0.4@13, mae>2@1"})
    assert [*map(str, build_plan(PlanInput(fail="mae>2@1"), config, "baseline", database).fail)] == [
        "mae>2.0@1",
        "qwk<0.4@13",
    ]


@pytest.mark.parametrize("parent", ["magic", "9", "run 9", "/nowhere"])
def test_a_missing_parent_is_named(parent, database):
    with pytest.raises(UserError, match=parent.removeprefix("run ")):
        build_plan(PlanInput(parent=parent), recipe_config("baseline"), "baseline", database)


def test_a_threshold_that_cannot_be_read_stops_the_run_before_it_starts(database):
    with pytest.raises(BadThreshold, match="better"):
        build_plan(PlanInput(expect="better"), recipe_config("baseline"), "baseline", database)
