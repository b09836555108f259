"""Functions of the server that the scripts of a page call: their values are checked, a user's error is a sentence."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import user_message

MAX_PAGES = 1000
UNUSABLE = "The page sent a value that cannot be used; reload the page."

Page = TypeVar("Page")
Text = Annotated[str, Field(max_length=2000)]
Name = Annotated[str, Field(max_length=60)]
RowId = Annotated[int, Field(ge=1, le=2**62)]


class PageRequest(BaseModel):
    """Request of a page; `name` is that of its labeler, "" if none was given."""

    model_config = ConfigDict(frozen=True)

    name: Name = ""


class RecentPages(Generic[Page]):
    """State that the server keeps for each open page; the pages that asked longest ago are forgotten."""

    def __init__(self, new: Callable[[], Page]) -> None:
        self._new = new
        self._pages: OrderedDict[str, Page] = OrderedDict()

    def of(self, name: str) -> Page:
        """The state of a page, a new one for a page that has none."""
        page = self._pages.setdefault(name, self._new())
        self._pages.move_to_end(name)
        if len(self._pages) > MAX_PAGES:
            self._pages.popitem(last=False)
        return page


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
