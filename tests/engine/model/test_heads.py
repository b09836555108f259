"""The grade heads: valid probabilities for arbitrary parameters."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.model.heads import ClassHead, OrdinalHead

ordinary = st.floats(-8, 8, width=32)
any_number = st.floats(-1e6, 1e6, width=32)


def ordinal(score, first, steps):
    """(1, 9) cumulative logits of a head with these parameters, for a card with this score."""
    head = OrdinalHead(1)
    with torch.no_grad():
        head.score.weight.fill_(1)
        head.first.fill_(first)
        head.steps.copy_(torch.tensor(steps))
        return head(torch.tensor([[score]]))


@given(any_number, any_number, st.lists(any_number, min_size=8, max_size=8))
def test_the_ordinal_head_is_monotone_and_a_distribution_for_arbitrary_parameters(score, first, steps):
    logits = ordinal(score, first, steps)
    assert (logits.diff(dim=1) <= 0).all()
    log_probabilities = OrdinalHead.log_probabilities(logits)
    assert log_probabilities.isfinite().all()
    probabilities = log_probabilities.double().exp()
    assert (probabilities >= 0).all()
    assert abs(probabilities.sum().item() - 1) < 1e-5


@given(ordinary, ordinary, st.lists(ordinary, min_size=8, max_size=8))
def test_the_ordinal_probabilities_are_the_differences_of_the_sigmoids(score, first, steps):
    logits = ordinal(score, first, steps)
    above = np.concatenate([[1.0], 1 / (1 + np.exp(-logits[0].numpy().astype(np.float64))), [0.0]])
    probabilities = OrdinalHead.log_probabilities(logits.double()).exp()[0]
    np.testing.assert_allclose(probabilities, above[:-1] - above[1:], atol=2e-7)
    np.testing.assert_allclose(OrdinalHead.log_probabilities(logits).exp()[0], above[:-1] - above[1:], atol=1e-6)


@given(any_number, any_number, st.lists(any_number, min_size=8, max_size=8))
def test_the_ordinal_thresholds_are_the_first_less_the_softplus_steps(score, first, steps):
    decreases = np.concatenate([[0.0], np.logaddexp(0, np.array(steps, np.float64)).cumsum()])
    largest = abs(score) + abs(first) + decreases.max()
    np.testing.assert_allclose(
        ordinal(score, first, steps)[0], score + first - decreases, rtol=0, atol=1e-6 * largest + 1e-6
    )


def test_a_new_ordinal_head_s_thresholds_are_evenly_spaced_from_six_to_minus_six():
    head = OrdinalHead(4)
    np.testing.assert_allclose(head(torch.zeros(1, 4))[0].detach(), np.linspace(6, -6, 9), atol=1e-3)


def test_a_new_ordinal_head_can_predict_every_grade():
    scores = np.linspace(-9, 9, 2001)[:, None]
    above = 1 / (1 + np.exp(-(scores + OrdinalHead(1)(torch.zeros(1, 1)).detach().numpy())))
    probabilities = -np.diff(np.hstack([np.ones((2001, 1)), above, np.zeros((2001, 1))]))
    assert set(probabilities.argmax(axis=1)) == set(range(10))


@given(st.lists(any_number, min_size=10, max_size=10))
def test_the_class_head_s_probabilities_are_the_softmax(row):
    logits = torch.tensor([row], dtype=torch.float64)
    expected = np.exp(np.array(row) - max(row))
    probabilities = ClassHead.log_probabilities(logits).exp()[0]
    np.testing.assert_allclose(probabilities, expected / expected.sum(), atol=1e-12)
