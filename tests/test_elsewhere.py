"""Training elsewhere, as far as it can be checked without a container: the image's files and its start script."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import launch
from tests import commands
from tests.test_import_rules import PACKAGES

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "docs/elsewhere/Dockerfile").read_text(encoding="utf-8")
PAGE = (ROOT / "docs/elsewhere.md").read_text(encoding="utf-8")
LINES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


def copied():
    """The files of the image, as pairs of a path in the repository and its path in the image."""
    for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE):
        *sources, target = line.split()
        yield from ((source, source if target == "./" else target) for source in sources)


def test_the_image_starts_from_a_plain_name_and_installs_the_tested_versions():
    assert re.findall(r"^FROM (.+)$", DOCKERFILE, re.MULTILINE) == ["python:3.11-slim"]
    (install,) = re.findall(r"^RUN (.+)$", DOCKERFILE, re.MULTILINE)
    assert install == "pip install --no-cache-dir -c constraints.txt -e ."


def test_the_image_contains_every_package():
    assert {*PACKAGES, "launch.py", "pyproject.toml", "constraints.txt"} <= {source for source, _ in copied()}


@pytest.mark.parametrize("line", [line for line in LINES if " launch.py " in line])
def test_every_command_of_the_page_exists_with_its_options(line):
    words = line.split("launch.py ")[1].split()
    command = typer.main.get_command(launch.program).commands[words[0]]
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.long
def test_with_the_image_s_files_alone_the_start_script_trains_and_resumes(tmp_path, manifest):
    image, run = tmp_path / "image", tmp_path / "run"
    for source, target in copied():
        (image / target).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, image / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / source, image / target)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "CARDS": str(manifest),
        "RUN": str(run),
        "PROCESSES": "1",
        "SETTINGS": " ".join(commands.settings()),
    }
    results = []
    for _ in range(2):
        done = subprocess.run(
            ["sh", "train.sh"], cwd=image, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        results.append(commands.CommandResult(done.returncode, done.stdout, done.stderr).result)
    assert results[0] == results[1]
    assert Path(results[0]["model"]) == run / "model.pt"
