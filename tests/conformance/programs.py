"""Random programs for hypothesis: safe rules in core form, rows, batches and queries over a small fixed set of tables.

Domains are small and tables well filled, so that joins hit, negations are neither always true nor always false, and one
row comes from several rules. A derived table reads only tables before it in `DERIVED`, so nothing is recursive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from hypothesis import strategies as st

from congressd.language.builtins import BUILTINS
from congressd.language.core import Atom, BodyItem, Call, Constant, Literal, Rule, Table, Term, Variable
from congressd.model.tables import Column, TableChange, TableSchema
from congressd.model.values import FALSE, TRUE, Row, Value

SOURCES: Final[dict[str, dict[str, int]]] = {
    "s": {"flag": 0, "one": 1, "two": 2, "three": 3},
    "r": {"one": 1, "two": 2, "edge": 2},
}
BASE: Final = {Table(source, table): arity for source, tables in SOURCES.items() for table, arity in tables.items()}
DERIVED: Final = {
    Table("p", "a"): 1,
    Table("q", "b"): 2,
    Table("p", "c"): 2,
    Table("q", "flag"): 0,
    Table("p", "d"): 1,
    Table("p", "e"): 3,
    Table("q", "f"): 2,
    Table("p", "act", "execute"): 1,
    Table("q", "h"): 1,
}
TABLES: Final = {**BASE, **DERIVED}

#: Most values are one of four, so that tables overlap; the rest are there to be confused with each other.
COMMON: Final[tuple[Value, ...]] = (0, 1, 2, "a") * 7
VALUES: Final[tuple[Value, ...]] = (*COMMON, 1.0, 2.5, -1, "1", "b", "", TRUE, FALSE, None)

#: None of these tells 1 from 1.0, which are one value; so ``div`` is not here.
CALLS: Final = (
    *("lt", "gteq", "equal", "is_null", "startswith", "true", "false"),
    *("plus", "mul", "max", "min", "mod", "abs", "len", "concat", "coalesce"),
)

#: What the items of a body are: positive literals, negated ones, calls; as often as they stand here.
KINDS: Final = ("p", "p", "p", "n", "n", "c")

values = st.sampled_from(VALUES)
constants = values.map(Constant)
names = st.sampled_from(["x", "y", "z", "w"])


def rows_of(arity: int) -> st.SearchStrategy[Row]:
    """One row."""
    return st.tuples(*[values] * arity)


def schemas(source: str) -> list[TableSchema]:
    """What a source declares."""
    return [
        TableSchema(table, tuple(Column(f"c{number}") for number in range(arity)))
        for table, arity in SOURCES[source].items()
    ]


def tables_of(arities: Mapping[str, int], least: int, most: int) -> st.SearchStrategy[dict[str, list[Row]]]:
    """Rows for some of a source's tables."""
    return st.fixed_dictionaries(
        {},
        optional={table: st.lists(rows_of(arity), min_size=least, max_size=most) for table, arity in arities.items()},
    )


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, dict[str, TableChange]]:
    """One batch: rows that come and go in any of a source's tables, some in both."""
    source = draw(st.sampled_from(sorted(SOURCES)))
    come, go = draw(tables_of(SOURCES[source], 0, 4)), draw(tables_of(SOURCES[source], 0, 6))
    return source, {table: TableChange(come.get(table, ()), go.get(table, ())) for table in {**come, **go}}


@st.composite
def snapshots(draw: st.DrawFn) -> tuple[str, dict[str, list[Row]]]:
    """The whole new content of a source; tables may be left out."""
    source = draw(st.sampled_from(sorted(SOURCES)))
    return source, draw(tables_of(SOURCES[source], 0, 10))


def contents(source: str) -> st.SearchStrategy[dict[str, list[Row]]]:
    """Enough rows in every table of a source for joins to hit."""
    return st.fixed_dictionaries(
        {table: st.lists(rows_of(arity), max_size=10 + 2 * arity) for table, arity in SOURCES[source].items()}
    )


@st.composite
def facts(draw: st.DrawFn) -> Rule:
    """A fact of a derived table."""
    table = draw(st.sampled_from(list(DERIVED)))
    return Rule(Atom(table, tuple(map(Constant, draw(rows_of(DERIVED[table]))))), (), table.policy)


class _Body:
    """A body in the making, with the variables that it binds so far."""

    def __init__(self, draw: st.DrawFn, readable: list[Table]) -> None:
        self.draw = draw
        self.readable = readable
        self.items: list[BodyItem] = []
        self.bound: list[str] = []
        self._anonymous = 0

    def anonymous(self) -> Variable:
        self._anonymous += 1
        return Variable(f"_{self._anonymous}")

    def bound_term(self) -> Term:
        """A variable that is bound, or else a constant."""
        if self.bound and self.draw(st.integers(0, 7)) < 7:
            return Variable(self.draw(st.sampled_from(self.bound)))
        return self.draw(constants)

    def positive(self) -> None:
        table = self.draw(st.sampled_from(self.readable))
        args: list[Term] = []
        for _ in range(TABLES[table]):
            kind = self.draw(st.integers(0, 15))
            args.append(
                Variable(self.draw(names)) if kind < 12 else self.anonymous() if kind < 15 else self.draw(constants)
            )
        self.items.append(Literal(Atom(table, tuple(args))))
        self._bind(args)

    def negative(self) -> None:
        table = self.draw(st.sampled_from(self.readable))
        args = [
            self.bound_term() if self.draw(st.integers(0, 3)) < 3 else self.anonymous() for _ in range(TABLES[table])
        ]
        self.items.append(Literal(Atom(table, tuple(args)), negated=True))

    def call(self) -> None:
        builtin = BUILTINS[self.draw(st.sampled_from(CALLS))]
        negated = self.draw(st.integers(0, 3)) == 3
        args = [self.bound_term() for _ in range(builtin.inputs)]
        for _ in range(builtin.outputs):
            kind = self.draw(st.integers(0, 3))
            if negated or kind == 3:
                args.append(self.bound_term())
            else:
                args.append(self.anonymous() if kind == 2 else Variable(self.draw(names)))
        self.items.append(Call(builtin.name, tuple(args), negated))
        if not negated:
            self._bind(args)

    def _bind(self, args: list[Term]) -> None:
        for term in args:
            if isinstance(term, Variable) and not term.anonymous and term.name not in self.bound:
                self.bound.append(term.name)


