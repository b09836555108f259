"""The app on a disk without a free byte: one sentence for each request, and nothing left behind."""

import os
import subprocess
import sys

import pytest

from app.settings import PROGRAM
from tests.card_factory import write_cards
from tests.full_disk import skip_without_mounts

# Serves a data folder on a small disk, fills the disk to its last byte, sends each kind of request, and makes room.
SERVE = """
import json, signal, socket, sys, time
from pathlib import Path
import httpx
from gradio_client import Client, handle_file
from tests.commands import call, start

disk, manifest = Path(sys.argv[1]), Path(sys.argv[2])
data, filler = disk / "data", disk / "filler"
pictures = sorted(manifest.parent.glob("*.png"))
assert call("import", manifest, "--data", data).exit_code == 0
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
process = start("--data", data, "--port", port, "--no-browser", start_new_session=True)
for _ in range(600):
    try:
        client = Client(f"http://127.0.0.1:{port}", verbose=False)
        break
    except Exception:
        assert process.poll() is None, process.communicate()
        time.sleep(0.2)
name = "card-000"
client.predict(name, "7", "", api_name="/label")

def fill():
    with filler.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                pass

def refused(name, *values):
    # The sentence with which an endpoint refuses, or what it answers; without gradio_client, which uploads first.
    url, began = f"http://127.0.0.1:{port}/gradio_api/call/{name}", time.monotonic()
    number = httpx.post(url, json={"data": values}, timeout=60).json()["event_id"]
    events = httpx.get(f"{url}/{number}", timeout=120).text.strip().splitlines()
    text = json.loads(events[-1].removeprefix("data: "))
    took = time.monotonic() - began
    print(name, f"{took:.1f} s", text, flush=True)
    assert took < 30, (name, took)
    return text["error"] if isinstance(text, dict) and "error" in text else str(text)

def is_one_sentence(text):
    return ("the disk is full" in text or "No space left" in text) and "Traceback" not in text and "\\n" not in text

def upload(path):
    with path.open("rb") as file:
        return httpx.post(f"http://127.0.0.1:{port}/gradio_api/upload", files={"files": file}, timeout=60)

def uploaded(path):
    return {"path": upload(path).json()[0], "meta": {"_type": "gradio.FileData"}, "orig_name": path.name}

front, back = map(uploaded, pictures[:2])
fill()
before = {path for path in disk.rglob("*") if path.is_file()}
texts = {
    "upload": upload(pictures[2]).text,
    "batch": refused("grade_batch", [front, back], ""),
    "run": refused("start_run", "baseline", {"image_size": 64}, ""),
}
# SQLite has pages of its log left: many labels, until the disk has no room for one more.
for number in range(3000):
    try:
        client.predict(name, "8" if number % 2 else "9", "", api_name="/label")
    except Exception as error:
        texts["label"] = str(error)
        break
health = refused("health")
print(json.dumps(texts, indent=1), flush=True)
bad = {kind: text for kind, text in texts.items() if not is_one_sentence(text)}
assert not bad, bad
assert "'status': 'ok'" in health, health
left = {path for path in disk.rglob("*") if path.is_file()} - before
assert not [path for path in left if path.suffix not in (".lock", ".db-wal", ".db-shm", "")], left
assert not [path for path in left if path.stat().st_size > 4096], left
filler.unlink()
client.predict(name, "10", "", api_name="/label")
result = client.predict(handle_file(str(pictures[0])), None, "", api_name="/grade")
assert result["front"]["kind"] in ("photo", "scan", "slab"), result
fill()
filler.unlink()
process.send_signal(signal.SIGINT)
out, err = process.communicate(timeout=60)
assert "Traceback" not in err, err
"""


@pytest.mark.long
def test_requests_to_an_app_on_a_full_disk_are_refused_in_one_sentence_and_work_once_there_is_room(tmp_path):
    skip_without_mounts()
    disk, manifest = tmp_path / "disk", write_cards(tmp_path / "cards", [9, 8, 7, 6])
    disk.mkdir()
    words = " ".join(f'"{word}"' for word in (disk, manifest))
    script = f'mount -t tmpfs -o size=60m tmpfs "{disk}" && exec "{sys.executable}" -c "$0" {words}'
    environment = {**os.environ, "PYTHONPATH": str(PROGRAM)}
    done = subprocess.run(
        ["unshare", "-mr", "sh", "-c", script, SERVE], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
