"""In which order cards are seen, as which tensors."""

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
from engine.data.dataset import Cards
from engine.data.inputs import model_input
from engine.data.picture_cache import PixelCache
from engine.data.sampler import batches, epoch_order
from engine.data.selection import Trainable, usable
from engine.preprocessing.channels import six_channels

CPU = torch.device("cpu")


def pair(name, grade=9.0, split="train", **others):
    return CardPair(name, Path(f"/{name}.png"), None, grade, split=split, **others)


def trainable(counts):
    """Cards by grade, `counts[g]` of grade g."""
    return [Trainable(pair(f"{grade}-{i}", grade), grade) for grade, n in counts.items() for i in range(n)]


@pytest.fixture(scope="module")
def kept(cards, prepared):
    """The drawn cards that can be trained on and their prepared pictures, at 64 px."""
    pictures = [side for card in cards for side in (card.front, card.back) if side]
    cache = PixelCache(prepared, pictures, 64)
    list(cache.fill())
    return usable(cards, cache)[0], cache


def items(kept, *, training, epoch=1, **settings_):
    data = Cards(*kept, Config(image_size=64, **settings_), training=training)
    return [data[epoch, 0, index] for index in range(len(data))]


@given(st.integers(0, 1000), st.integers(1, 1000), st.integers(1, 50))
def test_an_epoch_s_order_is_a_permutation_decided_by_seed_and_epoch(seed, epoch, cards):
    some, config = trainable({9: cards}), Config(seed=seed)
    order = epoch_order(some, config, epoch)
    assert sorted(order) == list(range(cards))
    np.testing.assert_array_equal(order, epoch_order(some, config, epoch))


def test_another_epoch_or_seed_gives_another_order():
    some = trainable({9: 100})
    orders = [tuple(epoch_order(some, Config(seed=seed), epoch)) for seed in (0, 1, 2) for epoch in (1, 2, 3)]
    assert len(set(orders)) == 9


@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_the_sampler_draws_a_card_in_proportion_to_its_grade_s_frequency_to_the_minus_eta(eta):
    counts = {1: 4, 5: 36, 9: 160}
    some, config = trainable(counts), Config(sampler_eta=eta)
    epochs = 150
    drawn = Counter(some[card].grade for epoch in range(epochs) for card in epoch_order(some, config, epoch))
    share = {grade: n * (n / 200) ** -eta for grade, n in counts.items()}
    expected = [200 * epochs * share[grade] / sum(share.values()) for grade in counts]
    assert chisquare([drawn[grade] for grade in counts], expected).pvalue > 1e-3


def test_an_epoch_with_the_sampler_is_as_long_as_one_without():
    some = trainable({1: 2, 9: 30})
    assert len(epoch_order(some, Config(sampler_eta=0.5), 1)) == 32


def test_a_card_is_its_two_canvases_with_nothing_where_a_side_is_missing(kept):
    for item, card in zip(items(kept, training=False), kept[0], strict=True):
        present = [card.pair.front is not None, card.pair.back is not None]
        assert item["present"].tolist() == present
        assert item["canvases"].shape == (2, 64, 64, 3)
        assert [bool(canvas.any()) for canvas in item["canvases"]] == present
        assert item["grade"] == card.pair.grade - 1
        assert item["edge"].isnan().all()
        assert item["centering"].isnan().all()


def test_validation_sees_the_pictures_as_they_are_in_every_epoch(kept):
    for one, two in zip(items(kept, training=False, epoch=1), items(kept, training=False, epoch=5), strict=True):
        assert torch.equal(one["canvases"], two["canvases"])
    assert torch.equal(
        items(kept, training=False)[0]["canvases"][0], torch.from_numpy(kept[1][kept[0][0].pair.front].copy())
    )


def test_training_sees_a_new_version_each_epoch_and_the_same_one_again_for_the_same_epoch(kept):
    first, again, later = (items(kept, training=True, epoch=epoch) for epoch in (1, 1, 2))
    assert all(torch.equal(one["canvases"], two["canvases"]) for one, two in zip(first, again, strict=True))
    assert not any(torch.equal(one["canvases"], two["canvases"]) for one, two in zip(first, later, strict=True))


def test_a_card_drawn_twice_in_an_epoch_is_seen_in_two_versions(kept):
    data = Cards(*kept, Config(image_size=64, batch_size=2, device="cpu"), training=True)
    (batch,) = batches(data, [3, 3], Config(batch_size=2, device="cpu"), epoch=1)
    assert not torch.equal(*batch["canvases"])


