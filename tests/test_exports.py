"""Exported models and the starter model: the output of the commands and the use of the model card."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from app.models.grading_model import grading_model, model_text
from app.models.model_report import model_report
from app.screens.verdict import verdict_html
from app.settings import data_folder
from engine.experiments.test_set_log import log_test_access
from engine.inference import model_card as cards
from engine.inference.grade_card import grade_card
from engine.inference.model_card import read_model_card
from engine.starter import MODEL
from engine.storage.file_hash import sha256
from tests.card_factory import write_cards
from tests.commands import call
from tests.engine.conftest import EFFICIENTNET_LITE, saved_model
from tests.engine.inference.test_model_card import a_card

# Whole commands on a trained model.
pytestmark = pytest.mark.slow

AGREEMENT = {"cards", "equal_grades", "largest_difference", "mean_difference", "qwk_full", "qwk"}
REASON = "the model was trained only on simulated cards"


@pytest.fixture(autouse=True)
def empty_data_folder(tmp_path, monkeypatch):
    """Keep tests away from the user's data folder."""
    monkeypatch.setenv("LOUPE_DATA", str(tmp_path / "data"))


@pytest.fixture
def starter(model, tmp_path, monkeypatch):
    """A substitute for the starter model: 8-bit weights and a model card, in a temporary folder."""
    path = tmp_path / "starter" / "model.pt"
    assert call("export", "model", "--bits", "8", "--model", model, "--out", path).exit_code == 0
    cards.write(path.parent, a_card(sha256=sha256(path)))
    monkeypatch.setattr("engine.starter.MODEL", path)
    return path


def pictures_of(manifest: Path) -> tuple[Path, Path]:
    return manifest.parent / "card-002_front.png", manifest.parent / "card-002_back.png"


def test_8_bit_weights_need_a_quarter_of_the_file_and_their_agreement_is_reported(model, manifest, tmp_path):
    out = tmp_path / "eight.pt"
    output = call("export", "model", "--bits", "8", "--model", model, "--out", out, "--manifest", manifest)
    assert output.exit_code == 0, output.err
    assert output.result["bytes"] == out.stat().st_size < model.stat().st_size * 0.27
    assert output.result["sha256"] == sha256(out)
    assert set(output.result["agreement"]) == AGREEMENT
    # Six of the thirty are test cards, which an export does not use.
    assert output.result["agreement"]["cards"] == 24
    assert output.result["agreement"]["largest_difference"] < 0.05
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"eight.pt"}
    both = [call("evaluate", "--model", path, "--manifest", manifest, "--split", "val") for path in (model, out)]
    assert both[0].result["ece"] == pytest.approx(both[1].result["ece"], abs=0.05)
    report = call("export", "report", "--model", out, "--out", tmp_path / "report.md").result["path"]
    assert "stored in 8 bits" in Path(report).read_text(encoding="utf-8")


def test_efficientnet_lite_with_region_crops_and_card_shaped_input_is_exported_in_8_bits(tmp_path):
    full, out = saved_model(tmp_path / "lite.pt", loss="ordinal", **EFFICIENTNET_LITE), tmp_path / "eight.pt"
    cards = write_cards(tmp_path / "cards", [3, 7, 9, 10])
    output = call("export", "model", "--bits", "8", "--model", full, "--out", out, "--manifest", cards)
    assert output.exit_code == 0, output.err
    assert output.result["bytes"] == out.stat().st_size < 0.29 * full.stat().st_size
    assert output.result["agreement"]["cards"] == 4
    assert output.result["agreement"]["largest_difference"] < 0.02


@pytest.mark.parametrize("form", [(), ("--bits", "8")])
def test_the_report_on_an_exported_model_shows_the_test_set_uses_of_its_source(model, tmp_path, form):
    original = tmp_path / "own" / "model.pt"
    original.parent.mkdir()
    original.write_bytes(model.read_bytes())
    logs = tmp_path / "data" / "test_openings"
    for _ in range(2):
        log_test_access(logs, original, sha256=sha256(original), cards=6, of="labels.csv")
    out = tmp_path / "new" / "model.pt"
    assert call("export", "model", *form, "--model", original, "--out", out).exit_code == 0
    assert "the test split was opened 2 times" in model_report(out, logs)


