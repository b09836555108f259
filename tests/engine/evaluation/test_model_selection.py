"""The selected epoch is the same during a run and afterwards."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.model_selection import select_best
from engine.events import EpochDone
from engine.training.state import TrainingState

scores = st.lists(st.none() | st.sampled_from([-0.5, 0.0, 0.25, 0.5]) | st.floats(-1, 1), min_size=1, max_size=9)


@given(scores)
def test_the_best_epoch_is_the_first_that_numpy_finds_largest(qwk):
    expected = None if set(qwk) == {None} else int(np.nanargmax(np.array(qwk, dtype=np.float64)))
    assert select_best(range(len(qwk)), qwk.__getitem__) == expected


@given(scores)
def test_a_run_saves_the_epoch_that_is_selected_afterwards_or_its_first_if_no_qwk_is_defined(qwk):
    state = TrainingState()
    saved = [
        epoch
        for epoch, score in enumerate(qwk)
        if state.is_best(EpochDone(epoch, 2, 1.0, 1.0, 1e-3, {"qwk": score}, {}, 1.0, 1.0, 0.0))
    ]
    best = select_best(range(len(qwk)), qwk.__getitem__)
    assert saved[-1] == state.best["epoch"] == (0 if best is None else best)
