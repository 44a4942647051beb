"""The records of policies, rules and sources: what crosses from the database to the rooms above. Pure.

A record is what one database row means, with its times (seconds since 1970, UTC). Records are compared by value, so
"did it change?" is ``==``. The caller makes their ids (`new_id`) and times; the store checks their texts only.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, TypeAlias, TypeVar

from congressd.model import jsontext
from congressd.model.errors import CongressError

MAX_NAME: Final = 255  #: characters of a name, owner, driver or kind
MAX_ABBREVIATION: Final = 5
MAX_TEXT: Final = 1_000_000  #: bytes of one record as JSON: well under MariaDB's max_allowed_packet (16 MB)


def new_id() -> str:
    """A fresh id (UUID 4, 36 characters)."""
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """A policy. ``kind`` is a name of COMPAT's table, kept as it was given, in lower case."""

    id: str
    name: str
    abbreviation: str = ""
    description: str = ""
    owner_id: str = "user"
    kind: str = "nonrecursive"
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclass(frozen=True, slots=True)
class RuleRecord:
    """A rule of a policy: its text as the author wrote it, and ``options`` (JSON) for those of execute rules."""

    id: str
    policy_id: str
    rule: str
    name: str | None = None
    comment: str = ""
    enabled: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A configured data source.

    ``config`` holds the options that anybody may read. ``secrets`` maps each secret option to its encrypted value
    (see `congressd.store.sources`); the text in clear is never part of a record.
    """

    id: str
    name: str
    driver: str
    config: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    enabled: bool = True
    created_at: float = 0.0
    updated_at: float = 0.0


Record: TypeAlias = PolicyRecord | RuleRecord | SourceRecord
RecordT = TypeVar("RecordT", bound=Record)


def encode(record: Record) -> str:
    """A record as JSON text. Raises CongressError("bad_request" or "too_large") for text no database can keep."""
    text = json_text(_columns(record), _title(record))
    if len(text) > MAX_TEXT:
        raise CongressError("too_large", f"{_title(record)} has {len(text)} bytes; at most {MAX_TEXT} are kept")
    return text


def json_text(item: object, title: str) -> str:
    """JSON text that every database can keep. Raises CongressError("bad_request") if it holds half a character."""
    try:
        return jsontext.dumps(item).decode("utf-8")
    except UnicodeDecodeError:
        raise CongressError(
            "bad_request",
            f"the text of {title} holds half of a surrogate pair (such as \\ud800), which is no character; write the"
            " whole character",
        ) from None


def decode(kind: type[RecordT], text: str) -> RecordT:
    """The record that `encode` wrote; what a later version of congressd added to it is left out."""
    known = {each.name for each in fields(kind)}
    return kind(**{name: value for name, value in jsontext.loads(text).items() if name in known})


def check_lengths(record: Record) -> None:
    """Refuse short texts that are too long for their column. Raises CongressError("name_invalid" or other)."""
    if isinstance(record, PolicyRecord):
        if len(record.abbreviation) > MAX_ABBREVIATION:
            raise CongressError(
                "policy_abbreviation_error",
                f"{record.abbreviation[:40]!r} has {len(record.abbreviation)} characters; at most"
                f" {MAX_ABBREVIATION} are allowed",
            )
        short = {"name": record.name, "owner_id": record.owner_id, "kind": record.kind}
    elif isinstance(record, RuleRecord):
        short = {"name": record.name or ""}
    else:
        short = {"name": record.name, "driver": record.driver}
    for title, text in short.items():
        if len(text) > MAX_NAME:
            code = "name_invalid" if title == "name" else "bad_request"
            raise CongressError(
                code, f"the {title} {text[:40]!r}... has {len(text)} characters; at most {MAX_NAME} are allowed"
            )


def _columns(record: Record) -> dict[str, Any]:
    pairs = ((each.name, getattr(record, each.name)) for each in fields(record))
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in pairs}


def _title(record: Record) -> str:
    noun = {PolicyRecord: "policy", RuleRecord: "rule", SourceRecord: "source"}[type(record)]
    return f"{noun} {(record.name or record.id)[:40]!r}"
