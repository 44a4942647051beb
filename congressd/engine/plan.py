"""Plans: in which order a rule's body is joined, and over which indexes.

A plan is made for a purpose (`Purpose`): the whole rule (COLD), the change of one body literal (DELTA), or a head
of which some columns are given (BOUND). Order is greedy: filters as soon as their variables are bound, then the
literal with the smallest expected fan-out, estimated from the sizes and indexes that the state has at that moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol

from congressd.engine.storage import Columns
from congressd.language.builtins import BUILTINS
from congressd.language.core import BodyItem, Call, Constant, Literal, Rule, Table, Variable

#: What fraction of rows a constant is guessed to let through, and what building an index costs next to visiting a row.
CONSTANT_SELECTIVITY: Final = 0.1
INDEX_COST: Final = 0.4


class State(Protocol):
    """The tables that a compiled rule runs over: the live ones, published ones, or an overlay."""

    def size(self, table: Table) -> int:
        """Number of rows."""

    def distinct(self, table: Table, columns: Columns) -> int | None:
        """Number of keys of the index over these columns; None if there is no such index yet."""

    def is_unique(self, table: Table, columns: Columns) -> bool:
        """Whether the index over these columns maps to single rows; builds the index."""

    def is_virtual(self, table: Table) -> bool:
        """Whether the table is not held, only checked for single rows."""

    def key(self, table: Table) -> Columns:
        """The columns of the declared key; empty if there is none."""

    def rows(self, table: Table) -> Mapping[Any, Any]:
        """The rows, as keys of a mapping."""

    def entries(self, table: Table, columns: Columns) -> Mapping[Any, Any]:
        """The entries of the index over these columns."""

    def holds(self, table: Table) -> Any:
        """The check of a virtual table: a callable from a row to a truth."""


class Mode(Enum):
    """What a compiled rule does with each set of bindings that satisfies the body."""

    COUNT = "count"  #: out[head] += sign
    SELECT = "select"  #: out[head] = 1
    TOTAL = "total"  #: out[0] += 1
    EXISTS = "exists"  #: return True at the first
    BINDINGS = "bindings"  #: out.append(values of all variables), up to `sign` of them


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a plan is for. ``delta`` is the body position whose change is given; ``bound`` the given head columns."""

    mode: Mode
    delta: int | None = None
    bound: Columns = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One body item in its turn; ``columns`` is the index to use, None for a scan, a check, a builtin."""

    position: int
    columns: Columns | None = None


def variables_of(item: BodyItem) -> set[str]:
    """Names of the variables of a body item."""
    args = item.args if isinstance(item, Call) else item.atom.args
    return {arg.name for arg in args if isinstance(arg, Variable)}


def needs_of(item: Call) -> set[str]:
    """Names of the variables that must be bound before a builtin can run."""
    inputs = item.args if item.negated else item.args[: BUILTINS[item.builtin].inputs]
    return {arg.name for arg in inputs if isinstance(arg, Variable)}


def order(rule: Rule, purpose: Purpose, state: State) -> tuple[Step, ...]:
    """The steps of a plan for ``rule``, cheapest first as far as the state's sizes tell."""
    given = {arg.name for column in purpose.bound if isinstance(arg := rule.head.args[column], Variable)}
    if purpose.delta is not None:
        item = rule.body[purpose.delta]
        steps, _ = _complete(rule, state, given | variables_of(item), (Step(purpose.delta),), cold=False)
        return steps
    if purpose.bound:
        return _complete(rule, state, given, (), cold=False)[0]
    return min(
        (_complete(rule, state, set(), (), cold=True, first=first) for first in _starts(rule, state)),
        key=lambda option: option[1],
    )[0]


def _starts(rule: Rule, state: State) -> Iterable[int | None]:
    starts = [
        position
        for position, item in enumerate(rule.body)
        if isinstance(item, Literal) and not item.negated and not state.is_virtual(item.atom.table)
    ]
    return starts or [None]


def _complete(
    rule: Rule,
    state: State,
    bound: set[str],
    steps: tuple[Step, ...],
    *,
    cold: bool,
    first: int | None = None,
) -> tuple[tuple[Step, ...], float]:
    """Order the items that ``steps`` lack; returns all steps and their expected cost in visited rows."""
    body = rule.body
    left = [position for position in range(len(body)) if all(step.position != position for step in steps)]
    chosen = list(steps)
    bound = set(bound)
    rows = 1.0
    total = 0.0
    while left:
        ready = next((p for p in left if _is_filter(body[p], bound, state)), None)
        if ready is not None:
            left.remove(ready)
            bound |= variables_of(body[ready])
            chosen.append(Step(ready))
            continue
        best: tuple[float, float, int, Columns | None] | None = None
        for p in left if first is None else (first,):
            item = body[p]
            if not isinstance(item, Literal) or item.negated or state.is_virtual(item.atom.table):
                continue
            fan_out, build, columns = _access(item, bound, state, cold=cold)
            cost = rows * fan_out + build
            if best is None or cost < best[0]:
                best = (cost, fan_out, p, columns)
        if best is None:
            raise AssertionError(f"rule is not safe: {rule}")
        cost, fan_out, position, columns = best
        first = None
        total += cost
        rows = max(1.0, rows * fan_out)
        left.remove(position)
        literal = body[position]
        assert isinstance(literal, Literal)
        chosen.append(Step(position, columns))
        bound |= variables_of(literal)
    return tuple(chosen), total


def _is_filter(item: BodyItem, bound: set[str], state: State) -> bool:
    if isinstance(item, Call):
        return needs_of(item) <= bound
    if item.negated or state.is_virtual(item.atom.table):
        return variables_of(item) <= bound
    return False


def _access(item: Literal, bound: set[str], state: State, *, cold: bool) -> tuple[float, float, Columns | None]:
    """Expected rows for one set of bindings, cost of an index that is still to be built, and the index's columns."""
    table = item.atom.table
    args = item.atom.args
    size = float(state.size(table))
    by_variable = tuple(column for column, arg in enumerate(args) if isinstance(arg, Variable) and arg.name in bound)
    by_constant = tuple(column for column, arg in enumerate(args) if isinstance(arg, Constant))
    let_through = CONSTANT_SELECTIVITY ** len(by_constant)
    if len(by_variable) + len(by_constant) == len(args):
        return 0.5, 0.0, None
    if by_variable:
        columns, distinct = _best_index(table, by_variable, state, size)
        built = state.distinct(table, columns) is not None
        return max(size / distinct, 0.01) * let_through, 0.0 if built else size * INDEX_COST, columns
    if by_constant and size:
        distinct_known = state.distinct(table, by_constant)
        if distinct_known or not cold:
            return max(size * let_through, 0.01), 0.0 if distinct_known else size * INDEX_COST, by_constant
    return size, 0.0, None


def _best_index(table: Table, columns: Columns, state: State, size: float) -> tuple[Columns, float]:
    """The index to use for bound ``columns`` and how many keys it is expected to have."""
    key = state.key(table)
    if key and set(key) <= set(columns):
        return key, max(size, 1.0)
    for column in columns:
        known = state.distinct(table, (column,))
        if known and known >= size:
            return (column,), max(size, 1.0)
    known = state.distinct(table, columns)
    if known:
        return columns, float(known)
    if columns[0] == 0:
        return columns, max(size, 1.0)
    return columns, max(size**0.5, 1.0)
