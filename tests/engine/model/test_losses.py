"""The losses against torch's own, SciPy and worked numbers."""

from math import log

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import energy_distance
from sklearn.utils.class_weight import compute_class_weight
from torchvision.ops import sigmoid_focal_loss

from engine.config import Config
from engine.data.targets import batch_targets, mix_teacher_targets, smoothed_targets
from engine.model.dual_branch import Scores
from engine.model.losses import Objective, class_weights, cross_entropy, cumulative_cross_entropy, emd

NOT_MEASURED = float("nan")
UNIT = torch.ones(10)


def logits(cards=6, columns=10, seed=0, scale=2.0):
    return torch.randn(cards, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


def hard(*classes):
    return smoothed_targets(torch.tensor(classes), 0.0).double()


def falling(cards=6, seed=0):
    """(cards, 9) cumulative logits as an ordinal head gives them."""
    return logits(cards, 9, seed).sort(dim=1, descending=True).values


def test_class_weights_follow_the_closed_form():
    counts = np.array([87, 23, 32, 176, 294, 547, 889, 1582, 2211, 3983])
    grades = np.repeat(np.arange(1, 11), counts)
    expected = compute_class_weight("balanced", classes=np.arange(1, 11), y=grades)
    np.testing.assert_allclose(class_weights(torch.from_numpy(counts)).numpy(), expected, rtol=1e-6)


def test_an_absent_grade_weighs_nothing_and_the_cap_limits_the_weights():
    counts = torch.tensor([1, 0, 0, 0, 0, 0, 0, 0, 0, 999])
    np.testing.assert_allclose(class_weights(counts)[[0, 1, 9]], [100, 0, 1000 / 9990], rtol=1e-6)
    np.testing.assert_allclose(class_weights(counts, cap=10)[[0, 1, 9]], [10, 0, 1000 / 9990], rtol=1e-6)


def test_smoothing_s_worked_numbers():
    np.testing.assert_allclose(smoothed_targets(torch.tensor([9]), 0.1)[0], [0.01] * 9 + [0.91], atol=1e-7)


def test_cross_entropy_of_hard_labels_is_torch_s():
    target = torch.tensor([0, 3, 9, 9, 5, 1])
    loss = cross_entropy(logits().log_softmax(1), hard(*target), UNIT)
    torch.testing.assert_close(loss, F.cross_entropy(logits(), target, reduction="none"))


def test_cross_entropy_with_weights_and_smoothing_is_torch_s():
    target, weights = torch.tensor([0, 3, 9, 9, 5, 1]), torch.linspace(0, 3, 10, dtype=torch.float64)
    loss = cross_entropy(logits().log_softmax(1), smoothed_targets(target, 0.1).double(), weights)
    expected = F.cross_entropy(logits(), target, weight=weights, label_smoothing=0.1, reduction="none")
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)


def test_focal_loss_with_gamma_zero_is_cross_entropy():
    targets = smoothed_targets(torch.tensor([2, 4]), 0.1).double()
    log_probabilities = logits(2).log_softmax(1)
    plain = -(targets * log_probabilities).sum(1)
    torch.testing.assert_close(cross_entropy(log_probabilities, targets, UNIT, 0.0), plain)


def test_focal_loss_s_worked_number():
    log_probabilities = torch.tensor([[0.9] + [0.1 / 9] * 9], dtype=torch.float64).log()
    assert cross_entropy(log_probabilities, hard(0), UNIT, 2.0).item() == pytest.approx(-log(0.9) * 0.01)


@pytest.mark.parametrize(("off", "expected"), [(0, 0.0), (1, 0.1), (2, 0.2), (5, 0.5)])
def test_all_mass_some_grades_off_costs_a_tenth_a_grade(off, expected):
    certain = torch.full((1, 10), -100.0)
    certain[0, 2 + off] = 0
    assert emd(certain.log_softmax(1), hard(2)).item() == pytest.approx(expected, abs=1e-6)


def test_the_earth_mover_s_distance_is_scipy_s_energy_distance():
    log_probabilities, targets = logits(seed=1).log_softmax(1), logits(seed=2).softmax(1)
    grades = np.arange(1, 11)
    for distance, p, t in zip(emd(log_probabilities, targets), log_probabilities.exp(), targets, strict=True):
        # SciPy: sqrt(2 x integral of the squared difference of the cumulative distributions).
        assert distance.item() == pytest.approx(energy_distance(grades, grades, p, t) ** 2 / 2 / 10, abs=1e-9)


