"""The walls of the house: who may import whom, in which room each library lives, and that nothing happens at import."""

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

HOUSE = Path(__file__).parent.parent
ROOMS = ("app", "labeling", "engine", "db")
# Each room's doors: the modules of ours it may import. A package's name opens all that is in it.
DOORS = {
    "launch": ("app",),
    "app": ("app", "labeling", "engine", "db"),
    "labeling": (
        "labeling",
        "db",
        "engine.pairs",
        "engine.leaks",
        "engine.grades",
        "engine.image.read",
        "engine.image.quality",
    ),
    "engine": ("engine",),
    "db": ("db",),
}
LIVES_IN = {
    "torch": "engine",
    "torchvision": "engine",
    "lightning": "engine",
    "lightning_fabric": "engine",
    "pytorch_grad_cam": "engine",
    "onnx": "engine",
    "onnxruntime": "engine",
    "sqlalchemy": "db",
    "alembic": "db",
    "gradio": "app",
}
TORCH_FREE = (
    "engine.config",
    "engine.recipes",
    "engine.grades",
    "engine.pairs",
    "engine.leaks",
    "engine.ledger",
    "engine.lineage",
    "engine.plans",
    "engine.metrics",
    "engine.calibrate",
    "engine.certainty",
    "engine.conformal",
    "engine.interval",
    "engine.predictions",
    "engine.events",
    "engine.image.read",
    "engine.image.quality",
)


class Import(NamedTuple):
    """A module named by an import statement, and the line it stands on."""

    module: str
    line: int


def module_name(path: Path, house: Path) -> str:
    parts = path.relative_to(house).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules(house: Path) -> list[Path]:
    """launch.py and every file of the rooms, as far as they are built."""
    front_door = [path for path in [house / "launch.py"] if path.is_file()]
    return front_door + sorted(path for room in ROOMS for path in (house / room).rglob("*.py"))


def stands_for_a_module(name: str, house: Path) -> bool:
    path = house.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def imports_of(path: Path, house: Path) -> Iterator[Import]:
    """Every import of a file, wherever it stands in it: top, function, TYPE_CHECKING, import_module("...")."""
    package = module_name(path, house) if path.name == "__init__.py" else module_name(path, house).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            base = ".".join(part for part in (above, node.module) if part)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield Import(inner if stands_for_a_module(inner, house) else base, node.lineno)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield Import(first.value, node.lineno)


def trespasses(house: Path) -> list[str]:
    """One line for each import that goes through a wall: file, line, and what may not be there."""
    found = []
    for path in modules(house):
        room = module_name(path, house).split(".")[0]
        for module, line in imports_of(path, house):
            place, top = f"{path.relative_to(house).as_posix()}:{line}", module.split(".")[0]
            if top in (*ROOMS, "launch", "tests", "benchmarks"):
                if not any(module == door or module.startswith(f"{door}.") for door in DOORS[room]):
                    found.append(f"{place}: {room} may not import {module}")
            elif LIVES_IN.get(top, room) != room:
                found.append(f"{place}: {top} lives in {LIVES_IN[top]}, not in {room}")
    return found


def test_no_import_goes_through_a_wall():
    assert trespasses(HOUSE) == []


@pytest.mark.parametrize(
    ("planted", "line", "complaint"),
    [
        ("engine/metrics.py", "from db import cards", "engine may not import db.cards"),
        ("engine/metrics.py", "import app.form", "engine may not import app.form"),
        ("engine/model/heads.py", "from ...db import cards", "engine may not import db.cards"),
        ("db/cards.py", "from engine.pairs import CardPair", "db may not import engine.pairs"),
        ("db/cards.py", "import torch", "torch lives in engine, not in db"),
        ("labeling/queue.py", "from engine import train", "labeling may not import engine.train"),
        ("labeling/queue.py", "import engine", "labeling may not import engine"),
        ("labeling/queue.py", "from engine.pairs_extra import x", "labeling may not import engine.pairs_extra"),
        ("labeling/queue.py", "import sqlalchemy.orm", "sqlalchemy lives in db, not in labeling"),
        ("labeling/queue.py", "def f():\n    from app import form", "labeling may not import app.form"),
        ("app/form.py", "from alembic.config import Config", "alembic lives in db, not in app"),
        ("app/form.py", "import importlib\nimportlib.import_module('torch.nn')", "torch lives in engine, not in app"),
        ("app/form.py", "import launch", "app may not import launch"),
        ("app/form.py", "from tests import conftest", "app may not import tests"),
        ("engine/metrics.py", "import gradio as gr", "gradio lives in app, not in engine"),
        ("launch.py", "from engine.config import Config", "launch may not import engine.config"),
        ("launch.py", "import gradio", "gradio lives in app, not in launch"),
    ],
)
def test_a_planted_trespass_is_named_by_file_and_line(tmp_path, planted, line, complaint):
    house = _small_house(tmp_path)
    (house / planted).write_text(f'"""A room."""\n\n{line}\n', encoding="utf-8")
    line_number = 3 + line.count("\n")
    assert trespasses(house) == [f"{planted}:{line_number}: {complaint}"]


