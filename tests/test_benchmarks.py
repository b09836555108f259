"""The benchmark command: its exit codes, and rows that can fail."""

import json
import subprocess
import sys
import tempfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from benchmarks import __main__ as command
from benchmarks.accuracy.maps import PlantedCard, points_into
from benchmarks.harness import NothingMeasured, Row
from benchmarks.speed import gpu
from engine.inference.grad_cam import SaliencyMaps
from engine.preprocessing.channels_torch import lab


def run_benchmark(monkeypatch, measure, *options):
    monkeypatch.setitem(sys.modules, command.BENCHMARKS["cuda"], SimpleNamespace(measure=measure))
    program = typer.Typer()
    program.command()(command.main)
    return CliRunner().invoke(program, ["cuda", *map(str, options)])


@pytest.mark.parametrize(("ratio", "exit_code"), [(2.0, 0), (0.5, 1), (float("nan"), 1)])
def test_a_bound_that_does_not_hold_fails_the_command(monkeypatch, tmp_path, ratio, exit_code):
    rows = [Row("ours", "theirs", 1.0, 3, at_most=1.0), Row("ours", "theirs", ratio, 3, at_least=1.0)]
    result = run_benchmark(monkeypatch, lambda: rows, "--json", tmp_path / "rows.json")
    assert result.exit_code == exit_code
    written = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    assert written[0] == {"what": "ours", "versus": "theirs", "ratio": 1.0, "at_most": 1.0, "holds": True, "n": 3}
    assert written[1]["holds"] is (exit_code == 0)


def test_a_benchmark_that_cannot_run_here_is_not_a_success(monkeypatch):
    def measure():
        raise NothingMeasured("there is no CUDA device")

    result = run_benchmark(monkeypatch, measure)
    assert result.exit_code == 2
    assert result.stderr == "cuda: there is no CUDA device\n"


@pytest.mark.parametrize("bounds", [{}, {"at_least": 0.0, "at_most": 1.0}])
def test_a_row_has_exactly_one_bound(bounds):
    with pytest.raises(ValueError, match="one bound"):
        Row("ours", "theirs", 1.0, 3, **bounds)


def test_parity_of_the_channels_fails_for_a_color_that_is_not_opencv_s(monkeypatch):
    def wrong_at_red(rgb):
        lightness, a, b = lab(rgb)
        return lightness + (rgb == torch.tensor([255, 0, 0])).all(dim=-1), a, b

    cpu, reds = torch.device("cpu"), range(254, 256)
    assert all(row.holds for row in gpu.parity(cpu, reds))
    monkeypatch.setattr(gpu, "lab", wrong_at_red)
    colors, *_ = gpu.parity(cpu, reds)
    assert (colors.ratio, colors.holds) == (1, False)


def test_a_finished_part_of_the_gpu_benchmark_is_not_measured_again(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=0, stdout="abc\n"))
    row = Row("ours", "theirs", 1.5, 3, at_most=2.0)
    assert gpu.kept("parity", lambda: [row]) == [row]
    assert gpu.kept("parity", lambda: []) == [row]


def test_a_map_points_into_a_defect_within_one_cell_of_it_and_on_its_side_only():
    def at(column):
        saliency = np.zeros((64, 64), np.float32)
        saliency[10, column] = 1
        return saliency

    place = np.zeros((64, 64), bool)
    place[10, 10] = True
    card = PlantedCard("stain_mm2", {}, {"front": place})
    cases = [
        (at(14), None, True),
        (at(15), None, False),
        (at(10) / 2, at(10), False),
        (np.zeros((64, 64)), None, False),
    ]
    for front, back, expected in cases:
        assert points_into(SaliencyMaps(front, back), card, cell_px=4) is expected
