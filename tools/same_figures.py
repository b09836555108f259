"""Temporary check while files move and names change: the figures of this checkout, to compare with those of another.

python tools/same_figures.py CHECKOUT PICTURES OUT.json [BEFORE.json]
Grades ten fixed inputs from PICTURES, evaluates the starter on 60 simulated pairs and trains for one short epoch, all
with the code in CHECKOUT. With BEFORE.json, exits 1 and names every value that differs.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

INPUTS = (
    ("real/pairs/Black_Lotus_Alpha_Front.jpg", "real/pairs/Black_Lotus_Alpha_Back.jpg"),
    ("real/pairs/Black_Lotus_Unlimited_Front.jpg", "real/pairs/Black_Lotus_Unlimited_Back.jpg"),
    ("real/photos/dragon_whelp.jpg",),
    ("real/photos/tilted_card_1.jpg",),
    ("real/photos/IMG_2838.JPG",),
    ("real/scans/zz__raw-T413-0730-1-back.jpg",),
    ("real/not_one_card/handOfCards.jpg",),
    ("pokemon_pairs/g01_01_front.jpg", "pokemon_pairs/g01_01_back.jpg"),
    ("pokemon_pairs/g05_02_front.jpg", "pokemon_pairs/g05_02_back.jpg"),
    ("pokemon_pairs/g10_03_front.jpg", "pokemon_pairs/g10_03_back.jpg"),
)
SMALL = "front_encoder=resnet18 back_encoder=resnet18 image_size=64 phase1_epochs=0 phase2_epochs=1 batch_size=8 pretrained=none seed=3"
TIMES = {"seconds", "pairs_per_second", "data_wait_share"}


def main() -> None:
    checkout, pictures, out = (Path(argument).absolute() for argument in sys.argv[1:4])
    figures: dict = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, sides in enumerate(INPUTS):
            overlays = Path(folder) / f"overlays{number}"
            paths = [str(pictures / side) for side in sides]
            figures["grade " + " ".join(sides)] = run(
                checkout, folder, "grade", *paths, "--model", "starter", "--out", str(overlays)
            ) | {"overlays": {path.name: digest(path) for path in sorted(overlays.glob("*.png"))}}
        cards = Path(folder) / "cards"
        run(checkout, folder, "simulate", "--pairs", "60", "--seed", "77", "--out", str(cards), "--mix", "uniform")
        figures["simulated"] = {path.name: digest(path) for path in sorted(cards.rglob("*.jpg"))[:20]}
        manifest = str(cards / "labels.csv")
        figures["evaluate"] = run(checkout, folder, "evaluate", "--model", "starter", "--manifest", manifest)
        settings = [word for setting in SMALL.split() for word in ("--set", setting)]
        figures["train"] = run(
            checkout, folder, "train", "--manifest", manifest, "--out", str(Path(folder) / "run"), *settings
        )
    plain = json.loads(json.dumps(without_times(figures)).replace(str(checkout), "CHECKOUT").replace(folder, "FOLDER"))
    out.write_text(json.dumps(plain, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    if len(sys.argv) > 4:
        differences = list(compare(json.loads(Path(sys.argv[4]).read_text(encoding="utf-8")), plain, ""))
        print("\n".join(differences) or f"equal: {sum(1 for _ in leaves(plain))} values")
        sys.exit(bool(differences))


def run(checkout: Path, folder: str, *words: str) -> dict:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "LOUPE_DATA": str(Path(folder) / "data")}
    command = [sys.executable, str(checkout / "launch.py"), *words]
    result = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False, env=environment)
    said = json.loads(result.stdout) if result.stdout else {"stderr": result.stderr}
    said = said if isinstance(said, dict) else {"list": said}
    return said | {"exit": result.returncode}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(inner) for key, inner in value.items() if key not in TIMES}
    return [without_times(inner) for inner in value] if isinstance(value, list) else value


def leaves(value):
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves(inner)
    else:
        yield value


def compare(before, after, where):
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from compare(before.get(key), after.get(key), f"{where}/{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from compare(old, new, f"{where}/{number}")
    elif before != after:
        yield f"{where}: {before!r} became {after!r}"


if __name__ == "__main__":
    main()
