"""Vectorized fit of line segments against NumPy's weighted statistics, segment by segment."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.measure.surface.ridges import MIN_ELONGATION, _fit_segments, find_segments

MIN_LENGTH_PX = 20.0


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_each_segment_is_fitted_by_its_weighted_principal_axis(seed, segments):
    random = np.random.default_rng(seed)
    points, weights, segment_of = [], [], []
    for index in range(segments):
        count = int(random.integers(3, 60))
        direction = np.array([np.cos(angle := random.uniform(0, np.pi)), np.sin(angle)])
        along = random.uniform(-30, 30, count)
        across = random.normal(0, random.choice([0.3, 15.0]), count)
        points.append(
            random.uniform(0, 500, 2) + along[:, None] * direction + across[:, None] * direction[::-1] * [-1, 1]
        )
        weights.append(random.uniform(3, 40, count))
        segment_of.append(np.full(count, index))
    shuffled = random.permutation(sum(map(len, segment_of)))
    pixels = (np.concatenate(part)[shuffled] for part in (points, weights, segment_of))
    fitted_segments = _fit_segments(*pixels, MIN_LENGTH_PX)

    expected = []
    for segment_points, weight in zip(points, weights, strict=True):
        middle = np.average(segment_points, axis=0, weights=weight)
        values, vectors = np.linalg.eigh(np.cov(segment_points.T, aweights=weight))
        reach = (segment_points - middle) @ vectors[:, 1]
        if values[1] >= MIN_ELONGATION**2 * max(values[0], 0.1) and np.ptp(reach) >= MIN_LENGTH_PX:
            ends = middle + np.outer([reach.min(), reach.max()], vectors[:, 1])
            expected.append((sorted(map(tuple, ends)), weight.mean()))
    fitted = [(sorted([tuple(segment.start), tuple(segment.end)]), segment.contrast) for segment in fitted_segments]
    assert len(fitted) == len(expected)
    for (ends, contrast), (expected_ends, mean) in zip(fitted, expected, strict=True):
        np.testing.assert_allclose(ends, expected_ends, atol=1e-6)
        np.testing.assert_allclose(contrast, mean)


def test_a_uniform_picture_has_no_segments():
    assert find_segments(np.full((80, 60), 90, np.float32), np.ones((80, 60), bool), offset_px=4, px_per_mm=8.0) == []