@pytest.mark.parametrize("form", [(), ("--bits", "8"), ("--onnx",)])
def test_a_model_is_never_exported_over_itself_under_any_path(model, tmp_path, form):
    original, other_name = tmp_path / "model.pt", tmp_path / "same.pt"
    original.write_bytes(model.read_bytes())
    other_name.symlink_to(original)
    for out in (original, other_name):
        assert (
            "give another file with --out"
            in call("export", "model", *form, "--model", original, "--out", out).error_line
        )
    assert sha256(original) == sha256(model)


def test_an_onnx_graph_agrees_with_the_model_on_noise_and_on_cards(model, manifest, tmp_path):
    output = call("export", "model", "--onnx", "--model", model, "--manifest", manifest)
    assert output.exit_code == 0, output.err
    assert output.result["path"] == str(tmp_path / "data" / "exports" / sha256(model)[:12] / "model.onnx")
    assert output.result["largest_difference"] <= output.result["tolerance"] == 1e-4
    assert output.result["agreement"]["equal_grades"] == 1
    assert output.result["agreement"]["largest_difference"] < 1e-4
    session = onnxruntime.InferenceSession(output.result["path"], providers=["CPUExecutionProvider"])
    noise = np.random.default_rng(0).random((2, 5, 6, 64, 64), dtype=np.float32)
    (log_probabilities,) = session.run(
        ["log_probabilities"], {"front": noise[0], "back": noise[1], "present": np.eye(5, 2) > 0}
    )
    np.testing.assert_allclose(np.exp(log_probabilities).sum(axis=1), 1, atol=1e-5)


def test_the_starter_s_folder_stays_as_it_was_whatever_is_done_with_its_model(starter, manifest, tmp_path):
    """An installation may be read-only; a log of test-set uses in it was shipped with the model."""

    def content():
        return {path.name: (path.stat().st_mtime_ns, sha256(path)) for path in starter.parent.iterdir()}

    before, results = content(), []
    for words in (
        ("evaluate", "--manifest", manifest, "--split", "test"),
        ("evaluate", "--manifest", manifest, "--split", "test"),
        ("grade", *pictures_of(manifest), "--out", tmp_path / "pictures"),
        ("calibrate", "--manifest", manifest, "--split", "all", "--out", tmp_path / "new" / "model.pt"),
        ("export", "model"),
        ("export", "report"),
    ):
        output = call(*words, "--model", "starter")
        assert output.exit_code == 0, output.err
        results.append(output.result)
    assert content() == before
    assert [result["test_openings"] for result in results[:2]] == [1, 2]
    logs = list((tmp_path / "data" / "test_openings").iterdir())
    assert {path.stem for path in logs} == {sha256(starter), sha256(tmp_path / "new" / "model.pt")}
    assert "the test split was opened 3 times" in Path(results[-1]["path"]).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["labels", "--bits", "8"], "--bits"),
        (["report", "--onnx"], "--onnx"),
        (["history", "--manifest", "cards.csv"], "--manifest"),
        (["model", "--bits", "8", "--onnx"], "--bits"),
    ],
)
def test_meaningless_option_combinations_are_refused_in_one_line(words, named):
    assert named in call("export", *words).error_line


def test_a_new_installation_grades_with_the_starter_and_every_grade_names_its_training_data(starter, manifest):
    output = call("grade", *pictures_of(manifest))
    assert output.exit_code == 0, output.err
    assert output.result["grade"] in range(1, 11)
    assert output.result["model"]["sha256"] == sha256(starter)
    assert output.result["model"]["trained_on"].startswith("simulated cards: 18 cards")
    assert output.result["reasons"][0] == REASON


