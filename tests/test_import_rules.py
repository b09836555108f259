"""Import rules: which package may import which, the one home of each library, and no side effects at import."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("app", "labeling", "engine", "db")
# Not part of the program: no package may depend on these.
OUTSIDE = ("launch", "tests", "benchmarks", "evidence", "tools")
# What each package may import of ours. A package's name allows all that is in it.
ALLOWED = {
    "launch": ("app",),
    "app": ("app", "labeling", "engine", "db"),
    "labeling": ("labeling", "db", "engine.cards", "engine.image", "engine.evaluation"),
    "engine": ("engine",),
    "db": ("db",),
}
HOME = {
    "torch": "engine",
    "torchvision": "engine",
    "lightning": "engine",
    "lightning_fabric": "engine",
    "pytorch_grad_cam": "engine",
    "onnx": "engine",
    "onnxruntime": "engine",
    "sqlalchemy": "db",
    "alembic": "db",
    "gradio": "app.screens",
}
# Done in one place only: SHA-256 of a file, pools of processes.
HOME_OF_CALL = {
    "file_digest": "engine.storage.file_hash",
    "ProcessPoolExecutor": "engine.process_pool",
    "Popen": "app.runs.jobs",
}
TORCH_FREE = (
    "engine.config",
    "engine.recipes",
    "engine.events",
    "engine.thresholds",
    "engine.experiments.lineage",
    "engine.experiments.plans",
)
TORCH_FREE_PACKAGES = ("engine.cards", "engine.evaluation", "engine.image")


class Import(NamedTuple):
    """A module named by an import statement, and its line."""

    module: str
    line: int


def module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def source_files(root: Path) -> list[Path]:
    """launch.py and every file of the packages that exist."""
    program = [path for path in [root / "launch.py"] if path.is_file()]
    return program + sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))


def is_module(name: str, root: Path) -> bool:
    path = root.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def imports_of(path: Path, root: Path) -> Iterator[Import]:
    """Every import of a file at any depth: top level, function, TYPE_CHECKING, import_module("...")."""
    package = module_name(path, root) if path.name == "__init__.py" else module_name(path, root).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            base = ".".join(part for part in (parent, node.module) if part)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield Import(inner if is_module(inner, root) else base, node.lineno)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield Import(first.value, node.lineno)


def violations(root: Path) -> list[str]:
    """One line for each forbidden import: file, line, and the rule."""
    lines = []
    for path in source_files(root):
        importer = module_name(path, root)
        package = importer.split(".")[0]
        for module, line in imports_of(path, root):
            where, top = f"{path.relative_to(root).as_posix()}:{line}", module.split(".")[0]
            if top in (*PACKAGES, *OUTSIDE):
                if not any(is_in(module, allowed) for allowed in ALLOWED[package]):
                    lines.append(f"{where}: {package} may not import {module}")
            elif top in HOME and not is_in(importer, HOME[top]):
                lines.append(f"{where}: {top} belongs in {HOME[top]}, not in {package}")
    return lines


def test_no_import_breaks_a_rule():
    assert violations(ROOT) == []


def test_a_file_is_hashed_and_a_process_started_in_one_place_only():
    homes: dict[str, set[str]] = {}
    for path in source_files(ROOT):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            if name in HOME_OF_CALL:
                homes.setdefault(name, set()).add(module_name(path, ROOT))
    assert homes == {name: {home} for name, home in HOME_OF_CALL.items()}


def test_the_packages_of_the_engine_import_each_other_in_one_direction():
    imports: dict[str, set[str]] = {}
    for path in sorted((ROOT / "engine").rglob("*.py")):
        importer = module_name(path, ROOT)
        package = importer if path.name == "__init__.py" else importer.rpartition(".")[0]
        for module, _ in imports_of(path, ROOT):
            # A loose file of engine/ is a node of its own: config and errors are used by all.
            node = module if (ROOT / module.replace(".", "/")).is_dir() else module.rpartition(".")[0]
            if is_in(module, "engine"):
                node = module if node == "engine" else node
                importing = importer if package == "engine" else package
                if node != importing:
                    imports.setdefault(importing, set()).add(node)
    assert list(TopologicalSorter(imports).static_order())  # raises CycleError with the cycle


@pytest.mark.parametrize(
    ("planted", "line", "complaint"),
    [
        ("engine/evaluation/metrics.py", "from db import cards", "engine may not import db.cards"),
        ("engine/evaluation/metrics.py", "import app.screens.page", "engine may not import app.screens.page"),
        ("engine/model/heads.py", "from ...db import cards", "engine may not import db.cards"),
        ("engine/model/heads.py", "from tools import starter", "engine may not import tools.starter"),
        ("db/cards.py", "from engine.cards.pairs import CardPair", "db may not import engine.cards.pairs"),
        ("db/cards.py", "import torch", "torch belongs in engine, not in db"),
        ("labeling/queue.py", "from engine.training import loop", "labeling may not import engine.training.loop"),
        ("labeling/queue.py", "import engine", "labeling may not import engine"),
        ("labeling/queue.py", "from engine.cards_extra import x", "labeling may not import engine.cards_extra"),
        ("labeling/queue.py", "import sqlalchemy.orm", "sqlalchemy belongs in db, not in labeling"),
        ("labeling/queue.py", "def f():\n    from app.screens import page", "labeling may not import app.screens.page"),
        ("app/screens/page.py", "from alembic.config import Config", "alembic belongs in db, not in app"),
        (
            "app/screens/page.py",
            "import importlib\nimportlib.import_module('torch.nn')",
            "torch belongs in engine, not in app",
        ),
        ("app/screens/page.py", "import launch", "app may not import launch"),
        ("app/screens/page.py", "from tests import conftest", "app may not import tests"),
        ("app/settings.py", "import gradio", "gradio belongs in app.screens, not in app"),
        ("engine/evaluation/metrics.py", "import gradio as gr", "gradio belongs in app.screens, not in engine"),
        ("launch.py", "from engine.config import Config", "launch may not import engine.config"),
        ("launch.py", "import gradio", "gradio belongs in app.screens, not in launch"),
    ],
)
def test_a_planted_violation_is_named_by_file_and_line(tmp_path, planted, line, complaint):
    root = _small_repository(tmp_path)
    (root / planted).write_text(f'"""A module."""\n\n{line}\n', encoding="utf-8")
    line_number = 3 + line.count("\n")
    assert violations(root) == [f"{planted}:{line_number}: {complaint}"]


def test_allowed_imports_are_not_reported(tmp_path):
    root = _small_repository(tmp_path)
    (root / "launch.py").write_text("from app.screens import page\n", encoding="utf-8")
    (root / "labeling/queue.py").write_text(
        "from engine.cards import pairs\nfrom engine.cards.grades import x\nfrom . import splits\nimport db.cards\n",
        encoding="utf-8",
    )
    (root / "engine/model/heads.py").write_text("from ..errors import x\nimport torch.nn\n", encoding="utf-8")
    (root / "app/screens/page.py").write_text("import gradio as gr\n", encoding="utf-8")
    assert violations(root) == []


def _small_repository(root: Path) -> Path:
    files = [
        "app/settings.py",
        "app/screens/page.py",
        "db/cards.py",
        "engine/config.py",
        "engine/cards/grades.py",
        "engine/cards/pairs.py",
        "engine/evaluation/metrics.py",
        "engine/training/loop.py",
        "engine/model/heads.py",
        "labeling/queue.py",
        "labeling/splits.py",
        "tools/starter.py",
    ]
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text('"""A module."""\n', encoding="utf-8")
    return root


def test_every_data_file_of_a_package_is_packaged():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packaged = project["tool"]["setuptools"]["package-data"]
    # Packaged even if this copy ships no starter.
    files = {ROOT / "engine/starter/model.pt", ROOT / "engine/starter/card.json"}
    files |= {path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()}
    patterns = [f"{package.replace('.', '/')}/{name}" for package, names in packaged.items() for name in names]
    missing = [
        path
        for path in files
        if path.suffix not in (".py", ".pyc") and not any(path.match(pattern) for pattern in patterns)
    ]
    assert missing == []


def test_every_folder_with_code_is_a_package():
    # One without __init__.py would be a namespace package, for which an editable installation searches every folder of
    # the path at every import.
    folders = {path.parent for path in source_files(ROOT) if path.relative_to(ROOT).parts[0] in PACKAGES}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_every_file_opens_with_a_docstring():
    without = [
        path for path in source_files(ROOT) if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert without == []


def test_docstrings_open_with_a_noun_or_a_verb_and_not_with_a_question_word():
    opening = re.compile(r'"""(What|How|Which|Where|Whether|Why|When|Who)\b')
    folders = [*PACKAGES, "benchmarks", "evidence", "tools", "tests"]
    paths = [ROOT / "launch.py", *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if opening.search(line)
    ]
    assert found == []


# Imports the named modules one by one; prints every file opened in the working folder or for writing (byte code
# excepted), every connection, and which of the heavy libraries were loaded.
WATCH = """
import json, os, sys
from pathlib import Path
here, events = Path.cwd(), []
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        path, writing = Path(arguments[0]).absolute(), bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        inside = here in path.parents
        writes = writing and path.suffix != ".pyc" and "__pycache__" not in path.parts and path != Path(os.devnull)
        if inside or writes:
            events.append(f"open {path}")
    elif event in ("socket.connect", "subprocess.Popen", "sqlite3.connect"):
        events.append(f"{event} {arguments!r}")
names = json.loads(sys.argv[1])
sys.path.insert(0, sys.argv[2])
sys.dont_write_bytecode = True
if sys.argv[3] == "watch":
    sys.addaudithook(watch)
for name in names:
    __import__(name)
heavy = [name for name in ("torch", "torchvision", "lightning_fabric", "gradio") if name in sys.modules]
print(json.dumps({"events": events, "heavy": heavy, "left": sorted(os.listdir(here))}))
"""


def effects_of_importing(names: list[str], folder: Path, watch: bool = True) -> dict[str, list[str]]:
    arguments = [sys.executable, "-c", WATCH, json.dumps(names), str(ROOT), "watch" if watch else ""]
    result = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def module_names(*packages: str) -> list[str]:
    """Every importable module of the packages; migration scripts are run by Alembic, not imported."""
    paths = [path for path in source_files(ROOT) if "migrations" not in path.parts]
    return [name for path in paths if any(is_in(name := module_name(path, ROOT), package) for package in packages)]


@pytest.mark.parametrize("name", (*TORCH_FREE, *TORCH_FREE_PACKAGES))
def test_the_modules_that_labeling_and_the_form_use_are_free_of_torch(tmp_path, name):
    names = module_names(name) if name in TORCH_FREE_PACKAGES else [name]
    assert effects_of_importing(names, tmp_path, watch=False)["heavy"] == []


def test_labeling_and_db_import_neither_torch_nor_gradio_and_open_nothing(tmp_path):
    outcome = effects_of_importing([*TORCH_FREE, *module_names(*TORCH_FREE_PACKAGES, "labeling", "db")], tmp_path)
    assert outcome == {"events": [], "heavy": [], "left": []}


@pytest.mark.slow
def test_importing_every_package_reads_and_writes_nothing_in_the_working_folder(tmp_path):
    outcome = effects_of_importing(module_names("engine", "labeling", "db", "app", "launch"), tmp_path)
    assert [line for line in outcome["events"] if str(tmp_path) in line] == []
    assert outcome["left"] == []


def test_a_module_that_opens_a_file_is_detected(tmp_path):
    (tmp_path / "opens_a_file.py").write_text(
        '"""Opens a file."""\nopen("left_behind.txt", "w").close()\n', encoding="utf-8"
    )
    arguments = [sys.executable, "-c", WATCH, '["opens_a_file"]', str(tmp_path), "watch"]
    outcome = json.loads(subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)
    assert outcome["events"][-1].endswith("left_behind.txt")
    assert outcome["left"] == ["left_behind.txt", "opens_a_file.py"]
