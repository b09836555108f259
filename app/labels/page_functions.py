"""Functions of the server that the scripts of a page call: their values are checked, a user's error is a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import user_message

UNUSABLE = "The page sent a value that cannot be used; reload the page."

Text = Annotated[str, Field(max_length=2000)]
Name = Annotated[str, Field(max_length=60)]
RowId = Annotated[int, Field(ge=1, le=2**62)]


class PageRequest(BaseModel):
    """Request of a page; `name` is that of its labeler, "" if none was given."""

    model_config = ConfigDict(frozen=True)

    name: Name = ""


def author_of(name: str, login: str | None) -> str:
    """The labeler of a page: the user who logged in, the name given on the page, or the user of the server."""
    return login or name.strip() or psutil.Process().username()


def checked(
    name: str, model: type[BaseModel], handler: Callable[[Any], dict[str, Any]]
) -> Callable[[Any], dict[str, Any]]:
    """A function of the page: its value is checked, and a user's error answered by its sentence."""

    def answer(value: Any) -> dict[str, Any]:
        try:
            return handler(model.model_validate(value))
        except ValidationError:
            return {"problem": UNUSABLE, "unusable": True}
        except Exception as error:
            if (message := user_message(error)) is None:
                raise
            return {"problem": f"{message}."}

    answer.__name__ = name
    return answer
