"""Runs a case against anything that can do what `Service` says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Protocol

from congressd.model.errors import CODES, CongressError
from congressd.model.tables import TableChange
from congressd.model.values import Row, sorted_rows
from tests.conformance.model import HOME, Case, Simulation, Step, WantedError


class Service(Protocol):
    """A policy service, empty at first but for the policy ``action`` of kind ``action``.

    Its errors are CongressErrors, its rows tuples of values.
    """

    def create_policy(self, name: str, kind: str, rules: str) -> Sequence[str]:
        """Create a policy with its rules, all or nothing; returns warnings."""

    def delete_policy(self, name: str) -> None: ...

    def change_rules(self, add: Mapping[str, str], remove: Mapping[str, str]) -> Sequence[str]:
        """Remove and add rules, given as texts by policy, all or nothing; returns warnings."""

    def create_source(self, name: str, tables: Mapping[str, tuple[str, ...]]) -> None:
        """Create a source with the columns of its tables, which are empty."""

    def delete_source(self, name: str) -> None: ...

    def apply(self, source: str, changes: Mapping[str, TableChange]) -> None:
        """One batch of a source; in a table rows go before rows come."""

    def replace(self, source: str, tables: Mapping[str, Sequence[Row]]) -> None:
        """One batch that gives the source its whole new content; tables that are not named are emptied."""

    def query(self, policy: str, text: str) -> Sequence[Row]:
        """The rows that match an atom, whole, or the head rows of a rule."""

    def simulate(self, call: Simulation) -> Sequence[str]:
        """The lines that a simulation answers."""

    def skipped(self) -> Sequence[str]:
        """What was said about the rows that builtins refused, in the state as it is now."""


def run_case(case: Case, service: Service) -> None:
    """Take the case's steps in order. Raises AssertionError with the first thing that is not as wanted."""
    if not any(HOME in step.create_policies for step in case.steps):
        service.create_policy(HOME, "nonrecursive", "")
    for number, step in enumerate(case.steps):
        try:
            _run_step(step, service)
        except AssertionError as failure:
            raise AssertionError(f"{case.id}, step {number}: {failure}") from None


def _run_step(step: Step, service: Service) -> None:
    if step.want_error is None:
        _change(step, service)
        _ask(step, service)
        return
    try:
        _change(step, service)
        if step.query is not None:
            service.query(step.policy, step.query)
        if step.simulate is not None:
            service.simulate(step.simulate)
    except CongressError as error:
        _compare_error(error, step.want_error)
    else:
        raise AssertionError(f"no error, wanted {step.want_error}")


def _change(step: Step, service: Service) -> None:
    warnings: list[str] = []
    for name, tables in step.create_sources.items():
        service.create_source(name, {table: content.columns for table, content in tables.items()})
        service.replace(name, {table: content.rows for table, content in tables.items()})
    for name, policy in step.create_policies.items():
        warnings += service.create_policy(name, policy.kind, policy.rules)
    if step.add_rules or step.remove_rules:
        warnings += service.change_rules(step.add_rules, step.remove_rules)
    for name in step.delete_policies:
        service.delete_policy(name)
    for name in step.delete_sources:
        service.delete_source(name)
    for source, replaced in _by_source(step.replace).items():
        service.replace(source, replaced)
    inserted, deleted = _by_source(step.insert), _by_source(step.delete)
    for source in {**inserted, **deleted}:
        come, go = inserted.get(source, {}), deleted.get(source, {})
        changes = {table: TableChange(come.get(table, ()), go.get(table, ())) for table in {**come, **go}}
        service.apply(source, changes)
    if step.want_warnings is not None:
        _compare_texts("warnings", warnings, step.want_warnings)


def _ask(step: Step, service: Service) -> None:
    for text, wanted in step.queries.items():
        rows = service.query(step.policy, text)
        assert len(set(rows)) == len(rows), f"{text}: a row comes twice in {sorted_rows(rows)}"
        assert set(rows) == set(wanted), f"{text}: is {sorted_rows(rows)}, wanted {sorted_rows(wanted)}"
    if step.query is not None:
        rows = service.query(step.policy, step.query)
        if step.count is not None:
            assert len(rows) == step.count, f"{step.query}: {len(rows)} rows, wanted {step.count}"
    if step.simulate is not None:
        lines = service.simulate(step.simulate)
        assert sorted(lines) == sorted(step.want_text), f"{step.simulate}: is {lines}, wanted {step.want_text}"
    if step.want_skips is not None:
        _compare_texts("skips", service.skipped(), step.want_skips)


def _by_source(tables: Mapping[str, Sequence[Row]]) -> dict[str, dict[str, Sequence[Row]]]:
    found: dict[str, dict[str, Sequence[Row]]] = defaultdict(dict)
    for name, rows in tables.items():
        source, table = name.split(":", 1)
        found[source][table] = rows
    return found


def _compare_texts(what: str, texts: Sequence[str], wanted: Sequence[str]) -> None:
    """No texts where none are wanted; else every wanted fragment stands in one of them."""
    if not wanted:
        assert not texts, f"{what}: {texts}, wanted none"
    for fragment in wanted:
        assert any(fragment in text for text in texts), f"{what}: {texts}, wanted {fragment!r} in them"


def _compare_error(error: CongressError, wanted: WantedError) -> None:
    assert error.code == CODES[wanted.code], f"error {error.code.name} ({error}), wanted {wanted}"
    for fragment in wanted.contains:
        assert fragment.lower() in str(error).lower(), f"error {error}, wanted {fragment!r} in it"
