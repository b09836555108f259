"""The environment variables of torchrun are numbers that fit each other, or one sentence names the wrong one."""

import pytest

from engine.torchrun import BadEnvironment, Processes, started_by_torchrun
from tests.commands import call

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


@pytest.fixture(autouse=True)
def no_torchrun(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_without_torchrun_there_is_one_process():
    assert started_by_torchrun() == Processes(rank=0, world_size=1, local_world_size=1)


def test_the_second_of_two_machines_with_two_processes_each(monkeypatch):
    for name, value in zip(NAMES, ("3", "4", "1", "2"), strict=True):
        monkeypatch.setenv(name, value)
    assert started_by_torchrun() == Processes(rank=3, world_size=4, local_world_size=2)


@pytest.mark.parametrize(
    "variables",
    [
        {"RANK": "x"},
        {"RANK": ""},
        {"RANK": "1.5"},
        {"RANK": "-1"},
        {"RANK": "5"},
        {"WORLD_SIZE": "0"},
        {"WORLD_SIZE": "two"},
        {"LOCAL_WORLD_SIZE": "2"},
        {"LOCAL_RANK": "many"},
    ],
    ids=str,
)
def test_a_value_that_does_not_fit_is_refused_by_name_by_every_command(variables, monkeypatch, tmp_path):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ((name, value),) = variables.items()
    with pytest.raises(BadEnvironment):
        started_by_torchrun()
    line = call("export", "labels", "--data", tmp_path).error_line
    assert f"the environment variable {name} is {value!r}, not a whole number" in line
