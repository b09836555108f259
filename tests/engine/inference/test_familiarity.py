"""Cards in unfamiliar pictures are graded by their measurements alone."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engine.config import build
from engine.data.inputs import Inputs
from engine.evaluation.calibration import fit, with_stratum
from engine.evaluation.domain import fit_domain
from engine.evaluation.predictions import Predictions
from engine.evaluation.strata import Given
from engine.inference.familiarity import FamiliarPixels
from engine.inference.load_model import load_model
from engine.inference.onnx_runtime import with_onnx_runtime
from engine.inference.predict import predict, what_is_given
from engine.measure.side.features import FEATURE_NAMES
from engine.model.dual_branch import DualBranch, SideEncoder
from engine.storage import checkpoint
from tests.engine.conftest import saved_model

SETTINGS = {
    "image_size": 64,
    "use_measurements": True,
}
REFERENCES, FEATURES = 24, 1280


def card(cards=1):
    """Cards whose encoded pictures are of four kinds, with little noise."""
    random = torch.Generator().manual_seed(0)
    kinds = torch.eye(4)[torch.arange(cards) % 4].repeat_interleave(FEATURES // 4, dim=1)
    front, back = (kinds + 0.05 * torch.randn(kinds.shape, generator=random) for _ in range(2))
    measured = torch.rand(cards, 2, 2, len(FEATURE_NAMES), generator=random)
    return Inputs(front, back, torch.ones(cards, 2, dtype=torch.bool), measured=measured)


def strange_pictures(cards=1):
    """Encoded pictures of no such kind."""
    return torch.full((cards, FEATURES), -3.0)


def probabilities(network, inputs):
    with torch.no_grad():
        return network.grade.log_probabilities(network(*inputs).grade)[0].double().softmax(0).numpy()


def with_domains(path, **settings):
    model = load_model(saved_model(path, **{**SETTINGS, **settings}), "cpu")
    references = card(REFERENCES)
    with torch.no_grad():
        front, back = model.network.side_features(references.front, references.back, references.present)
    return replace(model, domains=(fit_domain(front.numpy()), fit_domain(back.numpy())))


@pytest.fixture
def model(tmp_path):
    return with_domains(tmp_path / "model.pt", pixel_dropout=0.2)


def test_a_card_in_familiar_pictures_is_graded_by_the_network(model):
    prediction = predict(model, card())
    assert prediction.is_familiar == (True, True)
    assert not prediction.from_measurements
    np.testing.assert_allclose(prediction.probabilities, probabilities(model.network, card()), atol=1e-6)


def test_one_unfamiliar_picture_hides_the_pixels_of_both_sides_but_not_their_measurements(model):
    strange = card()._replace(back=strange_pictures())
    prediction = predict(model, strange)
    assert prediction.is_familiar == (True, False)
    assert prediction.in_domain is False
    assert prediction.from_measurements
    hidden = strange._replace(present=torch.zeros(1, 2, dtype=torch.bool))
    np.testing.assert_allclose(prediction.probabilities, probabilities(model.network, hidden), atol=1e-6)
    other_measurements = strange._replace(measured=strange.measured.flip(3))
    assert np.abs(predict(model, other_measurements).probabilities - prediction.probabilities).max() > 1e-4


def test_a_missing_side_has_no_familiarity(model):
    front_only = card()._replace(present=torch.tensor([[True, False]]))
    assert predict(model, front_only).is_familiar == (True, None)


def test_evaluation_judges_each_card_of_a_batch_as_grading_does(model):
    batch = card(3)
    batch.front[1] = strange_pictures()[0]
    module = model.forward_module
    assert isinstance(module, FamiliarPixels)
    with torch.no_grad():
        scores, familiarities = module.score(batch)
    assert familiarities == [(True, True), (False, True), (True, True)]
    for index in range(3):
        single = Inputs(*(None if value is None else value[index : index + 1] for value in batch))
        expected = predict(model, single).probabilities
        actual = model.network.grade.log_probabilities(scores.grade[index : index + 1]).double().softmax(1)[0]
        np.testing.assert_allclose(actual.numpy(), expected, atol=1e-5)


def test_a_network_that_always_saw_pixels_grades_by_them_and_says_that_they_are_unfamiliar(tmp_path):
    model = with_domains(tmp_path / "model.pt", pixel_dropout=0.0)
    strange = card()._replace(front=strange_pictures())
    prediction = predict(model, strange)
    assert prediction.is_familiar[0] is False
    assert not prediction.from_measurements
    np.testing.assert_allclose(prediction.probabilities, probabilities(model.network, strange), atol=1e-6)


def test_onnxruntime_does_not_replace_a_network_that_checks_its_pictures(model, tmp_path):
    accelerated = with_onnx_runtime(model, sha256="0", cards=10_000, batch=1, folder=tmp_path / "graphs", notify=print)
    assert accelerated is model


def test_training_hides_the_pixels_of_a_fraction_of_the_cards_and_of_both_sides_together(monkeypatch):
    torch.manual_seed(0)
    network = DualBranch(build({**SETTINGS, "pixel_dropout": 0.2}))
    seen = []
    forward = SideEncoder.forward
    monkeypatch.setattr(
        SideEncoder, "forward", lambda side, x, present: seen.append(present) or forward(side, x, present)
    )
    cards = 2000
    features = torch.rand(cards, network.front.missing.numel())
    measured = torch.rand(cards, 2, 2, len(FEATURE_NAMES))
    present = torch.ones(cards, 2, dtype=torch.bool)
    network.train()(features, features, present, measured=measured)
    network.eval()(features, features, present, measured=measured)
    front, back, *in_evaluation = seen
    assert torch.equal(front, back)
    assert 1 - front.float().mean() == pytest.approx(0.2, abs=0.04)
    assert all(side.all() for side in in_evaluation)


@pytest.mark.parametrize("side", ["front", "back"])
def test_a_picture_that_may_hide_wear_is_given_as_one_that_no_range_was_checked_on(side):
    model = SimpleNamespace(sides=(True, True))
    clear, noisy = (
        SimpleNamespace(px_per_mm=10.0, quality=SimpleNamespace(hides_wear=hides_wear)) for hides_wear in (False, True)
    )
    assert what_is_given(model, clear, clear) == Given("pair", 10.0, in_domain=True)
    pictures = (noisy, clear) if side == "front" else (clear, noisy)
    assert what_is_given(model, *pictures) == Given("pair", 10.0, in_domain=False)


def test_the_range_of_a_card_in_a_picture_that_may_hide_wear_is_the_widest(model):
    random = np.random.default_rng(0)
    grades = random.integers(1, 11, 300)
    sure = np.eye(10)[grades - 1] * 0.9 + 0.01
    unsure = np.full((300, 10), 0.1)

    def held_out(probabilities):
        cards = tuple(map(str, range(300)))
        return Predictions(cards, cards, grades, probabilities)

    narrow = replace(fit(held_out(sure), on="pairs"), min_px_per_mm=4.0)
    calibration = with_stratum(narrow, fit(held_out(unsure), on="fronts"), sides="front", max_px_per_mm=None)
    calibrated = replace(model, calibration=calibration)
    clear, hidden = (predict(calibrated, card(), Given("pair", 10.0, in_domain=clear)) for clear in (True, False))
    assert hidden.is_familiar == clear.is_familiar == (True, True)
    assert hidden.interval.width > clear.interval.width


def test_a_model_file_with_the_domain_of_another_network_is_refused(tmp_path):
    path = saved_model(tmp_path / "model.pt", **SETTINGS)
    saved = fit_domain(np.random.default_rng(0).normal(size=(20, FEATURES // 2))).to_dict()
    domain = {name: value if name == "limit" else torch.as_tensor(value) for name, value in saved.items()}
    checkpoint.save(path, {**checkpoint.load(path), "domains": (None, domain)})
    with pytest.raises(checkpoint.BadModel, match="does not fit this version"):
        load_model(path)
