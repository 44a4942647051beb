"""The program: all rules and facts in the form that the engine runs, and who reads whom.

Two things are rewritten here. ``builtin:now(x)`` becomes a table with one row. A negated literal with anonymous
columns, ``not q(x, _)``, becomes the negation of a *projection* of ``q`` to its other columns, made once however
many rules want it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from congressd.engine.codegen import Compiled
from congressd.engine.plan import Purpose
from congressd.language.core import Atom, BodyItem, Call, Literal, Rule, Table, Variable
from congressd.model.values import Row

NOW: Final = Table("builtin", "now")


@dataclass(eq=False, slots=True)
class Node:
    """One rule in the program, with what was compiled for it."""

    rule: Rule  #: as the engine runs it
    origin: Rule  #: as it was given
    compiled: dict[tuple[Purpose, bool], Compiled] = field(default_factory=dict)

    @property
    def head(self) -> Table:
        return self.rule.head.table


def is_fact(rule: Rule) -> bool:
    """Whether a rule is one row, rather than something to compute."""
    return not rule.body


def row_of(rule: Rule) -> Row:
    """The row that a fact states."""
    return tuple(arg.value for arg in rule.head.args if not isinstance(arg, Variable))


def is_projection(table: Table) -> bool:
    """Whether a table exists only for a negated literal with anonymous columns."""
    return table.modal == "project"


class Program:
    """Rules by head, facts by table, and the body positions that read each table."""

    def __init__(self) -> None:
        self.rules: dict[Table, dict[Node, None]] = {}
        self.facts: dict[Table, dict[Row, int]] = {}
        self.readers: dict[Table, dict[tuple[Node, int], None]] = {}
        self._nodes: dict[Rule, list[Node]] = {}
        self._projections: dict[Table, tuple[Node, int]] = {}

    def defines(self, table: Table) -> bool:
        """Whether the table has rules or facts."""
        return table in self.rules or table in self.facts

    def change(self, add: Iterable[Rule], remove: Iterable[Rule]) -> list[Node]:
        """Take rules and facts out and in; returns the nodes that came. Ask `find` first whether all are there."""
        for rule in remove:
            if is_fact(rule):
                self.remove_fact(rule.head.table, row_of(rule))
            else:
                self.remove(rule)
        made: list[Node] = []
        for rule in add:
            if is_fact(rule):
                self.add_fact(rule.head.table, row_of(rule))
            else:
                made += self.add(rule)
        return made

    def add(self, rule: Rule) -> list[Node]:
        """Enter a rule that is not a fact; returns its node, with those of projections that it is first to want."""
        made: list[Node] = []
        node = Node(replace(rule, body=tuple(self._rewrite(item, made) for item in rule.body)), rule)
        self._nodes.setdefault(rule, []).append(node)
        made.append(node)
        for each in made:
            self._link(each)
        return made

    def find(self, rules: Iterable[Rule]) -> list[Node]:
        """The nodes that `remove` would take for these rules, facts left out. Raises KeyError if one is not there."""
        wanted = Counter(rules)
        found: list[Node] = []
        for rule, times in wanted.items():
            if is_fact(rule):
                if self.facts.get(rule.head.table, {}).get(row_of(rule), 0) < times:
                    raise KeyError(rule)
            elif len(self._nodes.get(rule, ())) < times:
                raise KeyError(rule)
            else:
                found += self._nodes[rule][-times:]
        return found

    def remove(self, rule: Rule) -> list[Node]:
        """Take a rule out; returns its node, with those of projections that nobody wants any more.

        Raises KeyError if the rule is not there.
        """
        nodes = self._nodes[rule]
        node = nodes.pop()
        if not nodes:
            del self._nodes[rule]
        gone = [node]
        for item in node.rule.body:
            if isinstance(item, Literal) and is_projection(item.atom.table):
                projection, wanted = self._projections[item.atom.table]
                if wanted > 1:
                    self._projections[item.atom.table] = (projection, wanted - 1)
                else:
                    del self._projections[item.atom.table]
                    gone.append(projection)
        for each in gone:
            self._unlink(each)
        return gone

    def add_fact(self, table: Table, row: Row) -> None:
        rows = self.facts.setdefault(table, {})
        rows[row] = rows.get(row, 0) + 1

    def remove_fact(self, table: Table, row: Row) -> None:
        """Raises KeyError if the fact is not there."""
        rows = self.facts[table]
        if rows[row] > 1:
            rows[row] -= 1
            return
        del rows[row]
        if not rows:
            del self.facts[table]

    def copy(self) -> Program:
        """A program that can change without touching this one; what was compiled is shared."""
        other = Program()
        other.rules = {table: dict(nodes) for table, nodes in self.rules.items()}
        other.facts = {table: dict(rows) for table, rows in self.facts.items()}
        other.readers = {table: dict(positions) for table, positions in self.readers.items()}
        other._nodes = {rule: list(nodes) for rule, nodes in self._nodes.items()}
        other._projections = dict(self._projections)
        return other

    def reads(self, table: Table) -> Iterator[Table]:
        """The tables in the bodies of this table's rules, with repetitions."""
        for node in self.rules.get(table, ()):
            for item in node.rule.body:
                if isinstance(item, Literal):
                    yield item.atom.table

    def closure(self, roots: Iterable[Table]) -> list[Table]:
        """``roots`` and all that they read, directly or not; every table after those that it reads."""
        done: set[Table] = set()
        ordered: list[Table] = []
        for root in roots:
            if root in done:
                continue
            done.add(root)
            stack = [(root, self.reads(root))]
            while stack:
                table, rest = stack[-1]
                following = next((each for each in rest if each not in done), None)
                if following is None:
                    ordered.append(table)
                    stack.pop()
                else:
                    done.add(following)
                    stack.append((following, self.reads(following)))
        return ordered

    def prepare(self, rule: Rule) -> tuple[Node, list[Node]]:
        """A node for a rule that is only asked, not entered, and nodes for projections that it needs in addition."""
        made: list[Node] = []
        body = tuple(self._rewrite(item, made, count=False) for item in rule.body)
        return Node(replace(rule, body=body), rule), made

    def _link(self, node: Node) -> None:
        self.rules.setdefault(node.head, {})[node] = None
        for position, item in enumerate(node.rule.body):
            if isinstance(item, Literal):
                self.readers.setdefault(item.atom.table, {})[node, position] = None

    def _unlink(self, node: Node) -> None:
        rules = self.rules[node.head]
        del rules[node]
        if not rules:
            del self.rules[node.head]
        for position, item in enumerate(node.rule.body):
            if isinstance(item, Literal):
                readers = self.readers[item.atom.table]
                del readers[node, position]
                if not readers:
                    del self.readers[item.atom.table]

    def _rewrite(self, item: BodyItem, made: list[Node], *, count: bool = True) -> BodyItem:
        if isinstance(item, Call):
            if item.builtin != NOW.name:
                return item
            return Literal(Atom(NOW, item.args), item.negated)
        if not item.negated:
            return item
        kept = [
            column for column, arg in enumerate(item.atom.args) if not (isinstance(arg, Variable) and arg.anonymous)
        ]
        if len(kept) == len(item.atom.args):
            return item
        source = item.atom.table
        columns = ",".join(map(str, kept))
        table = Table(source.policy, f"{source.modal or ''}{source.name}/{columns}", "project")
        if table in self._projections:
            node, wanted = self._projections[table]
            if count:
                self._projections[table] = (node, wanted + 1)
        else:
            every = tuple(Variable(f"_{column}") for column in range(len(item.atom.args)))
            named = tuple(Variable(f"x{column}") if column in kept else every[column] for column in range(len(every)))
            rule = Rule(
                Atom(table, tuple(named[column] for column in kept)), (Literal(Atom(source, named)),), source.policy
            )
            node = Node(rule, rule)
            made.append(node)
            if count:
                self._projections[table] = (node, 1)
        return Literal(Atom(table, tuple(item.atom.args[column] for column in kept)), True)