def test_the_ordinal_loss_is_torch_s_binary_cross_entropy_of_nine_questions():
    target = torch.tensor([0, 3, 9, 9, 5, 1])
    above = torch.tensor([[float(grade > k) for k in range(9)] for grade in target], dtype=torch.float64)
    expected = F.binary_cross_entropy(falling().sigmoid(), above, reduction="none").mean(1)
    torch.testing.assert_close(cumulative_cross_entropy(falling(), hard(*target), UNIT), expected)


def test_nine_zero_logits_cost_log_two_and_a_weight_multiplies_it():
    weights = torch.arange(10.0)
    loss = cumulative_cross_entropy(torch.zeros(2, 9), hard(3, 7), weights)
    np.testing.assert_allclose(loss, [3 * log(2), 7 * log(2)], rtol=1e-6)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_the_focal_ordinal_loss_is_torchvision_s_focal_loss_of_nine_questions(gamma):
    target = torch.tensor([0, 3, 9, 9, 5, 1])
    above = torch.tensor([[float(grade > k) for k in range(9)] for grade in target], dtype=torch.float64)
    expected = sigmoid_focal_loss(falling(), above, alpha=-1, gamma=gamma).mean(1)
    torch.testing.assert_close(cumulative_cross_entropy(falling(), hard(*target), UNIT, gamma), expected)
    assert cumulative_cross_entropy(torch.zeros(1, 9), hard(3), UNIT, 2.0).item() == pytest.approx(log(2) / 4)


def test_the_focal_ordinal_loss_of_a_soft_label_is_the_blend_of_the_answers_losses():
    # .25 on grade 4 and .75 on grade 5: of the nine questions only "above 4?" is undecided.
    targets = 0.25 * hard(3) + 0.75 * hard(4)
    low, high = (cumulative_cross_entropy(falling(1), hard(grade), UNIT, 2.0) for grade in (3, 4))
    torch.testing.assert_close(cumulative_cross_entropy(falling(1), targets, UNIT, 2.0), 0.25 * low + 0.75 * high)


def test_the_objective_applies_its_gamma_in_both_families():
    nothing = torch.full((3,), NOT_MEASURED), torch.full((3, 2), NOT_MEASURED)
    for loss, output in (("ce_emd", logits(3).float()), ("ordinal", falling(3).float())):
        plain, focal = (
            objective(loss=loss, alpha_emd=0.0, focal_gamma=gamma)(scores(output), hard(1, 2, 3).float(), *nothing)
            for gamma in (0.0, 2.0)
        )
        assert (focal < plain).all()


# --- targets of a batch


def measured_batch():
    """Four cards with measurements of both sides; NaN where not measured."""
    nan = NOT_MEASURED
    return {
        "grade": torch.tensor([0, 3, 8, 9]),
        "edge": torch.tensor([[0.2, 0.4], [nan, 0.6], [nan, nan], [0.1, 0.3]]),
        "centering": torch.tensor(
            [[[0.5, 0.6], [0.1, 0.2]], [[nan, nan], [0.3, 0.4]], [[nan, nan]] * 2, [[0.7, 0.8], [0.9, 0.1]]]
        ),
    }


def test_edge_damage_is_the_mean_of_the_sides_and_centering_the_front_s_else_the_back_s():
    targets = batch_targets(measured_batch(), torch.ones(4, 2, dtype=torch.bool), Config())
    np.testing.assert_allclose(targets.edge, [0.3, 0.6, np.nan, 0.2], rtol=1e-6)
    np.testing.assert_allclose(targets.centering, [[0.5, 0.6], [0.3, 0.4], [np.nan] * 2, [0.7, 0.8]], rtol=1e-6)
    assert torch.equal(targets.grade, hard(0, 3, 8, 9).float())


def test_a_side_that_the_network_does_not_get_has_no_targets():
    present = torch.tensor([[False, True], [True, False], [True, True], [False, False]])
    targets = batch_targets(measured_batch(), present, Config())
    np.testing.assert_allclose(targets.edge, [0.4, np.nan, np.nan, np.nan], rtol=1e-6)
    np.testing.assert_allclose(targets.centering, [[0.1, 0.2], *[[np.nan] * 2] * 3], rtol=1e-6)


def test_the_config_s_smoothing_makes_the_targets():
    config = Config(label_smoothing=0.1)
    targets = batch_targets(measured_batch(), torch.ones(4, 2, dtype=torch.bool), config)
    assert torch.equal(targets.grade, smoothed_targets(torch.tensor([0, 3, 8, 9]), 0.1))


