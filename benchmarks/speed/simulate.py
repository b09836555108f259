"""Speed of the simulator: pairs per second of CPU time, with JPEG encoding, cards of about 750 x 1050 pixels.

In CPU time, so that other programs on the machine have little effect. Each kind of capture is also timed separately.
"""

from __future__ import annotations

import time

from benchmarks.harness import Row, use_one_thread
from engine.simulate.cards import CardSimulator, SimulationConfig

HEIGHT = 1050
PAIRS = 60
MIN_PAIRS_PER_S = 8.0


def pairs_per_s(config: SimulationConfig, pairs: int) -> float:
    """Pairs simulated and encoded per second of CPU time, after a warm-up that fills the caches of backs and noise."""
    simulator = CardSimulator(config)
    for index in range(0, 24, 3):
        simulator.card(index)
    start = time.process_time()
    for index in range(100_002, 100_002 + pairs):
        card = simulator.card(index)
        card.front.jpeg()
        card.back.jpeg()
    return pairs / (time.process_time() - start)


def measure() -> list[Row]:
    """Measure the usual mix of kinds, and each kind separately."""
    use_one_thread()
    what = f"simulated pairs a second and core, card {HEIGHT} px high"
    usual = pairs_per_s(SimulationConfig(seed=1, height=HEIGHT), PAIRS)
    rows = [
        Row(
            what,
            f"{MIN_PAIRS_PER_S:g}: usual mix of kinds, of grades history",
            usual / MIN_PAIRS_PER_S,
            PAIRS,
            at_least=1.0,
        )
    ]
    for kind, _ in SimulationConfig(seed=1).kinds:
        rate = pairs_per_s(SimulationConfig(seed=1, height=HEIGHT, kinds=((kind, 1.0),)), PAIRS // 2)
        # A slab's picture has 2.5 times the area of a card's, so its bound is half.
        min_ratio = 0.5 if kind == "slab" else 1.0
        rows.append(
            Row(what, f"{MIN_PAIRS_PER_S:g}: {kind} only", rate / MIN_PAIRS_PER_S, PAIRS // 2, at_least=min_ratio)
        )
    return rows
