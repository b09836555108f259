"""The second map: a picture's pieces, cut where the first map found its card."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.config import Config
from engine.data.auxiliary import beside_pixels
from engine.data.dataset import Cards
from engine.data.inputs import model_input
from engine.data.picture_cache import PixelCache
from engine.data.region_cache import RegionCache
from engine.data.sampler import batches
from engine.data.selection import usable
from engine.detection.read_and_find import read_and_find
from engine.inference.evaluate import evaluate
from engine.inference.grad_cam import explain
from engine.inference.loaded_model import load_model
from engine.inference.predict import inputs_of, look, predict
from engine.model.dual_branch import DualBranch
from engine.preprocessing.crops import side_pieces
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


def test_the_map_s_pieces_are_those_cut_directly_from_the_picture(cards, regions):
    for card in cards[:3]:
        for side in (card.front, card.back):
            rgb, found = read_and_find(side)
            np.testing.assert_array_equal(regions[side], side_pieces(rgb, found.quad))


def test_a_second_map_cuts_nothing_again_and_moved_pictures_are_known(tmp_path, cards, pixels, regions, prepared):
    class Refusing(RegionCache):
        def made(self, path):
            raise AssertionError(f"{path} was cut again")

    again = Refusing(prepared, [cards[0].front], pixels)
    list(again.fill())
    np.testing.assert_array_equal(again[cards[0].front], regions[cards[0].front])


def with_regions(cards, pixels, prepared, *, training, **settings):
    config = Config(image_size=64, regions=True, measured_targets=False, device="cpu", **settings)
    preparing = beside_pixels(usable(cards, pixels)[0], pixels, config, prepared, lambda: False)
    while True:
        try:
            next(preparing)
        except StopIteration as end:
            return Cards(usable(cards, pixels)[0], pixels, config, training=training, beside=end.value), config


def test_the_network_s_input_holds_the_pieces_of_the_sides_that_are_there(cards, pixels, regions, prepared):
    data, config = with_regions(cards, pixels, prepared, training=False)
    (batch,) = batches(data, [0, 8, 9], config, 1)
    inputs = model_input(batch, config, 2, CPU)
    assert inputs.regions.shape == (3, 2, 8, 3, 9216)
    expected = regions[cards[0].back][5].astype(np.float32).T / 255
    np.testing.assert_allclose(inputs.regions[0, 1, 5], expected, atol=1e-7)
    assert not inputs.regions[1, 1].any()
    assert not inputs.regions[2, 0].any()


def test_training_mirrors_and_lights_the_pieces_with_their_canvas(cards, pixels, regions, prepared):
    data, _ = with_regions(cards, pixels, prepared, training=True)
    mirrored = 0
    for epoch in range(12):
        item = data[epoch, 0, 0]
        canvas, pieces = item["canvases"][0].numpy().astype(float), item["regions"][0].numpy().astype(float)
        own = pixels[cards[0].front].astype(float)
        turned = (
            np.corrcoef(canvas.ravel(), own[:, ::-1].ravel())[0, 1] > np.corrcoef(canvas.ravel(), own.ravel())[0, 1]
        )
        top = regions[cards[0].front][4].reshape(48, 192, 3).astype(float)
        top = top[:, ::-1] if turned else top
        # Light is a gamma: it keeps the order of the values.
        one, two = pieces[4].ravel(), top.ravel()
        assert (np.diff(one[np.argsort(two, kind="stable")]) >= 0).all()
        mirrored += turned
    assert 0 < mirrored < 12


def test_a_model_with_regions_grades_one_card_as_among_many_and_evaluates_and_explains(
    tmp_path, cards, pixels, prepared
):
    model = load_model(saved_model(tmp_path / "model.pt", regions=True), "cpu")
    data, _ = with_regions(cards, pixels, prepared, training=False)
    (batch,) = batches(data, [0, 8, 9], Config(device="cpu"), 1)
    with torch.inference_mode():
        together = model.network(*model_input(batch, model.config, 2, CPU)).grade.softmax(1).numpy()
    for row, number in enumerate((0, 8, 9)):
        views = [side and look(side) for side in (cards[number].front, cards[number].back)]
        inputs = inputs_of(model, *views)
        np.testing.assert_allclose(predict(model, inputs).probabilities, together[row], atol=1e-4)
        evidence = explain(model, inputs)
        assert [evidence.front is None, evidence.back is None] == [view is None for view in views]
    *_, metrics = evaluate(model, cards, prepared)
    assert metrics["n"] == len(cards)


def test_a_side_that_was_never_learned_from_is_not_looked_at_through_its_regions_either(tmp_path, cards):
    model = load_model(saved_model(tmp_path / "model.pt", regions=True, sides=(True, False)), "cpu")
    front = look(cards[0].front)
    alone, *others = (
        predict(model, inputs_of(model, front, back)).probabilities
        for back in (None, look(cards[0].back), look(cards[1].back))
    )
    for other in others:
        np.testing.assert_array_equal(other, alone)


def test_a_pair_can_be_overfitted_by_its_regions_alone(cards, regions):
    torch.manual_seed(0)
    small = {"front_encoder": "mobilenet_v2", "back_encoder": "mobilenet_v2", "image_size": 64}
    network = DualBranch(Config(**small, regions=True, dropout=0.0)).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    pieces = np.stack([[regions[card.front], regions[card.back]] for card in cards[:2]])
    given = torch.from_numpy(pieces).movedim(-1, -2).float() / 255
    both, nothing, grades = torch.ones(2, 2, dtype=torch.bool), torch.zeros(2, 1280), torch.tensor([2, 8])
    losses = []
    for _ in range(30):
        scores = network.read_off(nothing, nothing, network.read_beside(both, given, None))
        losses.append(F.cross_entropy(scores.grade, grades))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[0] > 1
    assert losses[-1] < 0.05