def test_a_house_without_trespass_has_none_named(tmp_path):
    house = _small_house(tmp_path)
    (house / "launch.py").write_text("from app import form\n", encoding="utf-8")
    (house / "labeling/queue.py").write_text(
        "from engine import pairs\nfrom engine.grades import x\nfrom . import splits\nimport db.cards\n",
        encoding="utf-8",
    )
    (house / "engine/model/heads.py").write_text("from ..metrics import qwk\nimport torch.nn\n", encoding="utf-8")
    assert trespasses(house) == []


def _small_house(house: Path) -> Path:
    files = [
        "app/form.py",
        "db/cards.py",
        "engine/grades.py",
        "engine/metrics.py",
        "engine/pairs.py",
        "engine/train.py",
        "engine/model/heads.py",
        "labeling/queue.py",
        "labeling/splits.py",
    ]
    for name in files:
        (house / name).parent.mkdir(parents=True, exist_ok=True)
        (house / name).write_text('"""A room."""\n', encoding="utf-8")
    return house


def test_every_file_that_a_room_needs_goes_into_the_package():
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))
    packed = project["tool"]["setuptools"]["package-data"]
    # Whether this copy ships a starter or not, where it lies it is packed.
    files = {HOUSE / "engine/starter/model.pt", HOUSE / "engine/starter/card.json"}
    files |= {path for room in ROOMS for path in (HOUSE / room).rglob("*") if path.is_file()}
    left_out = [
        path
        for path in files
        if path.suffix not in (".py", ".pyc")
        and not any(path.match(pattern) for pattern in packed.get(module_name(path.parent, HOUSE), ()))
    ]
    assert left_out == []


def test_every_file_says_its_subject_first():
    silent = [path for path in modules(HOUSE) if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert silent == []


# Imports the named modules one by one, noting every file opened under the working folder or for writing anywhere
# (byte code aside) and every connection; then prints that and which of the heavy libraries came along.
WATCH = """
import json, os, sys
from pathlib import Path
here, seen = Path.cwd(), []
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        path, writing = Path(arguments[0]).absolute(), bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        ours = here in path.parents
        if ours or (writing and path.suffix != ".pyc" and "__pycache__" not in path.parts and path != Path(os.devnull)):
            seen.append(f"open {path}")
    elif event in ("socket.connect", "subprocess.Popen", "sqlite3.connect"):
        seen.append(f"{event} {arguments!r}")
names = json.loads(sys.argv[1])
sys.path.insert(0, sys.argv[2])
sys.dont_write_bytecode = True
if sys.argv[3] == "watch":
    sys.addaudithook(watch)
for name in names:
    __import__(name)
heavy = [name for name in ("torch", "torchvision", "lightning_fabric", "gradio") if name in sys.modules]
print(json.dumps({"seen": seen, "heavy": heavy, "left": sorted(os.listdir(here))}))
"""


def what_importing_does(names: list[str], folder: Path, watch: bool = True) -> dict[str, list[str]]:
    arguments = [sys.executable, "-c", WATCH, json.dumps(names), str(HOUSE), "watch" if watch else ""]
    result = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def names_in(*rooms: str) -> list[str]:
    """Every importable module of the rooms; migration scripts are run by Alembic, not imported."""
    paths = [path for path in modules(HOUSE) if "migrations" not in path.parts]
    return [name for path in paths if (name := module_name(path, HOUSE)).split(".")[0] in rooms]


@pytest.mark.parametrize("name", TORCH_FREE)
def test_what_the_rooms_above_use_of_the_engine_is_free_of_torch(tmp_path, name):
    assert what_importing_does([name], tmp_path, watch=False)["heavy"] == []


def test_labeling_and_db_import_neither_torch_nor_gradio_and_open_nothing(tmp_path):
    outcome = what_importing_does([*TORCH_FREE, *names_in("labeling", "db")], tmp_path)
    assert outcome == {"seen": [], "heavy": [], "left": []}


@pytest.mark.slow
def test_importing_every_room_reads_and_leaves_nothing_where_the_program_was_started(tmp_path):
    outcome = what_importing_does(names_in("engine", "labeling", "db", "app", "launch"), tmp_path)
    assert [line for line in outcome["seen"] if str(tmp_path) in line] == []
    assert outcome["left"] == []


def test_the_watch_itself_sees_a_module_that_opens_a_file(tmp_path):
    (tmp_path / "nosy.py").write_text('"""Opens a file."""\nopen("left_behind.txt", "w").close()\n', encoding="utf-8")
    arguments = [sys.executable, "-c", WATCH, '["nosy"]', str(tmp_path), "watch"]
    outcome = json.loads(subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)
    assert outcome["seen"][-1].endswith("left_behind.txt")
    assert outcome["left"] == ["left_behind.txt", "nosy.py"]
