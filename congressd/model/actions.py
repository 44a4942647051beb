"""The nouns of actions: what can be done to the world, the states of an activation, the options of an execute rule.

An *action* is something that a service (a data source, or one of the built-in services such as ``http``) can do. An
*activation* is one wish to do it once, kept in the execution log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from congressd.model.errors import CongressError
from congressd.model.values import Bool, Value, literal


class State(StrEnum):
    """PENDING waits for its turn, AWAITING for a person; UNKNOWN was running when its node died: it may have acted."""

    PENDING = "pending"
    AWAITING = "awaiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


#: Which states may follow which.
FOLLOWS: Final[Mapping[State, frozenset[State]]] = {
    State.PENDING: frozenset({State.RUNNING, State.AWAITING, State.CANCELLED}),
    State.AWAITING: frozenset({State.PENDING, State.CANCELLED}),
    State.RUNNING: frozenset({State.SUCCEEDED, State.FAILED, State.UNKNOWN, State.PENDING}),
    State.UNKNOWN: frozenset({State.SUCCEEDED, State.FAILED, State.PENDING}),
    State.FAILED: frozenset({State.PENDING}),
    State.SUCCEEDED: frozenset(),
    State.CANCELLED: frozenset(),
}
FINAL: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})

#: The types of arguments, and how a sentence calls them.
TYPES: Final[Mapping[str, str]] = {
    "any": "a value",
    "str": "text",
    "int": "a whole number",
    "number": "a number",
    "bool": "true or false",
}


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an action; ``type`` is one of `TYPES`. Optional ones stand behind all others."""

    name: str
    type: str = "any"
    required: bool = True
    description: str = ""

    def takes(self, value: Value) -> bool:
        """Whether a value has the argument's type."""
        match self.type:
            case "str":
                return isinstance(value, str)
            case "int":
                return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            case "number":
                return isinstance(value, int | float)
            case "bool":
                return isinstance(value, Bool)
        return True


@dataclass(frozen=True, slots=True)
class ActionInfo:
    """What a driver says of one of its actions.

    ``idempotent``: to do it twice is to do it once, so that it may be repeated when nobody knows whether it was done.
    ``time_limit``: seconds after which nobody waits for it any longer. ``rest``: any number of further arguments.
    """

    name: str
    description: str
    arguments: tuple[Argument, ...] = ()
    idempotent: bool = False
    time_limit: float = 30.0
    rest: bool = False

    @property
    def signature(self) -> str:
        """The call as people read it, such as ``request(method, url, [body])``."""
        names = [each.name if each.required else f"[{each.name}]" for each in self.arguments]
        return f"{self.name}({', '.join([*names, '...'] if self.rest else names)})"

    def check_count(self, count: int) -> str | None:
        """Why the action cannot be given so many arguments; None if it can."""
        least = sum(each.required for each in self.arguments)
        most = len(self.arguments)
        if count < least or (count > most and not self.rest):
            allowed = f"at least {least}" if self.rest else f"{least}" if least == most else f"{least} to {most}"
            return f"{count} arguments were given, but {self.signature} takes {allowed}"
        return None

    def check_value(self, position: int, value: Value) -> str | None:
        """Why an argument, counted from 0, cannot have this value; None if it can."""
        if position >= len(self.arguments) or self.arguments[position].takes(value):
            return None
        argument = self.arguments[position]
        return (
            f"argument {argument.name} of {self.signature} is {literal(value)[:80]}; it must be {TYPES[argument.type]}"
        )

    def check(self, args: Sequence[Value]) -> str | None:
        """Why the action cannot be called with these values; None if it can."""
        problem = self.check_count(len(args))
        if problem is None:
            problem = next(filter(None, (self.check_value(at, value) for at, value in enumerate(args))), None)
        return problem

    def document(self) -> dict[str, Any]:
        """As GET /v1/data-sources/<source>/actions shows it: Congress' fields, then ours."""
        return {
            "name": self.name,
            "args": [
                {
                    "name": each.name,
                    "description": each.description,
                    "type": each.type,
                    "required": each.required,
                }
                for each in self.arguments
            ],
            "description": self.description,
            "more_args": self.rest,
            "idempotent": self.idempotent,
            "time_limit": self.time_limit,
        }


