"""Queries for promoted models; the last promotion is the model in use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.schema import STARTER, Promotion


def promote(
    session: Session,
    *,
    model_path: Path | str,
    sha256: str,
    run_id: int | None = None,
    name: str = "",
    author: str = "",
    reason: str = "",
    comparison: dict[str, Any] | None = None,
    is_rollback: bool = False,
) -> Promotion:
    """Make a model file the current one; the fields are those of `Promotion`."""
    promotion = Promotion(
        model_path=str(model_path),
        sha256=sha256,
        run_id=run_id,
        name=name,
        author=author,
        reason=reason,
        comparison=comparison,
        is_rollback=is_rollback,
    )
    session.add(promotion)
    session.flush()
    return promotion


def current_model(session: Session) -> Promotion | None:
    """The last promotion, or None if there is none."""
    return session.scalar(select(Promotion).order_by(Promotion.id.desc()).limit(1))


def promotions(session: Session) -> Sequence[Promotion]:
    """All promotions, oldest first."""
    return session.scalars(select(Promotion).order_by(Promotion.id)).all()


def models_to_go_back_to(history: Sequence[Promotion]) -> list[Promotion]:
    """The promotions whose models a further rollback puts back, the next one last; the model in use is not among them.

    history  all promotions, oldest first. A rollback takes the models above the one that it puts back off the stack,
             so that two rollbacks in a row go back by two models; the starter lies below all
    """
    stack: list[Promotion] = []
    for row in history:
        if row.is_rollback:
            below = [index for index, kept in enumerate(stack) if kept.sha256 == row.sha256]
            stack = stack[: below[-1] + 1] if below else [] if row.model_path == STARTER else stack
        if not stack or stack[-1].sha256 != row.sha256:
            stack.append(row)
    return stack[:-1]
