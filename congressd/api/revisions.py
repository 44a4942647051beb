"""The revision log over REST: who changed what, and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from congressd.api.calls import Answer, Call, listing
from congressd.api.policies import policy_document
from congressd.api.rules import record_document
from congressd.api.service import Service
from congressd.api.sources import source_document
from congressd.model.clock import iso
from congressd.store.changes import Change, LoggedRevision, kind_of
from congressd.store.records import PolicyRecord, RuleRecord


def index(service: Service, call: Call) -> Answer:
    """GET /v1/revisions"""
    found = service.node.history.revisions(call.query["since"], call.query["limit"])
    # A rule knows its policy's id; the name is that of now or, of a policy that is gone, what the answer tells of it.
    records = [change.record for each in found for change in each.changes]
    names = {record.id: record.name for record in records if isinstance(record, PolicyRecord)}
    names |= {policy.id: policy.name for policy in service.node.policies.all()}
    return listing([_revision(each, names) for each in found])


def _revision(logged: LoggedRevision, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "revision": logged.revision,
        "at": iso(logged.at),
        "author": logged.author,
        "count": logged.count,
        "changes": [_change(each, names) for each in logged.changes],
    }


def _change(change: Change, names: Mapping[str, str]) -> dict[str, Any]:
    record = change.record
    kind = kind_of(change)
    if isinstance(record, RuleRecord):
        policy = {"policy": names.get(record.policy_id), "policy_id": record.policy_id}
        return {"kind": kind, **policy, "record": record_document(record)}
    if isinstance(record, PolicyRecord):
        return {"kind": kind, "policy": record.name, "policy_id": record.id, "record": policy_document(record)}
    return {"kind": kind, "source": record.name, "source_id": record.id, "record": source_document(record)}
