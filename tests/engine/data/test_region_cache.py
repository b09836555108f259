"""Region crops of each card, cut by the quads of the picture cache."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.config import Config
from engine.data.dataset import CardDataset
from engine.data.inputs import model_input
from engine.data.picture_cache import PixelCache
from engine.data.prepare import prepare_auxiliary
from engine.data.region_cache import RegionCache
from engine.data.sampler import batch_loader
from engine.data.selection import with_pictures
from engine.detection.read_and_find import read_and_find
from engine.inference.card_side import open_side
from engine.inference.evaluate import evaluate
from engine.inference.grad_cam import explain
from engine.inference.load_model import load_model
from engine.inference.predict import build_inputs, predict
from engine.model.dual_branch import DualBranch
from engine.preprocessing.crops import region_crops
from tests.engine.conftest import saved_model

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pixels(cards, prepared):
    cache = PixelCache(prepared, [side for card in cards for side in (card.front, card.back) if side], 64)
    list(cache.fill())
    return cache


@pytest.fixture(scope="module")
def regions(pixels, cards, prepared):
    cache = RegionCache(prepared, [side for card in cards for side in (card.front, card.back) if side], pixels)
    list(cache.fill())
    return cache


def test_cached_crops_are_those_cut_directly_from_the_picture(cards, regions):
    for card in cards[:3]:
        for side in (card.front, card.back):
            rgb, detection = read_and_find(side)
            np.testing.assert_array_equal(regions[side], region_crops(rgb, detection.quad))


def test_a_second_cache_computes_nothing_again(tmp_path, cards, pixels, regions, prepared):
    class Refusing(RegionCache):
        def compute(self, path):
            raise AssertionError(f"{path} was computed again")

    again = Refusing(prepared, [cards[0].front], pixels)
    list(again.fill())
    np.testing.assert_array_equal(again[cards[0].front], regions[cards[0].front])


def with_regions(cards, pixels, prepared, *, training, **settings):
    config = Config(image_size=64, regions=True, auxiliary_targets=False, device="cpu", **settings)
    preparing = prepare_auxiliary(with_pictures(cards, pixels)[0], pixels, config, prepared, lambda: False)
    while True:
        try:
            next(preparing)
        except StopIteration as end:
            return CardDataset(
                with_pictures(cards, pixels)[0], pixels, config, training=training, auxiliary=end.value
            ), config


def test_the_network_s_input_has_the_crops_of_the_present_sides(cards, pixels, regions, prepared):
    data, config = with_regions(cards, pixels, prepared, training=False)
    (batch,) = batch_loader(data, [0, 8, 9], config, 1)
    inputs = model_input(batch, config, 2, CPU)
    assert inputs.regions.shape == (3, 2, 8, 3, 9216)
    expected = regions[cards[0].back][5].astype(np.float32).T / 255
    np.testing.assert_allclose(inputs.regions[0, 1, 5], expected, atol=1e-7)
    assert not inputs.regions[1, 1].any()
    assert not inputs.regions[2, 0].any()


def test_training_augments_the_crops_with_their_canvas(cards, pixels, regions, prepared):
    data, _ = with_regions(cards, pixels, prepared, training=True)
    mirrored = 0
    for epoch in range(12):
        item = data[epoch, 0, 0]
        canvas, crops = item["canvases"][0].numpy().astype(float), item["regions"][0].numpy().astype(float)
        original = pixels[cards[0].front].astype(float)
        flipped = (
            np.corrcoef(canvas.ravel(), original[:, ::-1].ravel())[0, 1]
            > np.corrcoef(canvas.ravel(), original.ravel())[0, 1]
        )
        top = regions[cards[0].front][4].reshape(48, 192, 3).astype(float)
        top = top[:, ::-1] if flipped else top
        # Gamma keeps the order of the values.
        augmented, cached = crops[4].ravel(), top.ravel()
        assert (np.diff(augmented[np.argsort(cached, kind="stable")]) >= 0).all()
        mirrored += flipped
    assert 0 < mirrored < 12


@pytest.mark.slow
def test_a_model_with_regions_grades_one_card_as_in_a_batch_and_evaluates_and_explains(
    tmp_path, cards, pixels, prepared
):
    model = load_model(saved_model(tmp_path / "model.pt", regions=True), "cpu")
    data, _ = with_regions(cards, pixels, prepared, training=False)
    (batch,) = batch_loader(data, [0, 8, 9], Config(device="cpu"), 1)
    with torch.inference_mode():
        batch_probabilities = model.network(*model_input(batch, model.config, 2, CPU)).grade.softmax(1).numpy()
    for row, number in enumerate((0, 8, 9)):
        views = [side and open_side(side) for side in (cards[number].front, cards[number].back)]
        inputs = build_inputs(model, *views)
        np.testing.assert_allclose(predict(model, inputs).probabilities, batch_probabilities[row], atol=1e-4)
        maps = explain(model, inputs)
        assert [maps.front is None, maps.back is None] == [view is None for view in views]
    *_, metrics = evaluate(model, cards, prepared)
    assert metrics["n"] == len(cards)


@pytest.mark.slow
def test_a_side_without_training_data_is_ignored_with_its_regions_too(tmp_path, cards):
    model = load_model(saved_model(tmp_path / "model.pt", regions=True, sides=(True, False)), "cpu")
    front = open_side(cards[0].front)
    front_only, *with_back = (
        predict(model, build_inputs(model, front, back)).probabilities
        for back in (None, open_side(cards[0].back), open_side(cards[1].back))
    )
    for probabilities in with_back:
        np.testing.assert_array_equal(probabilities, front_only)


@pytest.mark.slow
def test_a_pair_can_be_overfitted_by_its_regions_only(cards, regions):
    torch.manual_seed(0)
    small = {"front_encoder": "mobilenet_v2", "back_encoder": "mobilenet_v2", "image_size": 64}
    network = DualBranch(Config(**small, regions=True, dropout=0.0)).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    crops = np.stack([[regions[card.front], regions[card.back]] for card in cards[:2]])
    inputs = torch.from_numpy(crops).movedim(-1, -2).float() / 255
    present, zeros, grades = torch.ones(2, 2, dtype=torch.bool), torch.zeros(2, 1280), torch.tensor([2, 8])
    losses = []
    for _ in range(30):
        scores = network.fuse_and_score(zeros, zeros, network.auxiliary_features(present, inputs, None))
        losses.append(F.cross_entropy(scores.grade, grades))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[0] > 1
    assert losses[-1] < 0.05
