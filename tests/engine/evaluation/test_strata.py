"""Strata of a calibration: coverage of each kind of card on simulated predictions, and kinds without cards."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from engine.evaluation.calibration import Calibration, TooFewCards, apply_calibration, fit, with_stratum
from engine.evaluation.conformal import Pool
from engine.evaluation.predictions import Predictions
from engine.evaluation.strata import Given, sides_given, widest_pools

SHARP, BLURRED = 3.0, 0.6


def predictions(seed, cards, certainty):
    """True grades, and a network whose logits fall with the distance to a noisy guess of the grade."""
    random = np.random.default_rng(seed)
    truth = random.integers(1, 11, cards)
    guess = truth + random.normal(0, 1 / certainty, cards)
    probabilities = softmax(-certainty * np.abs(np.arange(1, 11) - guess[:, None]), axis=1)
    names = tuple(f"{card:04}" for card in range(cards))
    return Predictions(names, names, truth, probabilities)


@pytest.fixture(scope="module")
def calibration():
    pairs = fit(predictions(1, 400, SHARP), on="pairs")
    fronts, thumbnails = (fit(predictions(seed, 400, BLURRED * seed / 2), on="fronts") for seed in (2, 1))
    pairs = replace(pairs, min_px_per_mm=4.0)
    pairs = with_stratum(pairs, fronts, sides="front", max_px_per_mm=None)
    return with_stratum(pairs, thumbnails, sides="front", max_px_per_mm=2.0)


def coverage(calibration, cards, given):
    calibrated = apply_calibration(cards.probabilities, calibration, [given] * len(cards.truth))
    return ((calibrated.low <= cards.truth) & (cards.truth <= calibrated.high)).mean(), calibrated.widths.mean()


def test_each_kind_of_card_is_covered_by_its_own_thresholds(calibration):
    kinds = [(SHARP, Given()), (BLURRED, Given("front", 10.0)), (BLURRED / 2, Given("front", 1.5))]
    for seed, (certainty, given) in enumerate(kinds):
        covered, _ = coverage(calibration, predictions(50 + seed, 2000, certainty), given)
        # Three standard deviations of the coverage of 40 held-out cards per grade, pooled over ten grades.
        assert covered == pytest.approx(0.91, abs=0.05)
    covered, _ = coverage(calibration, predictions(60, 2000, BLURRED), Given())
    assert covered < 0.8


def test_a_mix_of_kinds_is_calibrated_like_each_kind_alone(calibration):
    cards = predictions(7, 90, 1.0)
    kinds = [Given(), Given("front", 10.0), Given("front", 1.5)] * 30
    mixed = apply_calibration(cards.probabilities, calibration, kinds)
    for kind in set(kinds):
        rows = np.array([given == kind for given in kinds])
        alone = apply_calibration(cards.probabilities[rows], calibration, [kind] * rows.sum())
        np.testing.assert_array_equal(mixed.low[rows], alone.low)
        np.testing.assert_array_equal(mixed.probabilities[rows], alone.probabilities)


@pytest.mark.parametrize("given", [Given("back", 10.0), Given("pair", 3.0), Given("pair", 10.0, in_domain=False)])
def test_a_kind_without_held_out_cards_gets_ranges_at_least_as_wide_as_any_other(calibration, given):
    assert not calibration.is_calibrated_for(given)
    temperature, pools = calibration.temperature_and_pools(given)
    assert temperature == calibration.temperature
    for known in [calibration.pools, *(stratum.pools for stratum in calibration.strata)]:
        for pool in known:
            assert all(pools[grade - 1].threshold >= pool.threshold for grade in range(pool.low, pool.high + 1))


def test_without_strata_every_card_has_the_thresholds_of_all():
    calibration = fit(predictions(1, 200, SHARP), on="pairs")
    assert calibration.temperature_and_pools(Given("front", 1.0))[1] == calibration.pools
    assert not calibration.is_calibrated_for(Given("front", 1.0))


def test_fewer_than_sixty_cards_are_no_stratum():
    calibration = fit(predictions(1, 200, SHARP), on="pairs")
    with pytest.raises(TooFewCards, match="59 cards are too few for a stratum"):
        with_stratum(calibration, fit(predictions(2, 59, SHARP), on="few"), sides="back", max_px_per_mm=None)


def test_a_calibration_with_strata_is_restored_from_its_dict(calibration):
    assert Calibration.from_dict(calibration.to_dict()) == calibration
    damaged = calibration.to_dict()
    damaged["strata"][0]["pools"] = damaged["strata"][0]["pools"][1:]
    with pytest.raises(ValueError, match="without gaps"):
        Calibration.from_dict(damaged)


def test_the_widest_pools_take_the_highest_threshold_of_each_grade():
    low, high = (Pool(1, 5, 9, 9, 1.0), Pool(6, 10, 9, 9, 3.0)), (Pool(1, 8, 9, 9, 2.0), Pool(9, 10, 9, 9, 0.5))
    assert [pool.threshold for pool in widest_pools([low, high])] == [2.0] * 5 + [3.0] * 5


def test_the_sides_given_have_a_name():
    assert [sides_given(True, True), sides_given(True, False), sides_given(False, True)] == ["pair", "front", "back"]
