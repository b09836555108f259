"""Evidence on real pairs: frozen features, the control for the photograph, other sources, changed photographs."""

import cv2
import numpy as np
import pytest
from scipy.stats import norm

from engine.evaluation import predictions
from engine.evaluation.predictions import Predictions
from engine.experiments import run_folder
from engine.recipes import RECIPES
from evidence import frozen_features, page, real_sources
from evidence.frozen_features import InputSpec, card_features, photograph_measures, ridge_predictions, to_probabilities
from evidence.steps import real_pairs, real_recipes
from tests.card_factory import card_picture, write_cards

SMALL = InputSpec(height=64, width=48)


@pytest.fixture(autouse=True)
def random_weights(monkeypatch):
    """An encoder without the optional ImageNet weights."""
    build = frozen_features.build_encoder
    monkeypatch.setattr(
        frozen_features, "build_encoder", lambda name, pretrained, channels, stage: build(name, "none", channels, stage)
    )


def test_probabilities_are_those_of_a_normal_distribution_and_their_maximum_is_the_rounded_grade():
    expected = np.array([1.0, 3.2, 7.49, 10.0])
    probabilities = to_probabilities(expected, 1.8)
    density = norm.pdf(np.arange(1, 11), expected[:, None], 1.8)
    np.testing.assert_allclose(probabilities, density / density.sum(axis=1, keepdims=True), rtol=1e-9)
    np.testing.assert_array_equal(probabilities.argmax(axis=1) + 1, [1, 3, 7, 10])


def test_ridge_finds_a_linear_grade_in_noisy_features():
    random = np.random.default_rng(0)
    features = random.normal(size=(300, 20))
    grades = 5 + features[:, 0] - 0.5 * features[:, 1] + random.normal(0, 0.1, 300)
    expected = ridge_predictions(features[:200], grades[:200], features[200:])
    assert np.abs(expected - grades[200:]).mean() < 0.15


def test_the_photograph_s_measures_are_those_of_the_file_and_its_pixels(tmp_path):
    rgb = card_picture(7, 0, "front")
    path = tmp_path / "front.png"
    cv2.imwrite(str(path), rgb[:, :, ::-1])
    height, width, size, _, _, _, red, green, blue = photograph_measures(path)
    assert (height, width, size) == (*rgb.shape[:2], path.stat().st_size)
    np.testing.assert_allclose((red, green, blue), rgb.mean(axis=(0, 1)))


