"""The execution log over REST: what was done to the world, why, and what people may say to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from congressd.api.calls import Answer, Call
from congressd.api.service import Service
from congressd.model.actions import State
from congressd.model.errors import CongressError
from congressd.store.activations import ActivationRecord, Filter

#: Where the cursor of a listing separates the time from the id.
_MARK: Final = "_"


def activation_document(record: ActivationRecord) -> dict[str, Any]:
    """An activation as JSON. ``open``: the row that it stands for still holds; ``settled``: what people said to it."""
    return {
        "id": record.id,
        "state": record.state.value,
        "open": bool(record.rule_id) and record.closed_at is None,
        "service": record.source,
        "action": record.action,
        "args": record.args,
        "policy": record.policy or None,
        "rule_id": record.rule_id or None,
        "requested_by": record.requested_by,
        "why": record.why,
        "result": record.result,
        "settled": [{"verb": each.verb, "by": each.by, "at": _iso(each.at)} for each in record.settled],
        "attempts": record.attempts,
        "epoch": record.epoch or None,
        "node": record.node or None,
        "created_at": _iso(record.created_at),
        "not_before": _iso(record.not_before or None),
        "started_at": _iso(record.started_at),
        "finished_at": _iso(record.finished_at),
        "closed_at": _iso(record.closed_at) if record.rule_id else None,
        "updated_at": _iso(record.updated_at),
    }


def index(service: Service, call: Call) -> Answer:
    """GET /v1/actions: a page, newest first; ``next`` is handed in as ``after`` for the one that follows."""
    query = call.query
    state = query.get("state")
    wanted = Filter(
        states=None if state is None else _states(state),
        policy=query.get("policy"),
        rule_id=query.get("rule"),
        source=query.get("service"),
        action=query.get("name"),
        is_open=query.get("open"),
    )
    page = service.node.actions.find(wanted, query["limit"], _cursor(query.get("after")))
    following = None if page.following is None else f"{page.following[0]!r}{_MARK}{page.following[1]}"
    return Answer({"results": [activation_document(record) for record in page.records], "next": following})


def show(service: Service, call: Call) -> Answer:
    """GET /v1/actions/<activation>"""
    return Answer(activation_document(service.node.actions.get(call.path["activation"])))


def status(service: Service, _call: Call) -> Answer:
    """GET /v1/system/actions: who leads, which rules are held back and why, how many activations are in each state."""
    counts = {state.value: number for state, number in service.node.actions.counts().items()}
    try:
        executing = service.node.actions.status()
    except CongressError as error:
        executing = {"enabled": None, "leader": None, "blocked": [], "error": error.detail}
    return Answer({"states": counts, **executing})


def approve(service: Service, call: Call) -> Answer:
    """POST /v1/actions/<activation>?action=approve"""
    return _settled(service, call, "approve")


def reject(service: Service, call: Call) -> Answer:
    """POST /v1/actions/<activation>?action=reject"""
    return _settled(service, call, "reject")


def cancel(service: Service, call: Call) -> Answer:
    """POST /v1/actions/<activation>?action=cancel"""
    return _settled(service, call, "cancel")


def retry(service: Service, call: Call) -> Answer:
    """POST /v1/actions/<activation>?action=retry"""
    return _settled(service, call, "retry")


def resolve(service: Service, call: Call) -> Answer:
    """POST /v1/actions/<activation>?action=resolve"""
    return _settled(service, call, "resolve", call.body["as"])


def _settled(service: Service, call: Call, verb: str, resolution: str | None = None) -> Answer:
    record = service.node.actions.settle(call.path["activation"], verb, call.caller.name, resolution)
    return Answer(activation_document(record))


def execute_of_policy(service: Service, call: Call) -> Answer:
    """POST /v1/policies/<policy>?action=execute: the name has the form ``service:action``, as in Congress."""
    service.node.policies.get(call.path["policy"])
    name = call.body["name"]
    source, colon, action = name.partition(":")
    if not colon or not source or not action:
        raise CongressError("service_action_syntax", f"{name[:200]!r} is not of the form service:action")
    return _requested(service, call, source, action)


def execute_of_source(service: Service, call: Call) -> Answer:
    """POST /v1/data-sources/<source>?action=execute: the name is that of the action alone."""
    source = service.node.sources.get(call.path["source"]).name
    return _requested(service, call, source, call.body["name"].removeprefix(f"{source}:"))


def _requested(service: Service, call: Call, source: str, action: str) -> Answer:
    args: Mapping[str, Any] = call.body.get("args") or {}
    if args.get("named"):
        raise CongressError(
            "execute_action_args_syntax", "arguments by name are not taken; give them in order, as args.positional"
        )
    record = service.node.actions.request(
        source, action, args.get("positional") or [], call.caller.name, call.idempotency_key
    )
    return Answer({"id": record.id})


def _states(text: str) -> list[State]:
    try:
        return [State(each.strip()) for each in text.split(",")]
    except ValueError:
        allowed = ", ".join(State)
        raise CongressError("bad_request", f"state: {text[:80]!r} is not one or several of {allowed}") from None


def _cursor(text: str | None) -> tuple[float, str] | None:
    if text is None:
        return None
    at, mark, identity = text.partition(_MARK)
    try:
        if mark:
            return float(at), identity
    except ValueError:
        pass
    raise CongressError("bad_request", f"after: {text[:80]!r} is not what `next` of an earlier answer was")


def _iso(at: float | None) -> str | None:
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