def test_without_augmentation_training_sees_the_pictures_as_they_are(kept):
    for one, two in zip(items(kept, training=True, augment=False), items(kept, training=False), strict=True):
        assert torch.equal(one["canvases"], two["canvases"])


def test_side_dropout_takes_either_side_of_its_share_of_whole_cards_and_never_the_last(kept):
    data = Cards(*kept, Config(image_size=64, side_dropout=0.4, augment=False), training=True)
    sides = Counter(
        tuple(data[epoch, 0, index]["present"].tolist())
        for epoch in range(60)
        for index, card in enumerate(kept[0])
        if card.pair.front and card.pair.back
    )
    whole = sum(sides.values())
    assert (False, False) not in sides
    expected = [0.6 * whole, 0.2 * whole, 0.2 * whole]
    assert chisquare([sides[True, True], sides[True, False], sides[False, True]], expected).pvalue > 1e-3
    for epoch in range(20):
        for index, card in enumerate(kept[0]):
            if not (card.pair.front and card.pair.back):
                assert data[epoch, 0, index]["present"].any()
    assert all(item["present"].all() for item in items(kept, training=False, side_dropout=0.9)[:8])


def test_batches_hold_every_card_once_in_order_and_can_begin_later(kept):
    config = Config(image_size=64, batch_size=4, device="cpu")
    data = Cards(*kept, config, training=False)
    order = np.random.default_rng(0).permutation(len(data))
    seen = [batch["index"].tolist() for batch in batches(data, order, config, 1)]
    assert [index for batch in seen for index in batch] == order.tolist()
    assert [len(batch) for batch in seen] == [4, 4, 4, 2]
    assert [batch["index"].tolist() for batch in batches(data, order, config, 1, skip=3)] == seen[3:]
    assert list(batches(data, order, config, 1, skip=4)) == []


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_the_shares_of_all_processes_are_each_batch_once_whatever_their_number(kept, ranks):
    config = Config(image_size=64, batch_size=4, device="cpu")
    data, order = Cards(*kept, config, training=True), [5, 2, 9, 1, 1, 0, 3, 7, 4]
    whole = list(batches(data, order, config, 1))
    shares = [list(batches(data, order, config, 1, share=slice(rank, None, ranks))) for rank in range(ranks)]
    for number, batch in enumerate(whole):
        for name, value in batch.items():
            together = torch.empty_like(value)
            for rank in range(ranks):
                together[rank::ranks] = shares[rank][number][name]
            torch.testing.assert_close(together, value, equal_nan=True)
    assert [len(share[-1]["index"]) for share in shares] == [1] + [0] * (ranks - 1)


def test_loading_draws_no_number_from_the_global_generator(kept):
    data, config = Cards(*kept, Config(image_size=64, device="cpu"), training=True), Config(device="cpu")
    torch.manual_seed(3)
    before = torch.get_rng_state()
    list(batches(data, range(len(data)), config, 1))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("training", [True, False])
def test_phase_one_hides_the_front_in_training_and_validation_alike(kept, training):
    (batch,) = batches(Cards(*kept, Config(image_size=64), training=training), range(14), Config(device="cpu"), 1)
    first, second = model_input(batch, Config(), 1, CPU), model_input(batch, Config(), 2, CPU)
    assert not first.present[:, 0].any()
    assert torch.equal(first.present[:, 1], batch["present"][:, 1])
    assert torch.equal(second.present, batch["present"])
    assert torch.equal(first.back, second.back)


def test_the_model_s_input_is_the_six_channels_of_each_canvas(kept):
    (batch,) = batches(Cards(*kept, Config(image_size=64), training=False), [0, 3], Config(device="cpu"), 1)
    inputs = model_input(batch, Config(), 2, CPU)
    for place in (0, 1):
        for side, channels in enumerate((inputs.front, inputs.back)):
            np.testing.assert_array_equal(channels[place], six_channels(batch["canvases"][place, side].numpy()))


def test_a_network_for_plain_colours_is_given_the_canvas_itself(kept):
    (batch,) = batches(Cards(*kept, Config(image_size=64), training=False), [0, 3], Config(device="cpu"), 1)
    inputs = model_input(batch, Config(channels="rgb"), 2, CPU)
    assert inputs.front.shape == (2, 3, 64, 64)
    canvas = batch["canvases"][0, 0].numpy().astype(np.float64)
    np.testing.assert_allclose(inputs.front[0].permute(1, 2, 0), canvas / 255, atol=1e-7)