def test_features_are_cached_by_picture_input_and_change(tmp_path, monkeypatch):
    manifest = write_cards(tmp_path / "cards", [9, 4])
    paths = sorted(manifest.parent.glob("*_front.png"))
    first = card_features(paths, SMALL, tmp_path / "cache")
    darker = card_features(paths, SMALL, tmp_path / "cache", lambda rgb: rgb // 2, "darker")
    assert first.shape == (2, 1280)
    assert not np.array_equal(first, darker)
    # Five parts of the card, 192 features of the penultimate stage each.
    rim = InputSpec(height=320, width=224, stage="penultimate", pooling="rim")
    assert card_features(paths, rim, tmp_path / "cache").shape == (2, 5 * 192)
    monkeypatch.setattr(frozen_features, "build_encoder", lambda *arguments: pytest.fail("the features are cached"))
    np.testing.assert_array_equal(card_features(paths, SMALL, tmp_path / "cache"), first)


@pytest.mark.long
def test_every_part_is_computed_once_and_shown_on_the_page(tmp_path, monkeypatch):
    pictures = tmp_path / "real"
    grades = [float(grade) for grade in range(1, 11) for _ in range(3)]
    write_cards(pictures / "pokemon_pairs", grades, splits=False)
    fronts = write_cards(pictures / "pokemon_fronts", grades[::2], seed=3, splits=False)
    for number, path in enumerate(sorted(write_cards(tmp_path / "more", grades, seed=5).parent.glob("*_front.png"))):
        folder = pictures / "psa_baseball" / f"psa{number % 10 + 1}"
        folder.mkdir(parents=True, exist_ok=True)
        path.rename(folder / path.name)
    assert fronts.exists()
    for name, value in {"REAL_PICTURES": pictures, "SEALED_CARDS": 5}.items():
        monkeypatch.setattr(real_sources, name, value)
    for name, value in {"SPECS": (SMALL,), "DEFAULT": SMALL}.items():
        monkeypatch.setattr(real_pairs, name, value)
    monkeypatch.setattr(real_pairs, "CHANGED_CARDS", 6)
    results = real_pairs.run(tmp_path / "out")
    assert results["n"] == 25
    assert set(results["inputs"][SMALL.name]) == {f"front {weight:g}" for weight in real_pairs.FRONT_WEIGHTS}
    assert len(results["across"]) == 9
    assert results["changes"]["median"] <= results["changes"]["p95"]
    monkeypatch.setattr(real_pairs, "card_features", lambda *arguments: pytest.fail("everything is cached"))
    assert real_pairs.run(tmp_path / "out")["control"]["correlation"] == results["control"]["correlation"]
    monkeypatch.setattr(page, "PAGE", tmp_path / "evidence.md")
    assert "real_pairs" not in page.run(tmp_path / "out")["missing"]
    qwk = results["inputs"][SMALL.name]["front 0.3"]["qwk"][0]
    assert f"{qwk:.3f} (" in (tmp_path / "evidence.md").read_text(encoding="utf-8")


@pytest.mark.long
def test_recipes_are_trained_on_the_open_pairs_and_compared_with_the_frozen_encoders(tmp_path, monkeypatch):
    pictures, out = tmp_path / "real", tmp_path / "out"
    write_cards(pictures / "pokemon_pairs", [float(grade) for grade in range(1, 11)] * 2, splits=False)
    for source in ("pokemon_fronts", "psa_baseball"):
        (pictures / source).mkdir()
    for name, value in {"REAL_PICTURES": pictures, "SEALED_CARDS": 4}.items():
        monkeypatch.setattr(real_sources, name, value)
    recipes = {name: RECIPES[name] for name in ("original", "baseline", "photographs")}
    for name, value in {"RECIPES": recipes, "ALL_FOLDS": ("baseline",), "FOLDS": 2, "EPOCHS": 2}.items():
        monkeypatch.setattr(real_recipes, name, value)
    monkeypatch.setattr(real_recipes, "SETTINGS", {**real_recipes.SETTINGS, "image_size": 64})
    (out / "starter").mkdir(parents=True)
    open_pairs, sealed = real_sources.open_and_sealed_pairs()
    random = np.random.default_rng(0)
    for fold in range(2):
        cards = open_pairs[fold::2]
        frozen = Predictions(
            tuple(card.card_id for card in cards),
            tuple(card.group_key for card in cards),
            np.array([int(card.grade) for card in cards]),
            random.dirichlet(np.ones(10), len(cards)),
        )
        predictions.write(out / "starter" / f"fold{fold}-pair.csv", frozen)
    results = real_recipes.run(out)
    # Its phases of 10 and 30 epochs share the two of this test.
    assert run_folder.load(out / "real_recipes" / "original" / "fold-1")[0].phase1_epochs == 0
    assert results["recipes"]["baseline"]["n"] == 16
    assert 0 < results["recipes"]["original"]["n"] < 16
    graded = predictions.read(out / "real_recipes" / "baseline" / predictions.FILE_NAME).cards
    assert not {pair.card_id for pair in sealed} & set(graded)
    monkeypatch.setattr(real_recipes, "train_folds", lambda *arguments: pytest.fail("everything is trained"))
    assert real_recipes.run(out) == results
    monkeypatch.setattr(page, "PAGE", tmp_path / "evidence.md")
    page.run(out)
    assert f"| `baseline` | 16 | {results['recipes']['baseline']['metrics']['qwk'][0]:.3f} (" in (
        page.PAGE.read_text(encoding="utf-8")
    )
