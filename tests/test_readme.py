"""The README is correct: its commands exist, and CI runs its test line."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
from packaging.requirements import Requirement

import launch

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
COMMANDS = [line.removeprefix("python launch.py ") for line in LINES if line.startswith("python launch.py ")]


@pytest.fixture(scope="module")
def program():
    return typer.main.get_command(launch.program)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_readme_exists_with_its_options(program, line):
    words = re.findall(r"[\w-]+", line)
    command = program.commands[words[0]]
    command = getattr(command, "commands", {}).get(words[1], command) if len(words) > 1 else command
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_every_command_that_a_user_may_give_is_in_the_readme(program):
    shown = {name for name, command in program.commands.items() if not command.hidden}
    assert {line.split()[0] for line in COMMANDS} == shown


def test_ci_runs_the_test_line_of_the_readme():
    pattern = re.search(r"grep --max-count=1 '(.+)' README.md", (ROOT / ".ci/run").read_text(encoding="utf-8")).group(1)
    completed = subprocess.run(["grep", pattern, ROOT / "README.md"], capture_output=True, text=True, check=True)
    assert completed.stdout.splitlines() == [line for line in LINES if line.endswith("-m pytest")]


def test_both_install_commands_use_the_constraints():
    assert [line for line in LINES if "pip install" in line and "-c constraints.txt" not in line] == []
    assert sum("pip install" in line for line in LINES) == 2


def test_the_constraints_pin_every_dependency_within_its_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    pinned = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line
    )
    exact = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pinned.items()}
    for requirement in map(Requirement, requirements):
        assert exact[re.sub(r"[-_.]+", "-", requirement.name).lower()] in requirement.specifier, requirement.name


def test_the_constraints_contain_no_url():
    assert re.search(r"://|@|^-", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE) is None


def test_help_is_given_without_loading_torch_or_gradio():
    code = "import sys, launch; print(sorted({'torch', 'gradio', 'sqlalchemy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
