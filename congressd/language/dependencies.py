"""Which table is computed from which: kept up to date rule by rule, and refuses recursion."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping

from congressd.language.core import Literal, Rule, Table
from congressd.model.errors import CongressError

_SHOWN = 12  # tables of a cycle that its error names


class DependencyGraph:
    """An edge from each rule's head to each table of its body, counted once for each rule that has it.

    The graph never holds a cycle: that is checked for each new edge, by two searches that take turns, one from the
    body's table towards what it reads and one from the head towards its readers. The search ends with the smaller
    of the two, so that building up long chains in any order stays near-linear.
    """

    def __init__(self) -> None:
        self._reads: dict[Table, Counter[Table]] = {}
        self._readers: dict[Table, set[Table]] = {}

    def add(self, rules: Iterable[Rule]) -> None:
        """Add rules, all or none. Raises CongressError "rule_syntax" that names the cycle."""
        added: list[Rule] = []
        for rule in rules:
            added.append(rule)
            cycle = self._add(rule)
            if cycle:
                self.remove(added)
                raise _recursive(cycle)

    def remove(self, rules: Iterable[Rule]) -> None:
        """Remove rules that were added; nothing of them is left."""
        for rule in rules:
            head = rule.head.table
            for table in _tables(rule):
                edges = self._reads[head]
                edges[table] -= 1
                if edges[table]:
                    continue
                del edges[table]
                if not edges:
                    del self._reads[head]
                readers = self._readers[table]
                readers.discard(head)
                if not readers:
                    del self._readers[table]

    def reads(self, table: Table) -> frozenset[Table]:
        """The tables from which ``table`` is computed directly."""
        return frozenset(self._reads.get(table, ()))

    def readers(self, table: Table) -> frozenset[Table]:
        """The tables that are computed directly from ``table``."""
        return frozenset(self._readers.get(table, ()))

    def order(self, tables: Iterable[Table]) -> list[Table]:
        """The tables and all that they are computed from, each after those that it reads."""
        ordered: dict[Table, None] = {}
        entered: set[Table] = set()
        stack = list(tables)
        stack.reverse()
        while stack:
            table = stack[-1]
            if table in ordered:
                stack.pop()
            elif table in entered:
                ordered[stack.pop()] = None
            else:
                entered.add(table)
                stack.extend(below for below in self._reads.get(table, ()) if below not in ordered)
        return list(ordered)

    def _add(self, rule: Rule) -> list[Table]:
        """Count a rule's edges; the cycle that they close, if any."""
        head = rule.head.table
        new = []
        for table in _tables(rule):
            edges = self._reads.setdefault(head, Counter())
            if table not in edges:
                new.append(table)
                self._readers.setdefault(table, set()).add(head)
            edges[table] += 1
        for table in new:
            cycle = self._cycle(head, table)
            if cycle:
                return cycle
        return []

    def _cycle(self, head: Table, body: Table) -> list[Table]:
        """A way from ``body`` back to ``head``, as ``head, body, ..., head``; empty if there is none."""
        if head == body:
            return [head, head]
        came_down: dict[Table, Table | None] = {body: None}
        came_up: dict[Table, Table | None] = {head: None}
        down = _walk(body, self._reads, came_down)
        up = _walk(head, self._readers, came_up)
        while True:
            for step, other in ((down, came_up), (up, came_down)):
                for table in step:
                    if table in other:
                        return [head, *reversed(_trail(table, came_down)), *_trail(table, came_up)[1:]]
                    break
                else:
                    return []


def _tables(rule: Rule) -> set[Table]:
    return {item.atom.table for item in rule.body if isinstance(item, Literal)}


def _walk(start: Table, edges: Mapping[Table, Iterable[Table]], came: dict[Table, Table | None]) -> Iterator[Table]:
    """Breadth-first over ``edges``: each far end of an edge in turn; ``came`` gets whence each was first reached."""
    queue = deque([start])
    while queue:
        table = queue.popleft()
        for far in edges.get(table, ()):
            if far not in came:
                came[far] = table
                queue.append(far)
            yield far


def _trail(table: Table, came: Mapping[Table, Table | None]) -> list[Table]:
    """From ``table`` back to where its walk began, both included."""
    trail = []
    place: Table | None = table
    while place is not None:
        trail.append(place)
        place = came[place]
    return trail


def _recursive(cycle: list[Table]) -> CongressError:
    names = list(map(str, cycle))
    shown = names if len(names) <= _SHOWN else [*names[: _SHOWN - 2], f"({len(names) - _SHOWN + 1} more)", names[-1]]
    return CongressError(
        "rule_syntax",
        f"Rules are recursive: {' -> '.join(shown)}. Recursion comes with a later release of congressd.",
        {"reason": "recursion", "cycle": names[:1000]},
    )
