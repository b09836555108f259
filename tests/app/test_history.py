"""What a person reads about runs says what the engine did."""

from app.history import best_epoch
from db.schema import Epoch


def epochs(*scores):
    return [Epoch(run_id=1, epoch=number, qwk=score) for number, score in enumerate(scores, start=1)]


def test_of_equal_epochs_the_first_is_the_best_as_the_engine_keeps_only_a_better_model():
    assert best_epoch(epochs(0.2, 0.5, 0.5)).epoch == 2


def test_an_undefined_qwk_is_never_the_best_and_nought_can_be():
    assert best_epoch(epochs(None, 0.0, None, -0.1)).epoch == 2
    assert best_epoch(epochs(None)) is None
    assert best_epoch([]) is None
