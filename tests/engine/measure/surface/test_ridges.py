"""Pale lines fitted all at once are those that NumPy's own weighted statistics fit one by one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.measure.surface.ridges import THINNEST, _fitted, pale_lines


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_pieces_fitted_together_are_each_its_weighted_principal_axis(seed, pieces):
    random = np.random.default_rng(seed)
    points, weights, of = [], [], []
    for piece in range(pieces):
        count = int(random.integers(3, 60))
        way = np.array([np.cos(turn := random.uniform(0, np.pi)), np.sin(turn)])
        along = random.uniform(-30, 30, count)
        aside = random.normal(0, random.choice([0.3, 15.0]), count)
        points.append(random.uniform(0, 500, 2) + along[:, None] * way + aside[:, None] * way[::-1] * [-1, 1])
        weights.append(random.uniform(3, 40, count))
        of.append(np.full(count, piece))
    shuffled = random.permutation(sum(map(len, of)))
    together = _fitted(*(np.concatenate(part)[shuffled] for part in (points, weights, of)))

    expected = []
    for own, weight in zip(points, weights, strict=True):
        middle = np.average(own, axis=0, weights=weight)
        values, vectors = np.linalg.eigh(np.cov(own.T, aweights=weight))
        reach = (own - middle) @ vectors[:, 1]
        if values[1] >= THINNEST**2 * max(values[0], 0.1):
            ends = middle + np.outer([reach.min(), reach.max()], vectors[:, 1])
            expected.append((sorted(map(tuple, ends)), weight.mean()))
    told = [(sorted([tuple(piece.start), tuple(piece.end)]), piece.step) for piece in together]
    assert len(told) == len(expected)
    for (ends, step), (wanted, mean) in zip(told, expected, strict=True):
        np.testing.assert_allclose(ends, wanted, atol=1e-6)
        np.testing.assert_allclose(step, mean)


def test_where_no_line_is_there_is_no_piece():
    assert pale_lines(np.full((80, 60), 90, np.float32), np.ones((80, 60), bool), aside_px=4, px_per_mm=8.0) == []
