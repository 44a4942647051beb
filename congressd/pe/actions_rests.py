"""What an execute rule rests on: every table of a source below it, and whether all of that can be told. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from congressd.language import core
from congressd.pe.forms import TableName
from congressd.pe.policyset import Image, RuleImage, RuleState


@dataclass(slots=True)
class Rests:
    """``tables`` by source, perhaps of sources that do not exist; ``clock``: it depends on the time.

    ``waits``: a rule below waits for a schema, or is suspended, so that the rows are not what they should be.
    """

    tables: dict[str, set[str]] = field(default_factory=dict)
    clock: bool = False
    waits: bool = False


def rests_of(image: Image, rule: RuleImage, suspended: Collection[str] = ()) -> Rests:
    """What the rows of a rule come from, directly or through other rules; ``suspended`` are ids of rules."""
    rests = Rests()
    seen: set[TableName] = set()
    todo = _take(rests, rule, suspended)
    while todo:
        table = todo.pop()
        if table in seen:
            continue
        seen.add(table)
        policy, name = table
        if policy not in image.policy_ids:
            rests.tables.setdefault(policy, set()).add(name)
            continue
        use = image.tables.get(policy, {}).get(name)
        for key in use.heads if use else ():
            below = image.rule(key)
            if below is not None:
                todo += _take(rests, below, suspended)
    return rests


def _take(rests: Rests, rule: RuleImage, suspended: Collection[str]) -> list[TableName]:
    """Note what one rule says of itself; the tables that it reads."""
    if rule.state is RuleState.WAITING or rule.record.id in suspended:
        rests.waits = True
    if rule.rule is not None:
        rests.clock |= any(isinstance(item, core.Call) and item.builtin == "now" for item in rule.rule.body)
    return [mention.table for mention in rule.form.body]
