"""Cases as data: what a YAML file under ``cases/`` may say, read and checked. See README.md for the form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import yaml

from congressd.model.errors import CODES
from congressd.model.values import Row, to_rows

CASES: Final = Path(__file__).with_name("cases")
HOME: Final = "test"  #: the policy of the shorthand ``rules`` and of queries that name none


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy to create, with its rules in one call."""

    rules: str = ""
    kind: str = "nonrecursive"


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table of a source to create; ``rows`` are delivered in its first batch."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class WantedError:
    """An error by the name of its code, with texts that its message must contain (in any case)."""

    code: str
    contains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Simulation:
    """A call of simulate."""

    query: str
    sequence: str = ""
    action_policy: str = "action"
    policy: str = HOME
    delta: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """Changes in the order of the fields, then what is asked, then what must come."""

    create_sources: Mapping[str, Mapping[str, SourceTable]] = field(default_factory=dict)
    create_policies: Mapping[str, Policy] = field(default_factory=dict)
    remove_rules: Mapping[str, str] = field(default_factory=dict)
    add_rules: Mapping[str, str] = field(default_factory=dict)
    delete_policies: tuple[str, ...] = ()
    delete_sources: tuple[str, ...] = ()
    replace: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    insert: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    delete: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    policy: str = HOME
    queries: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    query: str | None = None
    count: int | None = None
    simulate: Simulation | None = None
    want_text: tuple[str, ...] = ()
    want_error: WantedError | None = None
    want_skips: tuple[str, ...] | None = None
    want_warnings: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """What is told in one sentence by ``note``, as steps over one service that starts empty."""

    topic: str
    note: str
    steps: tuple[Step, ...]

    @property
    def id(self) -> str:
        return f"{self.topic}/{self.note}"


def load_cases(folder: Path = CASES) -> list[Case]:
    """Every case of every file. Raises ValueError naming the file and the case that is not well formed."""
    cases = [case for path in sorted(folder.rglob("*.yaml")) for case in _load_file(path)]
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise ValueError(f"two cases are called {case.id}")
        seen.add(case.id)
    return cases


def _load_file(path: Path) -> Iterator[Case]:
    documents = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    for document in documents:
        try:
            note = document.pop("note")
            steps = document.pop("steps", [])
            first = [_step(document)] if document else []
            yield Case(path.parent.name, note, tuple(first + [_step(step) for step in steps]))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{path}: {document}: {error!r}") from error


_SHORT: Final = {
    "sources": "create_sources",
    "policies": "create_policies",
    "add": "add_rules",
    "remove": "remove_rules",
    "drop_policies": "delete_policies",
    "drop_sources": "delete_sources",
    "skips": "want_skips",
    "warnings": "want_warnings",
}
_KNOWN: Final = {item.name for item in fields(Step)}


def _step(document: Mapping[str, Any]) -> Step:
    given: dict[str, Any] = dict(document)
    rules = given.pop("rules", None)
    repeat = given.pop("repeat", None)
    if rules is not None or repeat is not None:
        text = "\n".join(filter(None, [rules, _repeated(repeat or [])]))
        given.setdefault("policies", {})[HOME] = text
    want = given.pop("want", None)
    if want is not None:
        given["queries"] = {given.pop("query"): want}
    values = {_SHORT.get(key, key): value for key, value in given.items()}
    if unknown := values.keys() - _KNOWN:
        raise ValueError(f"unknown keys {sorted(unknown)}; known are {sorted(_KNOWN | _SHORT.keys())}")
    return Step(**{key: _READERS.get(key, _same)(value) for key, value in values.items()})


def _repeated(repeats: Sequence[Mapping[str, Any]]) -> str:
    """Rules from a pattern: ``<n>`` counts from ``from`` (1) to ``to``, ``<m>`` is the number before it."""
    lines = []
    for repeat in repeats:
        for number in range(repeat.get("from", 1), repeat["to"] + 1):
            lines.append(repeat["rule"].replace("<n>", str(number)).replace("<m>", str(number - 1)))
    return "\n".join(lines)


def _same(item: Any) -> Any:
    return item


def _texts(item: str | Sequence[str]) -> tuple[str, ...]:
    return (item,) if isinstance(item, str) else tuple(item)


def _tables(item: Mapping[str, Any]) -> dict[str, list[Row]]:
    if any(not isinstance(rows, list) for rows in item.values()):
        raise ValueError(f"rows are lists of lists, not {item}; a name with commas needs quotes")
    return {table: to_rows(rows) for table, rows in item.items()}


def _sources(item: Mapping[str, Any]) -> dict[str, dict[str, SourceTable]]:
    return {
        source: {
            name: SourceTable(tuple(table["columns"]), tuple(to_rows(table.get("rows", ()))))
            for name, table in tables.items()
        }
        for source, tables in item.items()
    }


def _policies(item: Mapping[str, Any]) -> dict[str, Policy]:
    return {
        name: Policy(**policy) if isinstance(policy, dict) else Policy(policy or "") for name, policy in item.items()
    }


def _error(item: Mapping[str, Any]) -> WantedError:
    if item["code"] not in CODES:
        raise ValueError(f"no error code is called {item['code']!r}")
    return WantedError(item["code"], _texts(item.get("contains", ())))


_READERS: Final[Mapping[str, Any]] = {
    "create_sources": _sources,
    "create_policies": _policies,
    "delete_policies": _texts,
    "delete_sources": _texts,
    "replace": _tables,
    "insert": _tables,
    "delete": _tables,
    "queries": _tables,
    "simulate": lambda item: Simulation(**item),
    "want_text": _texts,
    "want_error": _error,
    "want_skips": _texts,
    "want_warnings": _texts,
}
