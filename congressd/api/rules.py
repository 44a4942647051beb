"""Rules over REST."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from congressd.api.calls import Answer, Call, created, listing
from congressd.api.service import Service
from congressd.pe.policies import RuleDraft
from congressd.pe.policyset import RuleImage
from congressd.store.records import RuleRecord


def drafts(bodies: Sequence[dict[str, Any]]) -> list[RuleDraft]:
    """Rules as clients write them, from checked bodies."""
    return [
        RuleDraft(
            body["rule"], body.get("name"), body.get("comment", ""), body.get("enabled", True), body.get("options", {})
        )
        for body in bodies
    ]


def record_document(record: RuleRecord) -> dict[str, Any]:
    """A rule as JSON, in Congress' shape, as it was written."""
    document: dict[str, Any] = {
        "id": record.id,
        "rule": record.rule,
        "name": record.name,
        "comment": record.comment,
        "enabled": record.enabled,
    }
    if record.options:
        document["options"] = dict(record.options)
    return document


def rule_document(rule: RuleImage) -> dict[str, Any]:
    """A rule as JSON, in Congress' shape; ``warnings`` only where there are some."""
    document = record_document(rule.record)
    if rule.warnings:
        document["warnings"] = list(rule.warnings)
    return document


def index(service: Service, call: Call) -> Answer:
    """GET /v1/policies/<policy>/rules"""
    return listing([rule_document(rule) for rule in service.node.policies.rules(call.path["policy"])])


def create(service: Service, call: Call) -> Answer:
    """POST /v1/policies/<policy>/rules: one rule as Congress has it, or several under ``rules``."""
    several = "rules" in call.body
    wanted = drafts(call.body["rules"] if several else [call.body])
    made = service.node.policies.add_rules(call.path["policy"], wanted, call.author)
    if several:
        return Answer({"results": [rule_document(rule) for rule in made]}, 201)
    return created(call, rule_document(made[0]))


def replace_all(service: Service, call: Call) -> Answer:
    """PUT /v1/policies/<policy>/rules"""
    _, made = service.node.policies.update(call.path["policy"], {}, drafts(call.body["rules"]), call.author)
    return listing([rule_document(rule) for rule in made])


def show(service: Service, call: Call) -> Answer:
    """GET /v1/policies/<policy>/rules/<rule>"""
    return Answer(rule_document(service.node.policies.rule(call.path["policy"], call.path["rule"])))


def replace(service: Service, call: Call) -> Answer:
    """PUT /v1/policies/<policy>/rules/<rule>"""
    return _change(service, call, {"name": None, "comment": "", "enabled": True, "options": {}} | call.body)


def update(service: Service, call: Call) -> Answer:
    """PATCH /v1/policies/<policy>/rules/<rule>"""
    return _change(service, call, dict(call.body))


def _change(service: Service, call: Call, fields: dict[str, Any]) -> Answer:
    rule = service.node.policies.update_rule(call.path["policy"], call.path["rule"], fields, call.author)
    return Answer(rule_document(rule))


def delete(service: Service, call: Call) -> Answer:
    """DELETE /v1/policies/<policy>/rules/<rule>"""
    rule = service.node.policies.delete_rule(call.path["policy"], call.path["rule"], call.author)
    return Answer(rule_document(rule))


def status(service: Service, call: Call) -> Answer:
    """GET /v1/policies/<policy>/rules/<rule>/status: Congress' four, the state, and what builtins failed on."""
    rule = service.node.policies.rule(call.path["policy"], call.path["rule"])
    return Answer(
        {
            "name": rule.record.name,
            "id": rule.record.id,
            "comment": rule.record.comment,
            "original_str": rule.record.rule,
            "state": rule.state.value,
            "reason": rule.reason,
            "warnings": list(rule.warnings),
            "errors": service.node.queries.errors(rule.record.id),
        }
    )
