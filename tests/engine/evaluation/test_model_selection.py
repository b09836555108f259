"""The selected epoch is the same during a run and afterwards, and is chosen by a score that tells epochs apart."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.metrics import point_metrics
from engine.evaluation.model_selection import is_better, select_best, selection_criterion
from engine.events import EpochDone
from engine.training.state import TrainingState

scores = st.lists(st.none() | st.sampled_from([-0.5, 0.0, 0.25, 0.5]) | st.floats(-1, 1), min_size=1, max_size=9)
rps = st.lists(st.sampled_from([0.0, 0.1, 0.2]) | st.floats(0, 1), min_size=9, max_size=9)


def metrics_of(qwk, rps, chosen_by):
    return [{"qwk": score, "rps": rps[number], "chosen_by": chosen_by} for number, score in enumerate(qwk)]


@given(scores)
def test_of_an_older_run_the_best_epoch_is_the_first_that_numpy_finds_largest(qwk):
    expected = None if set(qwk) == {None} else int(np.nanargmax(np.array(qwk, dtype=np.float64)))
    assert select_best(range(len(qwk)), lambda epoch: {"qwk": qwk[epoch]}) == expected


@given(scores, rps)
def test_the_best_epoch_has_the_highest_qwk_then_the_lowest_ranked_probability_score(qwk, rps):
    order = np.lexsort((range(len(qwk)), rps[: len(qwk)], [np.inf if score is None else -score for score in qwk]))
    metrics = metrics_of(qwk, rps, "qwk")
    assert select_best(range(len(qwk)), metrics.__getitem__) == order[0]


@given(scores, rps)
def test_where_qwk_says_nothing_the_ranked_probability_score_alone_decides(qwk, rps):
    metrics = metrics_of(qwk, rps, "rps")
    assert select_best(range(len(qwk)), metrics.__getitem__) == int(np.argmin(rps[: len(qwk)]))


@given(scores, rps, st.sampled_from(["qwk", "rps", "last"]))
def test_a_run_saves_the_epoch_that_is_selected_afterwards(qwk, rps, chosen_by):
    state, metrics = TrainingState(), metrics_of(qwk, rps, chosen_by)
    for epoch, of_epoch in enumerate(metrics):
        done = EpochDone(epoch, 2, 1.0, 1.0, 1e-3, of_epoch, {}, 1.0, 1.0, 0.0)
        if state.is_best(done):
            state.keep(done)
    assert state.best["epoch"] == select_best(range(len(qwk)), metrics.__getitem__)


def test_a_run_that_an_older_version_began_goes_on_by_qwk_from_its_best_epoch():
    assert is_better({"qwk": 0.6, "rps": 0.3, "chosen_by": "qwk"}, {"qwk": 0.5, "rps": 0.1})
    assert not is_better({"qwk": 0.5, "rps": 0.3, "chosen_by": "qwk"}, {"qwk": 0.5, "rps": 0.1})


def test_validation_cards_of_one_grade_or_a_handful_are_judged_by_the_ranked_probability_score():
    cases = {
        (9,) * 40: "all 40 validation cards have grade 9, on which QWK",
        (8, 9, 10): "3 validation cards are too few",
    }
    for grades, sentence in cases.items():
        criterion, notice = selection_criterion(grades)
        assert (criterion, notice.startswith(sentence)) == ("rps", True)
    assert selection_criterion([1, 2] * 5) == ("qwk", "")


def test_on_cards_of_one_grade_a_perfect_prediction_beats_a_wrong_one_although_its_qwk_is_undefined():
    """QWK would prefer every wrong epoch, whose QWK is 0, to the perfect one, whose QWK is undefined."""
    truth, metrics = np.full(12, 9), []
    for predicted in (3, 9, 8):
        probabilities = np.full((12, 10), 0.01)
        probabilities[:, predicted - 1] = 0.91
        metrics.append({**point_metrics(truth, probabilities), "chosen_by": selection_criterion([9] * 12)[0]})
    assert [of_epoch["qwk"] for of_epoch in metrics] == [0.0, None, 0.0]
    assert select_best(range(3), metrics.__getitem__) == 1
