"""What a person reads about runs says what the engine did and what was said before it."""

import pytest

from app.runs.history_report import best_epoch, history_page
from app.runs.plan_input import Said, plan_of, warning
from app.settings import Trouble
from db import runs
from db.schema import Epoch
from engine.experiments.plans import Plan
from engine.recipes import recipe_config
from engine.thresholds import BadThreshold


def epochs(*scores):
    return [Epoch(run_id=1, epoch=number, qwk=score) for number, score in enumerate(scores, start=1)]


def test_of_equal_epochs_the_first_is_the_best_as_the_engine_keeps_only_a_better_model():
    assert best_epoch(epochs(0.2, 0.5, 0.5)).epoch == 2


def test_an_undefined_qwk_is_never_the_best_and_nought_can_be():
    assert best_epoch(epochs(None, 0.0, None, -0.1)).epoch == 2
    assert best_epoch(epochs(None)) is None
    assert best_epoch([]) is None


@pytest.fixture
def history(database):
    """The history's baseline and its fourth run, as their log has them: four changes at once, stopped at epoch 13."""

    def add(recipe, said, told):
        plan = plan_of(said, recipe_config(recipe), recipe, database)
        with database.writing() as session:
            run = runs.add_run(
                session,
                recipe=recipe,
                parent=plan.parent,
                config=recipe_config(recipe).model_dump(),
                snapshot_id=None,
                folder="/f",
                log_path="/l",
                plan=plan.as_json(),
            )
            runs.move(session, run_id=run.id, expected="queued", to="running")
            for epoch, qwk, train_loss, val_loss in told:
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
            runs.move(session, run_id=run.id, expected="running", to="stopped", message="stopped in epoch 13")

    add("baseline", Said(), [(27, 0.7633, 0.49, 3.53)])
    bundle = Said("1", "to save time", "all four help", "qwk>=0.5@13,qwk>=0.74@27", "qwk<0.40@13")
    add("four_at_once", bundle, [(12, 0.25, 2.0, 4.0), (13, 0.287, 1.9, 3.9)])
    return database


def test_the_history_tells_problem_change_expectation_result_and_verdict(history):
    page, count = history_page(history)
    assert count == 2
    assert "| 1 | baseline | baseline | 0 | 1 | 0.7633 at epoch 27 | stopped | nothing was expected |" in page
    assert "| 2 | four_at_once | run 1 | 4, a bundle | 2 | 0.2870 at epoch 13 | stopped | failed |" in page
    story = page[page.index("## Run 2") : page.index("## Recipes")]
    for sentence in (
        "**Problem.** Four changes together",
        "**Change** against run 1: alpha_emd = 0.4 (0.7), label_smoothing = 0.1 (0.0), mixup_alpha = 0.3 (0.0)",
        "A bundle, because: to save time. None of the changes can be credited by itself.",
        "**Hypothesis.** all four help",
        "**Expectation.** qwk>=0.5@13, qwk>=0.74@27; failed if qwk<0.4@13",
        "**Result.** stopped after 2 epochs; best validation QWK 0.2870 at epoch 13; ",
        "training QWK then 0.8700 (gap 0.5830)",
        "losses 1.9000 in training, 3.9000 in validation",
        "**Verdict.** failed (qwk>=0.5@13 does not hold: 0.287; qwk>=0.74@27 could not be asked; qwk<0.4@13 holds",
    ):
        assert sentence in story
    assert "- `four_at_once` from `baseline`: alpha_emd = 0.4 (0.7)" in page
    assert "- `original`, the first." in page


def test_a_run_from_before_plans_were_kept_is_told_by_its_settings(database):
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
    assert "| 1 | baseline | baseline | 2, undeclared | 0 | undefined | queued | nothing was expected |" in page
    assert "not declared: none of them can be credited or blamed" in page


def test_a_run_without_a_parent_is_measured_by_the_recipe_it_starts_from(database):
    config = recipe_config("focal", {"seed": 5, "max_pairs": 10})
    assert plan_of(Said(), config, "focal", database) == Plan(parent="focal")
    against = plan_of(Said(parent="baseline"), config, "focal", database)
    assert against.changes == {"focal_gamma": (0.0, 2.0)}
    assert warning(against) is None


def test_a_rule_that_ends_a_run_makes_it_a_failure_too(database):
    config = recipe_config("baseline", {"stop_if": "qwk<0.4@13, mae>2@1"})
    assert [*map(str, plan_of(Said(fail="mae>2@1"), config, "baseline", database).fail)] == ["mae>2.0@1", "qwk<0.4@13"]


@pytest.mark.parametrize("parent", ["magic", "9", "run 9", "/nowhere"])
def test_a_parent_that_is_not_there_is_named(parent, database):
    with pytest.raises(Trouble, match=parent.removeprefix("run ")):
        plan_of(Said(parent=parent), recipe_config("baseline"), "baseline", database)


def test_a_threshold_that_cannot_be_read_stops_the_run_before_it_starts(database):
    with pytest.raises(BadThreshold, match="better"):
        plan_of(Said(expect="better"), recipe_config("baseline"), "baseline", database)