@dataclass(frozen=True, slots=True)
class Blast:
    """When a rule is stopped: it suddenly wants more than ``rows`` actions, or more than ``percent`` of a table's rows.

    0 means no limit. The table is the largest one of a source that the rule rests on.
    """

    rows: int = 0
    percent: float = 0.0


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``actions`` starts in any ``seconds``; 0 actions means no limit."""

    actions: int = 0
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class RuleOptions:
    """How the actions of one execute rule are run; times in seconds.

    ``dry_run``: only write down what would be done. ``approval``: wait for a person. ``retries``: further attempts
    after failures, the first ``backoff`` later, then twice as long each time. ``delay``: act only once the row has
    held for so long. ``blast``: None means what the configuration says.
    """

    dry_run: bool = False
    approval: bool = False
    retries: int = 0
    backoff: float = 10.0
    delay: float = 0.0
    rate: Rate = Rate()
    blast: Blast | None = None


LONGEST: Final = 30 * 86400.0  #: seconds: of a delay or back-off
LONGEST_RATE: Final = 3600.0  #: seconds of a rate's window
MOST: Final = 1_000_000

#: name -> kind, least, most, what it means. A literal table: the check, OpenAPI and docs/actions.md read it.
OPTIONS: Final[Mapping[str, tuple[str, float, float, str]]] = {
    "dry_run": ("bool", 0, 0, "write down what would be done, and do nothing"),
    "approval": ("bool", 0, 0, "each activation waits until a person approves it"),
    "retries": ("int", 0, 100, "how often an action that failed is tried again"),
    "backoff": ("number", 0, LONGEST, "seconds before the first new try; doubled for each further one"),
    "delay": ("number", 0, LONGEST, "seconds for which a row must have held before its action is run"),
    "rate": ("rate", 0, 0, 'the most starts in a time: {"actions": 10, "seconds": 60}'),
    "blast_radius": ("blast", 0, 0, 'stop a rule that suddenly wants more: {"rows": 100, "percent": 5}'),
}
_RATE: Final = {"actions": ("int", 1, MOST, ""), "seconds": ("number", 0.001, LONGEST_RATE, "")}
_BLAST: Final = {"rows": ("int", 0, MOST, ""), "percent": ("number", 0, 100, "")}


def parse_options(options: Mapping[str, Any]) -> RuleOptions:
    """The options object of a rule, checked. Raises CongressError ``rule_options`` that says what is allowed."""
    given = _parts("options", options, OPTIONS)
    rate = _parts("options.rate", given.pop("rate", {}), _RATE)
    if rate and "actions" not in rate:
        raise CongressError("rule_options", 'options.rate.actions is missing; write {"actions": 10, "seconds": 60}')
    blast = given.pop("blast_radius", None)
    return RuleOptions(
        **given,
        rate=Rate(**rate),
        blast=None if blast is None else Blast(**_parts("options.blast_radius", blast, _BLAST)),
    )


def options_document(options: RuleOptions) -> dict[str, Any]:
    """The options object that `parse_options` makes these options of; defaults are left out."""
    default = RuleOptions()
    document: dict[str, Any] = {
        name: getattr(options, name)
        for name in ("dry_run", "approval", "retries", "backoff", "delay")
        if getattr(options, name) != getattr(default, name)
    }
    if options.rate.actions:
        document["rate"] = {"actions": options.rate.actions, "seconds": options.rate.seconds}
    if options.blast is not None:
        document["blast_radius"] = {"rows": options.blast.rows, "percent": options.blast.percent}
    return document


def _parts(where: str, item: object, allowed: Mapping[str, tuple[str, float, float, str]]) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise CongressError("rule_options", f"{where}: {str(item)[:60]!r} is not an object")
    for name in item:
        if name not in allowed:
            raise CongressError(
                "rule_options", f"{where}: there is no option {str(name)[:60]!r}; allowed are {', '.join(allowed)}"
            )
    return {name: _part(f"{where}.{name}", value, *allowed[name][:3]) for name, value in item.items()}


def _part(where: str, value: Any, kind: str, least: float, most: float) -> Any:
    match kind:
        case "bool":
            if isinstance(value, bool):
                return value
            wanted = "true or false"
        case "int" | "number":
            number = isinstance(value, int if kind == "int" else int | float) and not isinstance(value, bool)
            if number and least <= value <= most:
                return value
            wanted = f"{'a whole number' if kind == 'int' else 'a number'} from {least:g} to {most:g}"
        case _:
            if isinstance(value, Mapping):
                return value
            wanted = "an object"
    raise CongressError("rule_options", f"{where}: {str(value)[:60]!r} is not {wanted}")
