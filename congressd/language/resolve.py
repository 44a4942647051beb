"""What names mean: which table or builtin an atom reads, and which column each of its arguments is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from congressd.language import core, syntax
from congressd.language.builtins import BUILTINS
from congressd.language.catalog import ACTION, DATASOURCE, Catalog
from congressd.language.problems import clip, problem
from congressd.model.errors import CongressError
from congressd.model.nearest import hint

BUILTIN: Final = "builtin"  #: what stands before the colon of a builtin's full name
_MAX_HINTED: Final = 500
AGGREGATES: Final = frozenset(["count", "sum", "min", "max", "avg"])


class Scope:
    """One text that is checked: where it stands, how its variables are named, what was noticed on the way."""

    __slots__ = ("_fresh", "_names", "catalog", "code", "here", "policy", "quiet", "seen", "text", "warnings")

    def __init__(self, code: str, text: str, policy: str, catalog: Catalog, quiet: bool = False) -> None:
        """A ``quiet`` scope notices errors only."""
        self.code = code
        self.text = text
        self.policy = policy
        self.catalog = catalog
        self.quiet = quiet
        self.warnings: dict[str, None] = {}
        self.here: set[tuple[str, str]] = set()  # tables that this text itself defines
        self.seen: dict[tuple[str, str], int] = {}  # arities that its own atoms set
        self._fresh = 0
        self._names: dict[str, core.Variable] = {}

    def error(self, reason: str, sentence: str, span: syntax.Span) -> CongressError:
        """The error for a part of the text."""
        return problem(self.code, reason, sentence, self.text, span)

    def show(self, node: syntax.Atom | syntax.Literal | syntax.Expression | syntax.Rule) -> str:
        """A part of the text as it is written, on one line."""
        return clip(self.text[node.span[0] : node.span[1]])

    def fresh(self) -> core.Variable:
        """An anonymous variable that is used nowhere else."""
        self._fresh += 1
        return core.Variable(f"_{self._fresh}")

    def intermediate(self) -> core.Variable:
        """A variable for a value on the way to another; unlike an anonymous one it is used again."""
        self._fresh += 1
        return core.Variable(f"_t{self._fresh}")

    def variable(self, name: str) -> core.Variable:
        """The core variable of a name; one that looks made by us (``_1``, ``_t1``) gets an underscore behind it."""
        if name == "_":
            return self.fresh()
        known = self._names.get(name)
        if known is None:
            # also for _1_, so that the new names of _1 and _1_ differ
            looks_made = name[0] == "_" and name[1:].removeprefix("t").rstrip("_").isdigit()
            known = self._names[name] = core.Variable(f"{name}_" if looks_made else name)
        return known

    def term(self, expression: syntax.Expression) -> core.Term:
        """The term of an argument. Raises CongressError for arithmetic and aggregates, which are no terms."""
        if isinstance(expression, syntax.Variable):
            return self.variable(expression.name)
        if isinstance(expression, syntax.Constant):
            return core.Constant(expression.value)
        if isinstance(expression, syntax.Application):
            raise self.application(expression)
        shown = self.show(expression)
        raise self.error(
            "nested",
            f"{shown} is arithmetic, which an argument cannot be: give it a name in a condition of its own, "
            f"as in z = {shown}, and use z",
            expression.span,
        )

    def application(self, expression: syntax.Application) -> CongressError:
        """The error for ``name(...)`` in place of a term."""
        shown, name = self.show(expression), expression.name
        if name in AGGREGATES and len(expression.arguments) == 1:
            return self.error(
                "later", f"{shown} is an aggregate; aggregates come with a later release of congressd", expression.span
            )
        advice = (
            f"call it in a condition of its own, as in {BUILTINS[name].signature}"
            if name in BUILTINS
            else (f"there is no function {name}.{hint(name, BUILTINS)}")
        )
        return self.error("nested", f"{shown} stands where a variable or value is wanted; {advice}", expression.span)

    def builtin(self, atom: syntax.Atom) -> str | None:
        """The name of the builtin that an atom calls; None if it reads a table."""
        if atom.service is None:
            return atom.table if atom.table in BUILTINS else None
        if atom.service != BUILTIN:
            return None
        if atom.table not in BUILTINS:
            raise self.error(
                "unknown_builtin", f"There is no builtin {atom.table}.{hint(atom.table, BUILTINS)}", atom.name_span
            )
        return atom.table

    def builtin_args(self, name: str, atom: syntax.Atom) -> tuple[core.Term, ...]:
        """The arguments of a call, one for each parameter."""
        builtin, given = BUILTINS[name], atom.arguments
        if any(argument.column is not None for argument in given):
            raise self.error("arity", f"{self.show(atom)} names its arguments, which builtins do not allow", atom.span)
        if len(given) != len(builtin.parameters):
            raise self.error(
                "arity",
                f"Literal {self.show(atom)} contained {len(given)} arguments but exactly {len(builtin.parameters)} "
                f"arguments are permitted: builtin:{builtin.signature}",
                atom.span,
            )
        return tuple(self.term(argument.expression) for argument in given)

    def body_atom(self, atom: syntax.Atom) -> core.Atom:
        """The table that a condition reads, with a term for each column; those not given are anonymous."""
        service = atom.service if atom.service is not None else self.policy
        table = core.Table(service, atom.table, atom.modal)
        if atom.modal is None:
            self._know(service, atom)
        return core.Atom(table, self._complete(service, atom, head=False))

    def head_atom(self, atom: syntax.Atom) -> core.Atom:
        """The table that a head defines; a term for each column must be given."""
        service = atom.service if atom.service is not None else self.policy
        if atom.modal is None and service != self.policy:
            self._know(service, atom)
        return core.Atom(core.Table(service, atom.table, atom.modal), self._complete(service, atom, head=True))

    def _know(self, service: str, atom: syntax.Atom) -> None:
        """Refuse a table that a source does not have; warn of one that nothing defines yet."""
        catalog, table = self.catalog, atom.table
        known = catalog.tables(service)
        if table in known or (service, table) in self.here or _base(table) in known:
            return
        kind = catalog.policy_kind(service)
        if kind == DATASOURCE and known:
            raise self.error(
                "unknown_table", f"The source {service} has no table {table}.{hint(table, known)}", atom.name_span
            )
        if self.quiet:
            return
        if kind == DATASOURCE:
            self.warn(f"The tables of the source {service} are not known yet; {service}:{table} is empty until then.")
        elif kind is None and service != self.policy:
            near = _hint(service, catalog.policies())
            self.warn(f"There is no policy or source {service} yet; {service}:{table} is empty until there is.{near}")
        elif kind != ACTION:  # what actions read is in the policy that is simulated
            near = _hint(table, [*known, *BUILTINS] if atom.service is None else known)
            self.warn(f"No rule or fact defines the table {service}:{table} yet; it is empty until one does.{near}")

    def warn(self, sentence: str) -> None:
        """Keep a sentence about what looks wrong but is allowed."""
        self.warnings[sentence] = None

    def _arity(self, service: str, table: str) -> tuple[tuple[str, ...] | None, int | None]:
        """Names of a table's columns and their number, as far as known; ``p+`` has those of ``p``."""
        for name in (table, _base(table)):
            columns = self.catalog.columns(service, name)
            if columns is not None:
                return columns, len(columns)
            arity = self.catalog.arity(service, name)
            if arity is not None:
                return None, arity
        return None, None

    def _complete(self, service: str, atom: syntax.Atom, head: bool) -> tuple[core.Term, ...]:
        given = atom.arguments
        if atom.modal is not None:  # actions take any number of arguments
            if any(argument.column is not None for argument in given):
                raise self.error(
                    "column", f"{self.show(atom)} names its arguments, which actions do not allow", atom.span
                )
            return tuple([self.term(argument.expression) for argument in given])
        columns, arity = self._arity(service, atom.table)
        if given and given[-1].column is not None:
            return self._place(service, atom, columns, arity, head)
        count = len(given)
        if arity is None:
            arity = self.seen.setdefault((service, atom.table), count)
            if count != arity:
                raise self._wrong_count(atom, arity, None)
        elif count > arity or (head and count < arity):
            raise self._wrong_count(atom, arity, columns)
        terms = [self.term(argument.expression) for argument in given]
        if count < arity:
            if not self.quiet and self.catalog.policy_kind(service) != DATASOURCE:
                self.warn(
                    f"{self.show(atom)} gives {count} of the {arity} columns of {service}:{atom.table}; "
                    "the others may have any value."
                )
            terms += [self.fresh() for _ in range(arity - count)]
        return tuple(terms)

    def _place(
        self, service: str, atom: syntax.Atom, columns: tuple[str, ...] | None, arity: int | None, head: bool
    ) -> tuple[core.Term, ...]:
        """The terms of an atom that names columns."""
        numbered = all(not isinstance(argument.column, str) for argument in atom.arguments)
        if arity is None or (columns is None and not numbered):
            raise self._no_schema(service, atom)
        terms: list[core.Term | None] = [None] * arity
        for position, argument in enumerate(atom.arguments):
            index = self._index(service, atom, argument, position, columns, arity)
            if terms[index] is not None:
                name = columns[index] if columns else str(index)
                raise self.error("column", f"{self.show(atom)} gives the column {name} twice", argument.span)
            terms[index] = self.term(argument.expression)
        missing = [index for index, term in enumerate(terms) if term is None]
        if head and missing:
            names = ", ".join(columns[index] if columns else str(index) for index in missing)
            raise self.error("arity", f"The head {self.show(atom)} gives no value for {names}", atom.span)
        return tuple(self.fresh() if term is None else term for term in terms)

    def _index(
        self,
        service: str,
        atom: syntax.Atom,
        argument: syntax.Argument,
        position: int,
        columns: tuple[str, ...] | None,
        arity: int,
    ) -> int:
        """The column of an argument, from 0."""
        column = argument.column
        index = position if column is None else column
        if isinstance(index, str):
            if columns is not None and index in columns:
                return columns.index(index)
            raise self.error(
                "unknown_column",
                f"The table {service}:{atom.table} has no column {index}.{hint(index, columns or ())} "
                f"Its columns are {_listed(columns or ())}.",
                argument.span,
            )
        if 0 <= index < arity:
            return index
        if column is None:
            raise self._wrong_count(atom, arity, columns)
        raise self.error(
            "unknown_column",
            f"The table {service}:{atom.table} has no column number {index}; it has {arity}, counted from 0",
            argument.span,
        )

    def _no_schema(self, service: str, atom: syntax.Atom) -> CongressError:
        shown = self.show(atom)
        kind = self.catalog.policy_kind(service)
        if kind in (None, DATASOURCE) and service != self.policy:
            what = f"{service} is not there yet" if kind is None else f"{service} has not told its tables yet"
            return self.error(
                "schema_unknown", f"{shown} uses named arguments, but the schema is unknown. ({what})", atom.span
            )
        return self.error(
            "column",
            f"{shown} uses column references, but '{service}' does not reference a datasource policy. "
            f"(the columns of {service}:{atom.table} have no names; give all arguments by position)",
            atom.span,
        )

    def _wrong_count(self, atom: syntax.Atom, arity: int, columns: tuple[str, ...] | None) -> CongressError:
        names = f"; its columns are {_listed(columns)}" if columns else ""
        return self.error(
            "arity",
            f"Literal {self.show(atom)} contained {len(atom.arguments)} arguments but exactly {arity} arguments "
            f"are permitted{names}",
            atom.span,
        )


def _hint(name: str, known: Collection[str]) -> str:
    """The nearest name, unless the search would take long: a policy may have thousands of warnings."""
    return hint(name, known) if len(known) <= _MAX_HINTED else ""


def _base(table: str) -> str:
    """``p`` for the update tables ``p+`` and ``p-``."""
    return table[:-1] if table[-1] in "+-" else table


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:20])
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown
