"""Action theories: what actions do, told by the rules of a policy of kind ``action``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from congressd.engine.plan import variables_of
from congressd.engine.program import is_fact, row_of
from congressd.language.core import Atom, BodyItem, Constant, Literal, Rule, Table, Variable
from congressd.model.values import Row, Value


@dataclass(frozen=True, slots=True)
class ActionTheory:
    """What actions do: the rules and facts of one policy, and the policy whose tables its unqualified names mean."""

    policy: str
    rules: tuple[Rule, ...] = ()

    @property
    def actions(self) -> frozenset[Value]:
        """The names that the policy declares by ``action("name")``."""
        table = Table(self.policy, "action")
        return frozenset(row_of(rule)[0] for rule in self.rules if is_fact(rule) and rule.head.table == table)

    def rules_about(self, policy: str) -> list[Rule]:
        """The rules, with the tables that this policy does not define meaning those of ``policy``."""
        own = {rule.head.table for rule in self.rules if not is_effect(rule)}
        own |= {Table(self.policy, str(name)) for name in self.actions}

        def meant(table: Table) -> Table:
            return replace(table, policy=policy) if table.policy == self.policy and table not in own else table

        def rewritten(item: BodyItem) -> BodyItem:
            if not isinstance(item, Literal):
                return item
            return replace(item, atom=replace(item.atom, table=meant(item.atom.table)))

        return [
            replace(
                rule,
                head=replace(rule.head, table=meant(rule.head.table)) if is_effect(rule) else rule.head,
                body=tuple(map(rewritten, rule.body)),
            )
            for rule in self.rules
        ]


def fact(table: Table, row: Row) -> Rule:
    """A row as the rule that states it."""
    return Rule(Atom(table, tuple(map(Constant, row))), (), table.policy)


def is_effect(rule: Rule) -> bool:
    """Whether a rule says what an action does: its head is ``p+`` or ``p-``."""
    return rule.head.table.name[-1] in "+-"


def unbound(rule: Rule) -> list[Variable]:
    """Head variables that the body does not bind."""
    bound: set[str] = set().union(*map(variables_of, rule.body)) if rule.body else set()
    return [arg for arg in rule.head.args if isinstance(arg, Variable) and arg.name not in bound]


def ground(atom: Atom, bindings: dict[str, Value], otherwise: Callable[[], Constant | Variable]) -> Atom:
    """An atom with its variables replaced; the same unbound variable gets the same stand-in within the atom."""
    stand_ins: dict[str, Constant | Variable] = {}
    args: list[Constant | Variable] = []
    for arg in atom.args:
        if isinstance(arg, Constant):
            args.append(arg)
        elif arg.name in bindings:
            args.append(Constant(bindings[arg.name]))
        else:
            if arg.name not in stand_ins:
                stand_ins[arg.name] = otherwise()
            args.append(stand_ins[arg.name])
    return Atom(atom.table, tuple(args))


def values(atom: Atom) -> Row:
    """The row that a ground atom states."""
    return tuple(arg.value for arg in atom.args if isinstance(arg, Constant))
