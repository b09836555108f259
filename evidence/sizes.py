"""What larger pictures gain, and what they cost: our recipe from 96 to 448 pixels, everything else alike.

As small as the changes otherwise: a thousand cards, two seeds. Judged on the sealed test cards of both mixes, since
nothing is chosen here: which size to use is a question of time and of the pictures that a person has.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.runs.plan_input import Said
from app.settings import DataFolder
from db.schema import Run
from evidence.cached_json import write
from evidence.changes import SEEDS, SHARED, SMALL
from evidence.collection import collected
from evidence.figures import differences, over_seeds
from evidence.ledger import Way, said_by, trained
from evidence.simulated import MIXES, OURS, of_mix

# The first is what the others are held against.
SIZES = (96, 160, 448)


def run(folder: Path) -> dict[str, Any]:
    """Train and judge every size; returns what sizes.json then holds, a table a mix."""
    data = collected(folder)
    reference = [trained(data, Way("smallest", OURS, {"image_size": SIZES[0]}, SMALL), seed, SHARED) for seed in SEEDS]
    runs = {SIZES[0]: reference} | {size: _like(data, reference, size) for size in SIZES[1:]}
    said = {str(size): [said_by(data, each, "test") for each in some] for size, some in runs.items()}
    told = {key: value for key, value in SHARED.items() if key != "image_size"}
    found: dict[str, Any] = {
        "told": told,
        "seeds": list(SEEDS),
        "sizes": list(SIZES),
        "pairs_per_second": {str(size): _speed(some) for size, some in runs.items()},
    }
    for mix in MIXES:
        own = of_mix(said, mix)
        smallest = own[str(SIZES[0])]
        found[mix] = {
            "n": len(smallest[0].cards),
            "figures": {size: over_seeds(each) for size, each in own.items()},
            "less": differences({str(size): (own[str(size)], smallest) for size in SIZES[1:]}),
        }
    write(folder / "sizes.json", found)
    return found


def _like(data: DataFolder, reference: Sequence[Run], size: int) -> list[Run]:
    """Runs like the smallest ones, a seed each, on larger pictures."""
    hypothesis = f"{size} px show what a grade hangs on and {SIZES[0]} px do not"
    return [
        trained(data, Way(f"{size} px", OURS, {"image_size": size}, Said(str(run.id), hypothesis)), seed, SHARED)
        for run, seed in zip(reference, SEEDS, strict=True)
    ]


def _speed(runs: Sequence[Run]) -> float:
    """Pairs that the runs trained on each second, the median of the seeds."""
    return statistics.median(float((run.summary or {})["pairs_per_second"]) for run in runs)
