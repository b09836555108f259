"""How fast cards are simulated: pairs a second of one core's time, pictures encoded, the card 750 x 1050 or so.

Counted in processor time: what else runs on the machine then changes little. Each kind of capture also stands alone.
"""

from __future__ import annotations

import time

from benchmarks.harness import Row, one_thread
from engine.simulate.cards import KINDS, Recipe, Studio

HEIGHT = 1050
PAIRS = 60
LEAST = 8.0


def pairs_a_second(recipe: Recipe, pairs: int) -> float:
    """Pairs drawn and encoded for each second of processor time, after the backs and noise of a process are drawn."""
    studio = Studio(recipe)
    for index in range(0, 24, 3):
        studio.card(index)
    began = time.process_time()
    for index in range(100_002, 100_002 + pairs):
        card = studio.card(index)
        card.front.jpeg()
        card.back.jpeg()
    return pairs / (time.process_time() - began)


def measure() -> list[Row]:
    """The usual mix of kinds, scans, and each other kind by itself."""
    one_thread()
    what = f"simulated pairs a second and core, card {HEIGHT} px high"
    usual = pairs_a_second(Recipe(seed=1, height=HEIGHT), PAIRS)
    rows = [Row(what, f"{LEAST:g}: usual mix of kinds, of grades history", usual / LEAST, PAIRS, at_least=1.0)]
    for kind in KINDS:
        rate = pairs_a_second(Recipe(seed=1, height=HEIGHT, kinds=((kind, 1.0),)), PAIRS // 2)
        # A slab's picture shows 2.5 times the area of a card's; it is told, and held to half.
        share = 0.5 if kind == "slab" else 1.0
        rows.append(Row(what, f"{LEAST:g}: {kind} only", rate / LEAST, PAIRS // 2, at_least=share))
    return rows
