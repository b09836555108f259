"""The simulated scenes that card detection learns from."""

import numpy as np
import pytest

from engine.image.rectify import CardSize
from engine.simulate.capture.holders import CardFace
from engine.simulate.capture.scene import card_scene
from engine.simulate.print.games import Grid
from tools.finder.make_dataset import KINDS, LARGEST_MM, vary_face


@pytest.mark.parametrize("kind", KINDS)
def test_the_largest_card_fits_every_holder(kind):
    grid = Grid(CardSize(*LARGEST_MM, "largest"), 120)
    face = CardFace(np.full((grid.height, grid.width, 3), 90, np.uint8), (), grid)
    for seed in range(2):
        scene = card_scene(np.random.default_rng(seed), [face], kind, "one")
        assert scene.quads.min() >= -0.5
        assert (scene.quads <= np.array(scene.rgb.shape[1::-1]) - 0.5).all()


def test_no_card_is_varied_beyond_the_largest_size():
    random, grid = np.random.default_rng(3), Grid(CardSize(63.0, 88.0, "card"), 60)
    face = CardFace(np.full((grid.height, grid.width, 3), 90, np.uint8), (), grid)
    sizes = [vary_face(random, face).grid.size for _ in range(200)]
    assert len(set(sizes)) > 10
    assert all(size.width_mm <= LARGEST_MM[0] and size.height_mm <= LARGEST_MM[1] for size in sizes)
