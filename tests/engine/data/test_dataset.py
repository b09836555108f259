"""Order of the cards in an epoch, and their tensors."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from engine.cards.pairs import CardPair
from engine.config import Config
from engine.data.dataset import AuxiliaryInputs, CardDataset
from engine.data.inputs import model_input
from engine.data.picture_cache import PixelCache
from engine.data.sampler import batch_loader, epoch_order
from engine.data.selection import LabelledCard, with_pictures
from engine.preprocessing.channels import six_channels

CPU = torch.device("cpu")


def pair(name, grade=9.0, split="train", **fields):
    return CardPair(name, Path(f"/{name}.png"), None, grade, split=split, **fields)


def labelled_cards(counts):
    """Cards with `counts[g]` of grade g."""
    return [LabelledCard(pair(f"{grade}-{i}", grade), grade) for grade, n in counts.items() for i in range(n)]


@pytest.fixture(scope="module")
def prepared_cards(cards, prepared):
    """Drawn cards with a training class, and their prepared pictures at 64 px."""
    pictures = [side for card in cards for side in (card.front, card.back) if side]
    cache = PixelCache(prepared, pictures, 64)
    list(cache.fill())
    return with_pictures(cards, cache)[0], cache


def items(prepared_cards, *, training, epoch=1, **settings):
    data = CardDataset(*prepared_cards, Config(image_size=64, **settings), training=training)
    return [data[epoch, 0, index] for index in range(len(data))]


@given(st.integers(0, 1000), st.integers(1, 1000), st.integers(1, 50))
def test_an_epoch_s_order_is_a_permutation_determined_by_seed_and_epoch(seed, epoch, cards):
    labelled, config = labelled_cards({9: cards}), Config(seed=seed)
    order = epoch_order(labelled, config, epoch)
    assert sorted(order) == list(range(cards))
    np.testing.assert_array_equal(order, epoch_order(labelled, config, epoch))


def test_another_epoch_or_seed_gives_another_order():
    labelled = labelled_cards({9: 100})
    orders = [tuple(epoch_order(labelled, Config(seed=seed), epoch)) for seed in (0, 1, 2) for epoch in (1, 2, 3)]
    assert len(set(orders)) == 9


@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_the_sampler_weights_a_card_by_its_grade_s_frequency_to_the_minus_eta(eta):
    counts = {1: 4, 5: 36, 9: 160}
    labelled, config = labelled_cards(counts), Config(sampler_eta=eta)
    epochs = 150
    sampled = Counter(labelled[card].grade for epoch in range(epochs) for card in epoch_order(labelled, config, epoch))
    weight = {grade: n * (n / 200) ** -eta for grade, n in counts.items()}
    expected = [200 * epochs * weight[grade] / sum(weight.values()) for grade in counts]
    assert chisquare([sampled[grade] for grade in counts], expected).pvalue > 1e-3


def test_an_epoch_with_the_sampler_is_as_long_as_one_without():
    labelled = labelled_cards({1: 2, 9: 30})
    assert len(epoch_order(labelled, Config(sampler_eta=0.5), 1)) == 32


def test_a_card_has_two_canvases_with_zeros_for_a_missing_side(prepared_cards):
    for item, card in zip(items(prepared_cards, training=False), prepared_cards[0], strict=True):
        present = [card.pair.front is not None, card.pair.back is not None]
        assert item["present"].tolist() == present
        assert item["canvases"].shape == (2, 64, 64, 3)
        assert [bool(canvas.any()) for canvas in item["canvases"]] == present
        assert item["grade"] == card.pair.grade - 1
        assert item["edge"].isnan().all()
        assert item["centering"].isnan().all()


def test_validation_pictures_are_unchanged_in_every_epoch(prepared_cards):
    for first, fifth in zip(
        items(prepared_cards, training=False, epoch=1), items(prepared_cards, training=False, epoch=5), strict=True
    ):
        assert torch.equal(first["canvases"], fifth["canvases"])
    assert torch.equal(
        items(prepared_cards, training=False)[0]["canvases"][0],
        torch.from_numpy(prepared_cards[1][prepared_cards[0][0].pair.front].copy()),
    )


def test_training_augments_differently_each_epoch_and_equally_in_the_same_epoch(prepared_cards):
    first, again, later = (items(prepared_cards, training=True, epoch=epoch) for epoch in (1, 1, 2))
    assert all(torch.equal(card["canvases"], repeated["canvases"]) for card, repeated in zip(first, again, strict=True))
    assert not any(
        torch.equal(card["canvases"], later_card["canvases"]) for card, later_card in zip(first, later, strict=True)
    )


def test_a_card_sampled_twice_in_an_epoch_is_augmented_differently(prepared_cards):
    data = CardDataset(*prepared_cards, Config(image_size=64, batch_size=2, device="cpu"), training=True)
    (batch,) = batch_loader(data, [3, 3], Config(batch_size=2, device="cpu"), epoch=1)
    assert not torch.equal(*batch["canvases"])


def test_without_augmentation_training_pictures_are_unchanged(prepared_cards):
    for training, validation in zip(
        items(prepared_cards, training=True, augment=False), items(prepared_cards, training=False), strict=True
    ):
        assert torch.equal(training["canvases"], validation["canvases"])


def test_side_dropout_drops_either_side_of_its_fraction_of_complete_cards_and_never_the_last(prepared_cards):
    data = CardDataset(*prepared_cards, Config(image_size=64, side_dropout=0.4, augment=False), training=True)
    sides = Counter(
        tuple(data[epoch, 0, index]["present"].tolist())
        for epoch in range(60)
        for index, card in enumerate(prepared_cards[0])
        if card.pair.front and card.pair.back
    )
    total = sum(sides.values())
    assert (False, False) not in sides
    expected = [0.6 * total, 0.2 * total, 0.2 * total]
    assert chisquare([sides[True, True], sides[True, False], sides[False, True]], expected).pvalue > 1e-3
    for epoch in range(20):
        for index, card in enumerate(prepared_cards[0]):
            if not (card.pair.front and card.pair.back):
                assert data[epoch, 0, index]["present"].any()
    assert all(item["present"].all() for item in items(prepared_cards, training=False, side_dropout=0.9)[:8])


def test_batches_have_every_card_once_in_order_and_can_start_later(prepared_cards):
    config = Config(image_size=64, batch_size=4, device="cpu")
    data = CardDataset(*prepared_cards, config, training=False)
    order = np.random.default_rng(0).permutation(len(data))
    indices = [batch["index"].tolist() for batch in batch_loader(data, order, config, 1)]
    assert [index for batch in indices for index in batch] == order.tolist()
    assert [len(batch) for batch in indices] == [4, 4, 4, 2]
    assert [batch["index"].tolist() for batch in batch_loader(data, order, config, 1, skip=3)] == indices[3:]
    assert list(batch_loader(data, order, config, 1, skip=4)) == []


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_the_rows_of_all_ranks_together_are_each_batch_once(prepared_cards, ranks):
    config = Config(image_size=64, batch_size=4, device="cpu")
    data, order = CardDataset(*prepared_cards, config, training=True), [5, 2, 9, 1, 1, 0, 3, 7, 4]
    batches = list(batch_loader(data, order, config, 1))
    of_rank = [list(batch_loader(data, order, config, 1, local_rows=slice(rank, None, ranks))) for rank in range(ranks)]
    for number, batch in enumerate(batches):
        for name, value in batch.items():
            gathered = torch.empty_like(value)
            for rank in range(ranks):
                gathered[rank::ranks] = of_rank[rank][number][name]
            torch.testing.assert_close(gathered, value, equal_nan=True)
    assert [len(loaded[-1]["index"]) for loaded in of_rank] == [1] + [0] * (ranks - 1)


def test_loading_draws_no_number_from_the_global_generator(prepared_cards):
    data, config = (
        CardDataset(*prepared_cards, Config(image_size=64, device="cpu"), training=True),
        Config(device="cpu"),
    )
    torch.manual_seed(3)
    before = torch.get_rng_state()
    list(batch_loader(data, range(len(data)), config, 1))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("training", [True, False])
def test_phase_one_hides_the_front_in_training_and_validation(prepared_cards, training):
    (batch,) = batch_loader(
        CardDataset(*prepared_cards, Config(image_size=64), training=training), range(14), Config(device="cpu"), 1
    )
    first, second = model_input(batch, Config(), 1, CPU), model_input(batch, Config(), 2, CPU)
    assert not first.present[:, 0].any()
    assert torch.equal(first.present[:, 1], batch["present"][:, 1])
    assert torch.equal(second.present, batch["present"])
    assert torch.equal(first.back, second.back)


def test_the_model_s_input_is_the_six_channels_of_each_canvas(prepared_cards):
    (batch,) = batch_loader(
        CardDataset(*prepared_cards, Config(image_size=64), training=False), [0, 3], Config(device="cpu"), 1
    )
    inputs = model_input(batch, Config(), 2, CPU)
    for row in (0, 1):
        for side, channels in enumerate((inputs.front, inputs.back)):
            np.testing.assert_array_equal(channels[row], six_channels(batch["canvases"][row, side].numpy()))


def test_a_network_for_plain_colors_gets_the_canvas_itself(prepared_cards):
    (batch,) = batch_loader(
        CardDataset(*prepared_cards, Config(image_size=64), training=False), [0, 3], Config(device="cpu"), 1
    )
    inputs = model_input(batch, Config(channels="rgb"), 2, CPU)
    assert inputs.front.shape == (2, 3, 64, 64)
    canvas = batch["canvases"][0, 0].numpy().astype(np.float64)
    np.testing.assert_allclose(inputs.front[0].permute(1, 2, 0), canvas / 255, atol=1e-7)


def test_an_item_has_only_the_arrays_that_its_run_uses(prepared_cards):
    plain, crops = {"canvases", "present", "grade", "edge", "centering", "index"}, {"regions"}
    for auxiliary, names in ((AuxiliaryInputs(), plain), (AuxiliaryInputs(regions={}), plain | crops)):
        dataset = CardDataset(*prepared_cards, Config(image_size=64), training=True, auxiliary=auxiliary)
        assert set(dataset[0, 0, 0]) == names
