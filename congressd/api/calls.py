"""What a handler gets and gives: a request that was already checked, and an answer. Nothing of Flask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from congressd.api.callers import Caller
from congressd.pe.freshness import ANY, Freshness
from congressd.pe.queries import Result
from congressd.pe.writer import Author

if TYPE_CHECKING:
    from congressd.api.service import Service

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Call:
    """One request. ``path`` and ``query`` hold checked parameters by name, ``body`` the checked JSON."""

    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any
    address: Callable[[], str]
    caller: Caller
    freshness: Freshness = ANY
    idempotency_key: str | None = None

    @property
    def author(self) -> Author:
        """Who is on record for the changes of this call; rules that ask for actions are for operators."""
        return Author(self.caller.name, self.caller.may("operator"))

    @property
    def url(self) -> str:
        """The absolute address without the query string, for ``Location`` and links."""
        return self.address()


@dataclass(frozen=True, slots=True)
class Answer:
    """The status, the JSON body (``bytes`` are sent as they are) and headers of an answer.

    ``token`` is the consistency token if it is more than the policy revision; ``stale`` names sources without rows,
    or whose rows may be out of date.
    """

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON
    token: str | None = None
    stale: tuple[str, ...] = ()


Handler: TypeAlias = "Callable[[Service, Call], Answer]"


def created(call: Call, item: Mapping[str, Any]) -> Answer:
    """201 with the address of the new item, as Congress answers."""
    return Answer(item, 201, {"Location": f"{call.url.rstrip('/')}/{item['id']}"})


def listing(items: list[Any]) -> Answer:
    """200 with a collection."""
    return Answer({"results": items})


def from_result(result: Result) -> Answer:
    """200 with what a query answered."""
    return Answer(result.body, token=result.token, stale=result.stale)
