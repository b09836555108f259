"""A photo that was saved again joins the group of the original; other cards and backs do not."""

from __future__ import annotations

from itertools import combinations

import imagehash
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from benchmarks.harness import REAL_PICTURES
from db.cards import all_cards
from labeling.duplicates import MAX_NEAR_BITS, FrontIndex, hamming_distances, near_duplicates
from labeling.import_cards import import_cards

sixty_four_bits = st.integers(0, 2**64 - 1)


@given(reference=sixty_four_bits, hashes=st.lists(sixty_four_bits, max_size=8))
def test_the_distance_is_the_number_of_bits_that_differ(reference, hashes):
    distances = hamming_distances(np.uint64(reference), np.array(hashes, dtype=np.uint64))
    assert distances.tolist() == [bin(reference ^ value).count("1") for value in hashes]


@given(
    hashes=st.lists(sixty_four_bits, max_size=30),
    query=sixty_four_bits,
    flipped=st.sets(st.integers(0, 63), max_size=6),
)
def test_the_nearest_front_within_reach_gives_the_group(hashes, query, flipped):
    """The oracle is a loop over all fronts; one of them is within or just outside the maximum distance."""
    hashes = [*hashes, query ^ sum(1 << bit for bit in flipped)]
    index = FrontIndex()
    for position, value in enumerate(hashes):
        index.add(f"{value:016x}", group=f"g{position}", fixed_split=None)
    distance, position = min((bin(query ^ value).count("1"), position) for position, value in enumerate(hashes))
    expected = f"g{position}" if distance <= MAX_NEAR_BITS else None
    assert index.group_of(f"{query:016x}", fixed_split=None) == expected


@given(
    bases=st.lists(sixty_four_bits | st.none(), max_size=6),
    copies=st.lists(st.tuples(st.integers(0, 5), st.sets(st.integers(0, 63), max_size=6)), max_size=20),
)
def test_near_duplicates_equal_those_of_an_exhaustive_comparison_in_order(bases, copies):
    """The oracle is a double loop; copies differ by up to six bits, the maximum distance is four."""
    values = list(bases)
    for base, flipped in copies:
        if base < len(bases) and bases[base] is not None:
            values.append(bases[base] ^ sum(1 << bit for bit in flipped))
    expected = [
        (first, second)
        for first, second in combinations(range(len(values)), 2)
        if None not in (values[first], values[second])
        and bin(values[first] ^ values[second]).count("1") <= MAX_NEAR_BITS
    ]
    assert list(near_duplicates([None if value is None else f"{value:016x}" for value in values])) == expected


def test_the_growing_index_contains_every_front():
    random = np.random.default_rng(0)
    hashes = [f"{value:016x}" for value in random.integers(0, 2**64, 5000, dtype=np.uint64)]
    index = FrontIndex()
    for position, value in enumerate(hashes):
        index.add(value, group=f"g{position}", fixed_split=None)
    assert [index.group_of(value, fixed_split=None) for value in hashes] == [f"g{position}" for position in range(5000)]


@pytest.mark.parametrize(
    ("fixed", "query", "joins"),
    [("train", "train", True), ("train", None, True), (None, "val", True), ("train", "test", False)],
)
def test_similarity_never_overrides_a_split_fixed_by_a_manifest(fixed, query, joins):
    index = FrontIndex()
    index.add("0" * 16, group="g", fixed_split=fixed)
    index.add("0" * 16, group="g", fixed_split=None)
    assert index.group_of("0" * 16, fixed_split=query) == ("g" if joins else None)


def groups(database) -> dict[str, str]:
    with database.reading() as session:
        return {card.name: card.group_name for card in all_cards(session)}


SAVED_AGAIN = {
    "worse": lambda image: image,
    "smaller": lambda image: image.resize((75, 100), Image.Resampling.LANCZOS),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
}


@pytest.mark.parametrize("change", SAVED_AGAIN)
def test_a_photo_saved_again_joins_the_group_of_the_original(database, picture, tmp_path, change):
    path = picture("first/original.png", seed=1, size=(150, 200))
    picture("first/another.png", seed=2, size=(150, 200))
    import_cards(database, tmp_path / "first")
    (tmp_path / "then").mkdir()
    with Image.open(path) as image:
        SAVED_AGAIN[change](image).save(tmp_path / "then" / "again.jpg", quality=50)
    import_cards(database, tmp_path / "then")
    assert groups(database) == {"original": "original", "another": "another", "again": "original"}


def test_duplicates_in_one_import_share_the_group_of_the_first(database, picture, tmp_path):
    picture("in/a.png", seed=1)
    picture("in/b.bmp", seed=1)
    picture("in/c.tif", seed=1)
    import_cards(database, tmp_path / "in")
    assert groups(database) == {"a": "a", "b": "a", "c": "a"}


def test_a_group_that_a_manifest_names_is_kept(database, picture, tmp_path):
    picture("a.png", seed=1)
    picture("b.bmp", seed=1)
    (tmp_path / "m.csv").write_text("card_id,front,back,grade,group\na,a.png,,9,\nb,b.bmp,,9,mine\n")
    import_cards(database, tmp_path / "m.csv")
    assert groups(database) == {"a": "a", "b": "mine"}


def test_backs_never_join_a_group(database, picture, tmp_path):
    for name, seed in [("a_front.png", 1), ("a_back.png", 9), ("b_front.png", 2), ("b_back.bmp", 9), ("c_back.tif", 9)]:
        picture(f"in/{name}", seed=seed)
    import_cards(database, tmp_path / "in")
    assert groups(database) == {"a": "a", "b": "b", "c": "c"}


def test_a_front_added_to_a_card_is_found_by_later_duplicates(database, picture, tmp_path):
    picture("1/a_back.png", seed=9)
    import_cards(database, tmp_path / "1")
    picture("1/a_front.png", seed=1)
    picture("1/b_front.bmp", seed=1)
    import_cards(database, tmp_path / "1")
    assert groups(database) == {"a": "a", "b": "a"}


def test_different_real_fronts_stay_in_different_groups():
    """On real cards the maximum distance groups well under one in a hundred, so splits stay fine-grained."""
    folder = REAL_PICTURES / "psa_baseball" / "psa5"
    if not folder.is_dir():
        pytest.skip(f"the real pictures are not at {folder}")
    hashes = []
    for path in sorted(folder.iterdir())[:300]:
        with Image.open(path) as image:
            hashes.append(int(str(imagehash.phash(image)), 16))
    values = np.array(hashes, dtype=np.uint64)
    joined = sum(
        bool((hamming_distances(value, values[:position]) <= MAX_NEAR_BITS).any())
        for position, value in enumerate(values)
    )
    assert joined <= 3
