"""Several changes at once must be declared, and a run may start from another run's weights."""

import pytest

from tests.commands import SMALL_RUN, run

pytestmark = [pytest.mark.browser, pytest.mark.long]


def test_several_changes_start_only_after_they_are_declared_and_the_plan_gets_a_verdict(visitor, server, manifest):
    assert run("import", manifest, "--data", server.root).exit_code == 0
    visitor.turn_to("Train")
    visitor.opens_advanced_settings()
    visitor.chooses("#recipe", "baseline")
    for name in ("front_encoder", "back_encoder"):
        visitor.chooses(f"#set-{name}", SMALL_RUN[name])
    for name in ("image_size", "batch_size", "phase2_epochs"):
        visitor.enters(f"#set-{name}", SMALL_RUN[name])
    visitor.waits_to_read("#run-changes", "Changed against baseline: front_encoder = mobilenet_v2 (resnet18)")
    visitor.page.get_by_role("button", name="All settings").click()
    for name in ("regions", "use_measurements", "augment"):
        checkbox = visitor.page.locator(f"#set-{name}")
        checkbox.wait_for()
        assert checkbox.bounding_box()["width"] >= 190, "a checkbox shows its whole name"
    visitor.enters("#set-dropout", "0.1")
    visitor.waits_to_read("#run-changes", "2 changes at once against baseline:")
    visitor.page.locator("#start-run").click()
    visitor.page.get_by_text(
        "changes of scale count as one): their effects cannot be separated; make one at a time"
    ).wait_for()
    visitor.takes_a_picture("warned")
    assert server.query("SELECT count(*) FROM runs") == [0]
    visitor.page.get_by_role("button", name="Hypothesis and success criteria").click()
    visitor.enters("#run-hypothesis", "less dropout, quicker learning")
    visitor.enters("#run-expect", "qwk>2@1")
    visitor.page.locator("#run-bundle input").check()
    visitor.enters("#run-why", "small and quick first")
    visitor.waits_to_read("#run-changes", "Changed against baseline:")
    visitor.takes_a_picture("declared")
    visitor.page.locator("#start-run").click()
    visitor.waits_to_read("#run-status", "expected: qwk>2.0@1")
    visitor.waits_to_read("#run-status", "not as expected")
    visitor.takes_a_picture("judged")
    assert "several changes because: small and quick first" in visitor.reads("#run-status")
    assert visitor.complaints == []


def test_a_run_starts_from_an_earlier_run_s_weights_and_refuses_incompatible_ones(visitor, server):
    visitor.turn_to("Grade")
    visitor.turn_to("Train")
    visitor.chooses("#set-pretrained", "Run 1: baseline")
    visitor.page.locator("#run-why textarea, #run-why input").first.fill("the same, further on")
    visitor.chooses("#set-front_encoder", "resnet18")
    visitor.page.locator("#start-run").click()
    visitor.page.get_by_text("has front_encoder = 'mobilenet_v2' and this run 'resnet18'").wait_for()
    covers = '[data-testid="status-tracker"]:not(.hide) > .error'
    assert visitor.page.locator(covers).count() == 0, "the runs stay in sight"
    visitor.takes_a_picture("refused")
    assert server.query("SELECT count(*) FROM runs") == [1]
    visitor.chooses("#set-front_encoder", "mobilenet_v2")
    visitor.page.locator("#start-run").click()
    visitor.waits_to_read("#run-status", "Run 2")
    visitor.waits_to_read("#run-status", "not as expected")
    visitor.takes_a_picture("begun from run 1")
    log = visitor.page.locator("#run-log textarea").input_value()
    assert "starts with the weights of run-0001" in log
    assert visitor.complaints == []