@st.composite
def rules(draw: st.DrawFn, heads: tuple[Table, ...] = tuple(DERIVED)) -> Rule:
    """A safe rule whose body stands in an order in which inputs are bound."""
    order = list(DERIVED)
    table = draw(st.sampled_from(heads))
    below = order[: order.index(table)] if table in DERIVED else order
    body = _Body(draw, [each for each in (*BASE, *below, *below) if each.modal is None])
    if draw(st.integers(0, 7)) < 7:
        body.positive()
    for kind in draw(st.lists(st.sampled_from(KINDS), max_size=3)):
        {"p": body.positive, "n": body.negative, "c": body.call}[kind]()
    head = Atom(table, tuple(body.bound_term() for _ in range(TABLES.get(table, 2))))
    return Rule(head, tuple(body.items), "p" if table.modal else table.policy)


@st.composite
def questions(draw: st.DrawFn) -> Rule:
    """A rule that is asked, not inserted; it may read every table."""
    return draw(rules(heads=(Table("p", "answer"),)))


@st.composite
def atoms(draw: st.DrawFn) -> Atom:
    """A query of one table, with any mixture of constants and variables that may repeat."""
    table = draw(st.sampled_from(list(TABLES)))
    args: list[Term] = [
        draw(constants) if draw(st.booleans()) else Variable(draw(st.sampled_from(list("xy"))))
        for _ in range(TABLES[table])
    ]
    return Atom(table, tuple(args))


def whole(table: Table) -> Atom:
    """The query of all rows of a table."""
    return Atom(table, tuple(Variable(f"x{number}") for number in range(TABLES[table])))


#: The policy whose rules say what the action ``go(x, y)`` does; its unqualified tables are those of policy ``p``.
THEORY: Final = "deeds"
GO: Final = Table(THEORY, "go")
DECLARED: Final = Rule(Atom(Table(THEORY, "action"), (Constant("go"),)), (), THEORY)
TOUCHED: Final = [table for table in TABLES if table.modal is None and (table in BASE or table.policy == "p")]


def update(table: Table, sign: str) -> Table:
    """The table ``p+`` or ``p-`` of ``p``."""
    return Table(table.policy, table.name + sign)


@st.composite
def effects(draw: st.DrawFn) -> Rule:
    """What the action does to one table: ``p+(y, z) :- go(x, y), ...``."""
    table = draw(st.sampled_from(TOUCHED))
    body = _Body(draw, TOUCHED)
    body.items.append(Literal(Atom(GO, (Variable("x"), Variable("y")))))
    body.bound += ["x", "y"]
    for kind in draw(st.lists(st.sampled_from(KINDS), max_size=2)):
        {"p": body.positive, "n": body.negative, "c": body.call}[kind]()
    head = Atom(update(table, draw(st.sampled_from("+-"))), tuple(body.bound_term() for _ in range(TABLES[table])))
    return Rule(_here(head), tuple(replace(i, atom=_here(i.atom)) if isinstance(i, Literal) else i for i in body.items))


def _here(atom: Atom) -> Atom:
    """An atom of policy ``p`` as it stands in the theory, where its table needs no policy."""
    return replace(atom, table=replace(atom.table, policy=THEORY)) if atom.table.policy == "p" else atom


@st.composite
def steps(draw: st.DrawFn, inserted: Sequence[Rule]) -> tuple[Rule, ...]:
    """One step of a simulation of policy ``p``: a row or a rule that comes or goes, or an action."""
    sign = draw(st.sampled_from("+-"))
    kind = draw(st.integers(0, 5))
    own = [rule for rule in inserted if rule.head.table.policy == "p" and rule.head.table.modal is None and rule.body]
    if kind < 2:
        table = draw(st.sampled_from(TOUCHED))
        return (Rule(Atom(update(table, sign), tuple(map(Constant, draw(rows_of(TABLES[table])))))),)
    if kind == 2:
        return (Rule(Atom(GO_HERE, (draw(constants), draw(constants)))),)
    if kind == 3:
        body = _Body(draw, TOUCHED)
        body.positive()
        return (Rule(Atom(GO_HERE, (body.bound_term(), body.bound_term())), tuple(body.items)),)
    rule = draw(st.sampled_from(own)) if own and kind == 4 else draw(rules(heads=P_HEADS))
    sign = "-" if own and kind == 4 else "+"
    return (Rule(replace(rule.head, table=update(rule.head.table, sign)), rule.body, "p"),)


GO_HERE: Final = Table("p", "go")
P_HEADS: Final = tuple(table for table in DERIVED if table.policy == "p" and table.modal is None)
