"""The benchmark command: its exit codes, and rows that can fail."""

import json
import sys
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from benchmarks import __main__ as command
from benchmarks.harness import NothingMeasured, Row


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
