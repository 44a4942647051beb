"""Bodies in an order in which every item's inputs are bound; the written order is kept as far as it is safe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from heapq import heapify, heappop, heappush

from congressd.language import core
from congressd.language.builtins import BUILTINS


def order(body: Sequence[core.BodyItem]) -> tuple[list[int], list[int], set[str]]:
    """Positions in a safe order, positions that no order makes safe, and the names of the variables that are bound.

    A table binds its variables. A negated table needs all but its anonymous ones, a builtin its inputs, a negated
    builtin all. Takes time near-linear in the size of the body.
    """
    missing: list[int] = []
    waiting: defaultdict[str, list[int]] = defaultdict(list)
    for position, item in enumerate(body):
        needs = needed(item)
        missing.append(len(needs))
        for name in needs:
            waiting[name].append(position)
    ready = [position for position, count in enumerate(missing) if not count]
    heapify(ready)
    bound: set[str] = set()
    ordered: list[int] = []
    while ready:
        position = heappop(ready)
        ordered.append(position)
        for name in given(body[position]) - bound:
            bound.add(name)
            for waiter in waiting.get(name, ()):
                missing[waiter] -= 1
                if not missing[waiter]:
                    heappush(ready, waiter)
    return ordered, sorted(set(range(len(body))) - set(ordered)), bound


def needed(item: core.BodyItem) -> set[str]:
    """Names of the variables that must be bound before an item."""
    if isinstance(item, core.Call):
        args = item.args if item.negated else item.args[: BUILTINS[item.builtin].inputs]
        return {arg.name for arg in args if isinstance(arg, core.Variable)}
    if item.negated:
        return {arg.name for arg in item.atom.args if isinstance(arg, core.Variable) and not arg.anonymous}
    return set()


def given(item: core.BodyItem) -> set[str]:
    """Names of the variables that are bound after an item."""
    if item.negated:
        return set()
    args = item.args if isinstance(item, core.Call) else item.atom.args
    return {arg.name for arg in args if isinstance(arg, core.Variable)}
