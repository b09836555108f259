"""The errors whose message is written for the user: shown as one sentence, never as a traceback."""

from __future__ import annotations

from db.session import DatabaseUnusable
from labeling.ingest import ImportRefused
from labeling.splits import LeakingSplit

from app.settings import Trouble
from engine.errors import BadInput

MENDABLE: tuple[type[Exception], ...] = (Trouble, BadInput, DatabaseUnusable, ImportRefused, LeakingSplit)