def test_the_grade_tab_names_the_starter_s_training_data_before_and_after_grading(starter, manifest, tmp_path):
    data = data_folder(tmp_path / "data")
    text = model_text(grading_model(data))
    for words in ("simulated cards: 18 cards", "QWK 0.81 (0.78 to 0.84)", "No real card was shown to it."):
        assert words in text
    outside, folded = text.split("<details>")
    assert "trained only on simulated cards. No real card was shown to it." in outside
    assert "QWK" not in outside, "figures for experts stay one click away"
    assert sha256(starter)[:12] in folded
    cards.write(starter.parent, a_card(sha256=sha256(starter), limits=["No real card.", "One seed.", "No foil."]))
    outside, folded = model_text(grading_model(data)).split("<details>")
    assert "No real card." in outside
    assert "- One seed.\n- No foil." in folded
    verdict = verdict_html(grade_card(*pictures_of(manifest), grading_model(data), with_saliency=False))
    assert REASON[1:] in verdict
    assert "trained on simulated cards: 18 cards" in verdict


def test_the_report_contains_the_whole_model_card(starter, tmp_path):
    output = call("export", "report", "--model", "starter", "--out", tmp_path / "report.md")
    page = Path(output.result["path"]).read_text(encoding="utf-8")
    for words in (
        *("## Card", "Trained only on simulated cards.", "6000 simulated pairs.", "image_size = 384", "MIT"),
        *("No real card was shown to it.", "QWK 0.81 (0.78 to 0.84)", "n = 300", "99.5%", "tools.build_starter"),
    ):
        assert words in page


@pytest.mark.parametrize(
    "words", [("export", "model"), ("export", "model", "--bits", "8"), ("calibrate", "--split", "all", "--manifest")]
)
def test_models_derived_from_the_starter_name_its_training_data(starter, manifest, tmp_path, words):
    more = [manifest] if words[0] == "calibrate" else []
    out = tmp_path / "new" / "model.pt"
    for _ in range(2):  # the second takes the place of the first
        output = call(*words, *more, "--model", starter, "--out", out)
        assert output.exit_code == 0, output.err
        assert "belongs to something else" not in output.err
        assert read_model_card(out, sha256(out)).learned_from == "simulated cards"
    starter.with_name("other.pt").write_bytes(starter.read_bytes())
    second_output = call(*words, *more, "--model", starter, "--out", starter.with_name("other.pt"))
    assert second_output.exit_code == 0, second_output.err
    alike = sha256(starter.with_name("other.pt")) == sha256(starter)
    message = f"so {starter.with_name('other.pt')} has no model card with the caveat that {REASON}"
    assert (message in second_output.err) != alike
    assert read_model_card(starter, sha256(starter)) == a_card(sha256=sha256(starter))


def test_a_starter_that_is_not_the_file_its_model_card_describes_is_refused(starter, manifest):
    content = bytearray(starter.read_bytes())
    content[len(content) // 2] ^= 1
    starter.write_bytes(bytes(content))
    for words in ((), ("--model", "starter")):
        error_line = call("grade", *pictures_of(manifest), *words).error_line
        assert "is damaged: it is not the file that its model card describes; install Loupe again" in error_line


def test_the_model_card_of_another_model_is_ignored(starter, manifest):
    cards.write(starter.parent, a_card(sha256="b" * 64))
    result = call("grade", *pictures_of(manifest), "--model", starter).result
    assert REASON not in result["reasons"]
    assert result["model"]["trained_on"].startswith("18 cards")


def test_the_shipped_model_has_a_model_card_and_at_most_34_megabytes():
    if not MODEL.is_file():
        pytest.skip("this copy of Loupe ships no starter model")
    assert MODEL.stat().st_size <= 34e6
    card = read_model_card(MODEL, sha256(MODEL))
    assert card is not None, "the model card of the starter is that of another file"
    assert card.limits
    assert card.licence
