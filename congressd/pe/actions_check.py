"""Whether execute rules ask for what there is: the services and their actions, known from configuration alone. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from congressd.language import core
from congressd.model.actions import ActionInfo, parse_options
from congressd.model.drivers import Drivers
from congressd.model.errors import CongressError
from congressd.model.nearest import hint, listing
from congressd.store.records import RuleRecord, SourceRecord

EXECUTE = "execute"


class Services(Protocol):
    """Who can be asked to act."""

    def actions(self, service: str, sources: Mapping[str, SourceRecord]) -> tuple[ActionInfo, ...] | None:
        """The actions of a service, with the sources by name; None if there is no such service."""

    def names(self) -> tuple[str, ...]:
        """The services that there are whatever the sources."""


class KnownServices:
    """`Services` over the drivers: a source acts as its driver can; the built-in services are always there."""

    def __init__(self, drivers: Drivers) -> None:
        self._drivers = drivers

    def actions(self, service: str, sources: Mapping[str, SourceRecord]) -> tuple[ActionInfo, ...] | None:
        record = sources.get(service)
        if record is not None:
            return self._drivers.actions(record.driver)
        return self._drivers.services().get(service)

    def names(self) -> tuple[str, ...]:
        return tuple(self._drivers.services())


def find_action(
    services: Services, service: str, action: str, sources: Mapping[str, SourceRecord], code: str
) -> ActionInfo:
    """An action of a service. Raises CongressError ``code`` with the nearest name."""
    known = services.actions(service, sources)
    if known is None:
        names = [*sources, *services.names()]
        raise CongressError(
            code,
            f"there is no data source or service {service[:80]!r} that could {action[:80]!r}.{hint(service, names)} "
            f"There are {listing(names)}",
            {"reason": "unknown_service"},
        )
    found = next((each for each in known if each.name == action), None)
    if found is None:
        names = [each.name for each in known]
        raise CongressError(
            code,
            f"{service!r} has no action {action[:80]!r}.{hint(action, names)} It has {listing(names)}",
            {"reason": "unknown_action"},
        )
    return found


def check_action(rule: core.Rule, services: Services, sources: Mapping[str, SourceRecord]) -> None:
    """Refuse an execute rule whose action does not exist, or cannot have its arguments.

    Raises CongressError ``rule_syntax``.
    """
    table = rule.head.table
    action = find_action(services, table.policy, table.name, sources, "rule_syntax")
    problem = action.check_count(len(rule.head.args))
    for position, argument in enumerate(rule.head.args):
        if problem is None and isinstance(argument, core.Constant):
            problem = action.check_value(position, argument.value)
    if problem is not None:
        raise CongressError("rule_syntax", f"{table}: {problem}", {"reason": "action_arguments"})


def check_options(record: RuleRecord, modal: str | None) -> None:
    """Refuse options that a rule cannot have. Raises CongressError ``rule_options``."""
    if not record.options:
        return
    if modal != EXECUTE:
        raise CongressError(
            "rule_options", f"the rule {record.rule[:200]!r} asks for no action, so it can have no options"
        )
    parse_options(record.options)
