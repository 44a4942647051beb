"""The control plane: calls and notices between nodes. Lossy: nothing may depend on a notice or an answer arriving.

This module owns the words of it; `congressd.bus.inprocess` and `congressd.bus.oslo_control` implement them.
Arguments, results and payloads are made of dicts with string keys, lists, tuples and the values of
`congressd.model.values`; they arrive as they were sent (tuples stay tuples, `TRUE` stays `TRUE`).

Every target and topic is one line in `TARGETS` and `TOPICS`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeAlias

from congressd.model.errors import CongressError

_LOG = logging.getLogger(__name__)

#: No call may wait longer than this, in seconds.
LONGEST_CALL: Final = 10.0

Method: TypeAlias = Callable[..., Any]
NoticeHandler: TypeAlias = Callable[[Any], None]

TARGETS: Final[Mapping[str, str]] = {
    "dsd": "the active datasource node: snapshots(sources, to), down(sources), status(source), rows(source, table), "
    "schema(source), refresh(source); "
    "beat(pe, boot, revision, digest), report(pe, boot, revision, report) of what policy wants done, execution()",
}
TOPICS: Final[Mapping[str, str]] = {
    "revision": "the policies reached a new revision; payload {'revision': number}",
    "actions": "people settled activations, or asked for some; payload {'ids': [...]}",
    "node": "a node says what it does, every few seconds; payload: its status, with its name as 'node'",
    "pushed": "pushes were committed for a source; payload {'source': name}",
}


class Registration(Protocol):
    """Something that is served or listened to, until it is stopped."""

    def stop(self) -> None:
        """No further call or notice begins after this returns. May be called twice."""


class Control(Protocol):
    """One node's end of the control plane. Safe to use from several threads."""

    def serve(self, target: str, methods: Mapping[str, Method]) -> Registration:
        """Answer calls to ``target``, with keyword arguments, on threads of the bus.

        If several nodes serve one target, each call reaches one of them. A CongressError of a method reaches the
        caller as it is; any other exception is logged here and reaches the caller as CongressError("internal").
        """

    def call(self, target: str, method: str, args: Mapping[str, Any] | None = None, timeout: float = 5.0) -> Any:
        """What ``method`` of ``target`` returns for ``args``; waits at most ``timeout`` (and `LONGEST_CALL`) seconds.

        Raises CongressError("unavailable") if no answer came in time (the method may have run, or run later), and
        CongressError("not_found") if the target has no such method.
        """

    def notify(self, topic: str, payload: Any) -> None:
        """Tell everyone who listens to ``topic``, this node included. Never raises on a broken connection: it logs."""

    def listen(self, topic: str, handler: NoticeHandler) -> Registration:
        """Call ``handler(payload)`` for every notice of ``topic``, one at a time, on a thread of the bus."""

    def close(self, timeout: float = 5.0) -> None:
        """Stop everything served and listened to, within ``timeout`` seconds."""


def run_method(target: str, methods: Mapping[str, Method], method: str, args: Mapping[str, Any]) -> Any:
    """What the method returns. Raises nothing but CongressError; for the implementations of `Control`."""
    function = methods.get(method)
    if function is None:
        known = ", ".join(sorted(methods))
        raise CongressError("not_found", f"{target!r} has no method {method!r}; it has {known}")
    try:
        return function(**args)
    except CongressError:
        raise
    except Exception as error:
        _LOG.exception("a call failed target=%s method=%s", target, method)
        raise CongressError("internal", f"{method!r} of {target!r} failed: {type(error).__name__}: {error}") from error


def hear(topic: str, handler: NoticeHandler, payload: Any) -> None:
    """Hand a notice to its handler. Raises nothing; for the implementations of `Control`."""
    try:
        handler(payload)
    except Exception:
        _LOG.exception("a notice could not be handled topic=%s payload=%.200r", topic, payload)
