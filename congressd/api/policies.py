"""Policies over REST."""

from __future__ import annotations

from typing import Any

from congressd.api.calls import Answer, Call, created, listing
from congressd.api.rules import drafts, rule_document
from congressd.api.service import Service
from congressd.store.records import PolicyRecord

_DEFAULTS: dict[str, Any] = {"description": "", "kind": "nonrecursive"}


def policy_document(policy: PolicyRecord) -> dict[str, Any]:
    """A policy as JSON, in Congress' shape."""
    return {
        "id": policy.id,
        "name": policy.name,
        "abbreviation": policy.abbreviation,
        "description": policy.description,
        "owner_id": policy.owner_id,
        "kind": policy.kind,
    }


def index(service: Service, _call: Call) -> Answer:
    """GET /v1/policies"""
    return listing([policy_document(policy) for policy in service.node.policies.all()])


def show(service: Service, call: Call) -> Answer:
    """GET /v1/policies/<policy>"""
    return Answer(policy_document(service.node.policies.get(call.path["policy"])))


def create(service: Service, call: Call) -> Answer:
    """POST /v1/policies"""
    body = dict(call.body)
    rules = drafts(body.pop("rules", []))
    policy, made = service.node.policies.create(_DEFAULTS | body, rules, call.author)
    document = policy_document(policy)
    if "rules" in call.body:
        document["rules"] = [rule_document(rule) for rule in made]
    return created(call, document)


def replace(service: Service, call: Call) -> Answer:
    """PUT /v1/policies/<policy>"""
    kept = service.node.policies.get(call.path["policy"])
    # The kind cannot be changed, so leaving it out is not a wish to change it.
    return _change(service, call, {"description": "", "abbreviation": None, "kind": kept.kind} | call.body)


def update(service: Service, call: Call) -> Answer:
    """PATCH /v1/policies/<policy>"""
    return _change(service, call, dict(call.body))


def _change(service: Service, call: Call, fields: dict[str, Any]) -> Answer:
    rules = drafts(fields.pop("rules")) if "rules" in fields else None
    policy, made = service.node.policies.update(call.path["policy"], fields, rules, call.author)
    document = policy_document(policy)
    if rules is not None:
        document["rules"] = [rule_document(rule) for rule in made]
    return Answer(document)


def delete(service: Service, call: Call) -> Answer:
    """DELETE /v1/policies/<policy>"""
    return Answer(policy_document(service.node.policies.delete(call.path["policy"], call.author)))


def status(service: Service, call: Call) -> Answer:
    """GET /v1/policies/<policy>/status: Congress' name and id, and how many rules work, wait or are off."""
    policy = service.node.policies.get(call.path["policy"])
    rules = service.node.policies.rules(policy.id)
    states = [rule.state.value for rule in rules]
    return Answer(
        {
            "name": policy.name,
            "id": policy.id,
            "revision": service.node.revision,
            "rules": {state: states.count(state) for state in ("active", "waiting", "disabled")},
            "not_active": [
                {"id": rule.record.id, "rule": rule.record.rule, "state": rule.state.value, "reason": rule.reason}
                for rule in rules
                if rule.state.value != "active"
            ],
        }
    )
