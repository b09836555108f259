"""An installation in which nobody may write: every command works, with all it writes in the data folder."""

import subprocess
import sys

import pytest

from app.settings import PROGRAM
from tests.full_disk import skip_without_mounts

COMMANDS = """
set -e
mount --bind "{program}" "{program}"
mount -o remount,ro,bind "{program}"
if touch "{program}/launch.py" 2>/dev/null; then exit 9; fi
cd "{work}"
loupe() {{ "{python}" "{program}/launch.py" "$@" --json result.json; }}
loupe simulate --pairs 3 --seed 1 --out cards
loupe import cards --data data
loupe evaluate --model starter --manifest "{manifest}" --split test --data data
loupe grade "$(ls cards/images/*front* | head -n 1)" --out pictures --data data || [ $? -eq 3 ]
loupe export report --model starter --data data
loupe export model --model starter --data data
loupe backup backup.zip --data data
ls data/test_openings
"""


@pytest.mark.long
def test_commands_write_nothing_into_their_installation(manifest, tmp_path):
    skip_without_mounts()
    script = COMMANDS.format(program=PROGRAM, work=tmp_path, manifest=manifest, python=sys.executable)
    done = subprocess.run(["unshare", "-mr", "sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    assert done.stdout.splitlines()[-1].endswith(".jsonl"), "the use of the test split is logged in the data folder"
