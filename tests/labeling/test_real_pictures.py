"""The real, graded pictures go in as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.harness import REAL_PICTURES
from db.labels import count_by_grade
from labeling.import_cards import Imported, import_cards
from labeling.snapshot import freeze

REAL = REAL_PICTURES / "psa_baseball"


@pytest.fixture
def slice_of_real_cards(tmp_path) -> Path:
    """Twenty pictures of each grade, by symbolic link."""
    if not REAL.is_dir():
        pytest.skip(f"the real pictures are not at {REAL}")
    for folder in REAL.iterdir():
        (tmp_path / "real" / folder.name).mkdir(parents=True)
        for picture in sorted(folder.iterdir())[:20]:
            (tmp_path / "real" / folder.name / picture.name).symlink_to(picture)
    return tmp_path / "real"


def test_real_cards_are_imported_and_the_second_import_decodes_none(
    database, slice_of_real_cards, tmp_path, monkeypatch
):
    assert import_cards(database, slice_of_real_cards) == Imported(200, 0, [])
    monkeypatch.setattr("labeling.picture_info.read_hashed", lambda path: pytest.fail(f"{path} was decoded again"))
    assert import_cards(database, slice_of_real_cards) == Imported(0, 200, [])
    with database.reading() as session:
        assert count_by_grade(session) == dict.fromkeys(range(1, 11), 20)
    assert len(freeze(database, folder=tmp_path / "snapshots").pairs) == 200
