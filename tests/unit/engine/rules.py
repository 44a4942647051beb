"""Short words for rules, rows and engines in the engine's tests."""

from __future__ import annotations

from congressd.engine.engine import Engine
from congressd.language.core import Atom, Call, Constant, Literal, Rule, Table, Term, Variable
from congressd.model.tables import TableChange
from congressd.model.values import Row, Value, sorted_rows


class Is:
    """A constant among the arguments of `atom`, where a bare string is a variable."""

    def __init__(self, value: Value) -> None:
        self.value = value


def term(arg: str | int | Is) -> Term:
    """``"x"`` is a variable, ``"_1"`` an anonymous one, a number or `Is` a constant."""
    if isinstance(arg, Is):
        return Constant(arg.value)
    return Variable(arg) if isinstance(arg, str) else Constant(arg)


def table(name: str) -> Table:
    """``"p:q"``, or ``"q"`` of the policy ``p``."""
    policy, _, rest = name.rpartition(":")
    return Table(policy or "p", rest)


def atom(name: str, *args: str | int | Is) -> Atom:
    return Atom(table(name), tuple(map(term, args)))


def lit(name: str, *args: str | int | Is) -> Literal:
    return Literal(atom(name, *args))


def no(name: str, *args: str | int | Is) -> Literal:
    return Literal(atom(name, *args), negated=True)


def call(name: str, *args: str | int | Is) -> Call:
    return Call(name, tuple(map(term, args)))


def rule(head: Atom, *body: Literal | Call) -> Rule:
    return Rule(head, body, head.table.policy)


def fact(name: str, *values: Value) -> Rule:
    return rule(Atom(table(name), tuple(map(Constant, values))))


def rows(engine: Engine, name: str, arity: int) -> list[Row]:
    """All rows of a table, sorted."""
    return sorted_rows(engine.query(atom(name, *(f"x{at}" for at in range(arity)))))


def change(*added: Row, removed: tuple[Row, ...] = ()) -> TableChange:
    return TableChange(added, removed)
