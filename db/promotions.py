"""Queries for promoted models; the last promotion is the model in use."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.schema import Promotion


def promote(session: Session, *, model_path: Path | str, sha256: str, run_id: int | None = None) -> Promotion:
    """Make a model file the current one; to roll back, promote the earlier one again."""
    promotion = Promotion(model_path=str(model_path), sha256=sha256, run_id=run_id)
    session.add(promotion)
    session.flush()
    return promotion


def current_model(session: Session) -> Promotion | None:
    """The last promotion, or None if there is none."""
    return session.scalar(select(Promotion).order_by(Promotion.id.desc()).limit(1))