def test_a_fraction_of_the_target_is_the_teachers_prediction_if_there_is_one():
    word = torch.zeros(10)
    word[7], word[8] = 0.6, 0.4
    expected = [0, 0, 0, 0, 0, 0, 0, 0.3, 0.7, 0]
    np.testing.assert_allclose(mix_teacher_targets(hard(8), word[None], 0.5)[0], expected, atol=1e-7)
    batch = {**measured_batch(), "teachers": torch.stack([word, torch.full((10,), NOT_MEASURED), word, word])}
    targets = batch_targets(batch, torch.ones(4, 2, dtype=torch.bool), Config(teacher_weight=1.0)).grade
    np.testing.assert_allclose(targets, torch.stack([word, hard(3)[0].float(), word, word]), atol=1e-7)


def scores(grade, seed=0):
    random = torch.Generator().manual_seed(seed)
    edge = torch.randn(len(grade), generator=random).requires_grad_()
    centering = torch.rand(len(grade), 2, generator=random).requires_grad_()
    return Scores(grade.clone().requires_grad_(), edge, centering)


def objective(**settings):
    return Objective(Config(class_weights="none", **settings), torch.ones(10, dtype=torch.int64))


def test_missing_measurements_give_no_loss_and_no_gradient():
    output, target = scores(logits(3).float()), hard(1, 2, 3).float()
    nothing = torch.full((3,), NOT_MEASURED), torch.full((3, 2), NOT_MEASURED)
    loss = objective()(output, target, *nothing)
    torch.testing.assert_close(loss, objective(beta_edge=0.0, beta_center=0.0)(output, target, *nothing))
    loss.sum().backward()
    assert output.edge.grad.tolist() == [0, 0, 0]
    assert output.centering.grad.abs().sum() == 0
    assert output.grade.grad.abs().sum() > 0


def test_measured_targets_are_averaged_per_card():
    output, target = scores(logits(3).float()), hard(1, 2, 3).float()
    edge = torch.tensor([0.2, NOT_MEASURED, 1.0])
    centering = torch.tensor([[0.5, 0.6], [NOT_MEASURED, 0.4], [NOT_MEASURED, NOT_MEASURED]])
    without = objective(beta_edge=0.0, beta_center=0.0)(output, target, edge, centering)
    extra = objective(beta_edge=0.5, beta_center=2.0)(output, target, edge, centering) - without
    p, centering_scores = output.edge.detach().sigmoid().numpy(), output.centering.detach().numpy()
    expected = [
        0.5 * -(0.2 * np.log(p[0]) + 0.8 * np.log(1 - p[0])) + 2 * np.mean((centering_scores[0] - (0.5, 0.6)) ** 2),
        2 * (centering_scores[1, 1] - 0.4) ** 2 / 2,
        0.5 * -np.log(p[2]),
    ]
    np.testing.assert_allclose(extra.detach(), expected, rtol=1e-4, atol=1e-6)
    extra.sum().backward()
    assert output.edge.grad[1] == 0
    assert output.centering.grad[1:, 0].tolist() == [0, 0]


def test_the_total_loss_of_the_class_family_is_cross_entropy_and_point_seven_of_emd():
    output, target = logits(4).float(), torch.tensor([0, 3, 8, 9])
    nothing = torch.full((4,), NOT_MEASURED), torch.full((4, 2), NOT_MEASURED)
    expected = F.cross_entropy(output, target, reduction="none")
    expected += 0.7 * (output.softmax(1).cumsum(1) - F.one_hot(target, 10).cumsum(1)).square().mean(1)
    torch.testing.assert_close(objective()(scores(output), hard(*target).float(), *nothing), expected)


def test_balanced_weights_are_those_of_the_training_cards():
    counts = torch.tensor([5, 0, 0, 0, 5, 0, 0, 0, 0, 30])
    weighted = Objective(Config(class_weights="balanced"), counts)
    torch.testing.assert_close(weighted.weights, class_weights(counts))


EXTREMES = [0.0, 30.0, 1e4, 1e8, 1e30]


@pytest.mark.parametrize("size", EXTREMES)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"focal_gamma": 0.5},
        {"focal_gamma": 2.0},
        {"loss": "ordinal"},
        {"loss": "ordinal", "focal_gamma": 0.5},
        {"loss": "ordinal", "focal_gamma": 2.0},
    ],
)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_every_loss_and_gradient_is_finite_at_extreme_logits(size, settings, smoothing):
    columns = 9 if settings.get("loss") == "ordinal" else 10
    certain = torch.full((10, columns), -size)
    certain[:, :3] = size if columns == 9 else -size
    certain[:, 3] = size
    for grade in (torch.full((10, columns), size), torch.full((10, columns), -size), certain):
        output = scores(grade)
        target = smoothed_targets(torch.arange(10), smoothing)
        loss = objective(**settings)(output, target, torch.zeros(10), torch.full((10, 2), 0.5))
        loss.sum().backward()
        assert loss.isfinite().all()
        assert output.grade.grad.isfinite().all()
