"""Train tab: the browser keeps the form and the charts, and charts show several runs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import gradio as gr
import pytest

from app.screens import charts, plan_form, settings_form
from app.screens.kept_state import form_to_keep, kept_form
from app.screens.run_charts import RunCharts, kept_choice
from db import runs
from db.schema import Epoch
from engine import recipes

RUNS = [("Run 2: loupe, finished", 2), ("Run 1: baseline, finished", 1)]
MODELS = [("Run 1: baseline", "/runs/1/model.pt")]
PARENTS = [(plan_form.SELECTED_RECIPE, plan_form.SELECTED_RECIPE), ("Run 1: baseline", "run 1")]


def epochs(count, **metrics):
    values = {"phase": 2, "train_loss": 1.0, "val_loss": 1.5, "learning_rate": 1e-3, "seconds": 9.0}
    metrics = {"train_qwk": 0.5, "rps": 0.1, "recall": [None, 0.25] * 5, **metrics}
    return [
        Epoch(run_id=1, epoch=number, qwk=0.6, metrics=metrics, created_at=datetime.now(UTC), **values)
        for number in range(1, count + 1)
    ]


def test_one_run_has_a_curve_of_training_and_one_of_validation():
    rows = charts.curves({3: epochs(4)}, "Loss")
    assert rows.groupby("curve")["value"].unique().map(list).to_dict() == {"training": [1.0], "validation": [1.5]}
    assert list(rows[rows["curve"] == "training"]["epoch"]) == [1, 2, 3, 4]
    assert set(charts.curves({3: epochs(4)}, "Learning rate")["curve"]) == {"run 3"}


def test_several_runs_are_compared_on_the_validation_cards_over_all_epochs():
    rows = charts.curves({3: epochs(4), 5: epochs(2)}, "QWK")
    assert rows.groupby("curve")["epoch"].max().to_dict() == {"run 3": 4, "run 5": 2}
    assert charts.epoch_range([*epochs(2), *epochs(4)]) == [1, 4]


def test_a_single_epoch_is_drawn_also_beside_a_longer_run():
    assert charts.epoch_range(epochs(1)) == [0, 2]
    for others in ({}, {5: epochs(51)}):
        rows = charts.curves({3: epochs(1), **others}, "RPS")
        point = rows[rows["curve"] == "run 3"]
        assert len(point) == 2, "a line through one point is invisible"
        assert point["epoch"].mean() == pytest.approx(1)
        limits = charts.epoch_range([*epochs(1), *others.get(5, [])])
        assert point["epoch"].max() - point["epoch"].min() == pytest.approx(2 * charts.STROKE * (limits[1] - limits[0]))


def test_every_metric_is_drawn_and_an_undefined_value_is_left_out():
    for metric in charts.METRICS:
        charts.curves({1: epochs(2)}, metric)  # an earlier version recorded fewer of them
    assert charts.curves({1: epochs(2)}, "Recall of grade 1").empty
    assert set(charts.curves({1: epochs(2)}, "Recall of grade 2")["value"]) == {0.25}


def test_the_form_comes_back_as_it_was():
    settings = settings_form.values(recipes.recipe_config("ordinal", {"batch_size": 8, "pretrained": MODELS[0][1]}))
    plan = ["run 1", "smaller", "qwk>0.7@4", "", True, "to see"]
    assert kept_form(form_to_keep("ordinal", settings, plan), MODELS, PARENTS) == ("ordinal", settings, plan)


def test_curves_keep_their_color_and_new_ones_get_one(data_home):
    """Gradio draws no curve that has no color."""
    with data_home.database.writing() as session:
        for _ in range(2):
            run = runs.add_run(
                session, recipe="loupe", parent=None, config={}, snapshot_id=None, folder="", log_path=""
            )
            for epoch in epochs(2):
                values = {name: getattr(epoch, name) for name in ("phase", "train_loss", "val_loss", "qwk", "seconds")}
                more = {"learning_rate": 1e-3, "metrics": {}, "run_id": run.id, "epoch": epoch.epoch}
                runs.record_epoch(session, **values, **more)

    async def build():  # in an event loop that is closed afterwards; Gradio would leave its own open
        with gr.Blocks(analytics_enabled=False):
            return RunCharts(data_home.database)

    panel = asyncio.run(build())
    first, *_, version = panel.draw(1, ["Loss"], [], None)
    assert set(first["color_map"]) == {"training", "validation"}
    both, second, *_, version = panel.draw(1, ["Loss"], [2], version)
    assert list(both["color_map"]) == ["run 1", "run 2"]
    assert len(set(both["color_map"].values())) == 2
    assert second == gr.update(visible="hidden")
    again, *_, version = panel.draw(1, ["Loss"], [2], version)
    assert list(again["color_map"]) == ["run 1", "run 2", ""], "new curves are built anew once more"
    unchanged = panel.draw(1, ["Loss"], [2], version)
    assert unchanged == [gr.skip()] * len(panel.outputs), "not drawn again, which would flicker"


@pytest.mark.parametrize(
    "kept",
    [
        *(None, 7, [], "x", {"recipe": 3}, {"recipe": "gone", "settings": [], "plan": {}}),
        {"recipe": ["loupe"], "settings": {"batch_size": "8", "loss": "other", "augment": 1, "gone": 2}, "plan": [1]},
        {"settings": {"pretrained": "/etc/passwd", "schedule": {}, "stop_if": 3}, "plan": ["run 9", 1, 2, 3, 4, 5]},
    ],
)
def test_what_the_browser_has_kept_is_checked(kept):
    usual = settings_form.values(recipes.recipe_config(recipes.DEFAULT))
    assert kept_form(kept, MODELS, PARENTS) == (recipes.DEFAULT, usual, plan_form.EMPTY)
    assert kept_choice(kept, RUNS) == (list(charts.DEFAULT_METRICS), [])


def test_the_chosen_runs_and_metrics_come_back_without_those_that_are_gone():
    kept = {"metrics": ["RPS", "gone", {}], "runs": [1, 9, "2", {}]}
    assert kept_choice(kept, RUNS) == (["RPS"], [1])
    assert kept_choice({"metrics": [], "runs": []}, RUNS) == ([], [])
