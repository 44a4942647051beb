"""Questions about tables: rows, queries, explanations, simulations. Nothing here changes anything.

An answer to a repeated question is kept, as the bytes that go to the client, until the engine or the policies change.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from congressd.engine.theory import ActionTheory
from congressd.language import core, syntax
from congressd.language.check import check_query, check_step
from congressd.language.parser import parse_query, parse_sequence
from congressd.model import jsontext
from congressd.model.clock import iso
from congressd.model.errors import CongressError
from congressd.model.nearest import hint
from congressd.model.values import Row, sorted_rows
from congressd.pe.answers import Answers, Kept
from congressd.pe.catalog import ImageCatalog
from congressd.pe.columns import Columns, of_heads
from congressd.pe.forms import TableName, own_table, split_table, tables_of
from congressd.pe.freshness import ANY, Freshener, Freshness
from congressd.pe.holder import Holder
from congressd.pe.policyset import Image, RuleImage
from congressd.pe.reach import Reach
from congressd.pe.trace import document, explain


@dataclass(frozen=True, slots=True)
class Result:
    """An answer as JSON text, its consistency token, and the sources of which no rows are held."""

    body: bytes
    token: str
    stale: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the engine said to a query, and the state that it rests on; without ``table`` the query was a rule."""

    image: Image
    version: int
    sources: frozenset[str]
    rows: list[Row]
    columns: Columns
    table: core.Table | None = None
    warnings: tuple[str, ...] = ()


class Queries:
    """Policies may be named by name or id; a source's name stands for a policy with the source's tables."""

    def __init__(self, holder: Holder, freshener: Freshener) -> None:
        self._holder = holder
        self._freshener = freshener
        self._reach = Reach(holder.image)
        self.answers = Answers()

    # -- tables -----------------------------------------------------------------------------------------------

    def tables(self, policy: str) -> list[str]:
        """The tables that a policy's rules define or read (``nova:servers``), or that a source has."""
        image = self._holder.image
        name = _scope(image, policy)
        if name in image.source_ids:
            return sorted(self._schema(name))
        return sorted(self._reached(image).tables(image.policy_ids[name]))

    def table(self, policy: str, table: str) -> TableName:
        """The table that ``table`` names in a policy. Raises CongressError ``not_found`` with the nearest name."""
        image = self._holder.image
        name = _scope(image, policy)
        found = split_table(table, name)
        if found[0] in image.source_ids:
            known: Collection[str] = self._schema(found[0])
        else:
            uses = image.tables.get(found[0], {})
            known = [each for each, use in uses.items() if use.heads]
        if found[1] in known:
            return found
        listed = () if name in image.source_ids else self._reached(image).tables(image.policy_ids[name])
        if table in listed:
            return found
        raise CongressError(
            "not_found", f"{name!r} has no table {table[:255]!r}.{hint(table[:255], [*known, *listed])}"
        )

    def _schema(self, source: str) -> Collection[str]:
        """The tables of a source; waits a little for one that has told none yet."""
        if not self._holder.image.schemas.get(source):
            self._freshener.prepare([source], ANY)
        return self._holder.image.schemas.get(source, {}).keys()

    # -- rows -------------------------------------------------------------------------------------------------

    def rows(self, policy: str, table: str, wanted: Freshness = ANY, limit: int | None = None) -> Result:
        """The rows of a table, the first ``limit`` or all, in an order that is the same for the same rows."""
        question = ("rows", policy, table, limit)
        return self._kept(question, wanted) or self._rows(question, policy, table, wanted, limit)

    def _rows(self, question: Hashable, policy: str, table: str, wanted: Freshness, limit: int | None) -> Result:
        name = self.table(policy, table)
        sources = self._reached(self._holder.image).sources([name])
        self._freshener.prepare(sources, wanted)
        image, version = self._holder.image, self._holder.engine.version
        rows, columns = self._all_rows(image, name)
        warnings = self._reached(image).warnings([name])
        body = jsontext.dumps(_rows_document(_in_order(rows), columns, warnings, limit))
        return self._answer(question, Kept(image, version, body, sources))

    def explained_rows(self, policy: str, table: str, wanted: Freshness = ANY, limit: int | None = None) -> Result:
        """The same with ``trace``: a text that says for each row why it holds."""
        name = self.table(policy, table)
        sources = self._reached(self._holder.image).sources([name])
        self._freshener.prepare(sources, wanted)
        image = self._holder.image
        found, columns = self._all_rows(image, name)
        rows = _in_order(found)
        trace, _ = explain(self._holder.engine, core.Table(*name), rows[:limit], _abbreviation(image, name[0]))
        document = _rows_document(rows, columns, self._reached(image).warnings([name]), limit)
        return self._result(jsontext.dumps(document | {"trace": trace}), sources)

    def _all_rows(self, image: Image, table: TableName) -> tuple[list[Row], Columns]:
        arity = ImageCatalog(image).arity(*table) or 0
        variables = tuple(core.Variable(f"x{index}") for index in range(arity))
        rows = self._holder.engine.query(core.Atom(core.Table(*table), variables))
        return rows, self._reached(image).columns(table, arity)

    # -- queries ----------------------------------------------------------------------------------------------

    def query(self, policy: str, text: str, wanted: Freshness = ANY, limit: int | None = None) -> Result:
        """The rows that match an atom, or the head's rows of a rule: the first ``limit`` or all.

        Raises CongressError ``query_syntax``, and ``rule_too_large`` for a rule that has too many rows.
        """
        question = ("query", policy, text, limit)
        return self._kept(question, wanted) or self._query(question, policy, text, wanted, limit)

    def _query(self, question: Hashable, policy: str, text: str, wanted: Freshness, limit: int | None) -> Result:
        asked = self._ask(policy, text, wanted)
        rows = _in_order(asked.rows)
        body = jsontext.dumps(_rows_document(rows, asked.columns, asked.warnings, limit))
        return self._answer(question, Kept(asked.image, asked.version, body, asked.sources))

    def explained_query(self, policy: str, text: str, wanted: Freshness = ANY, limit: int | None = None) -> Result:
        """The same for an atom, and for each row why it holds: as ``trace``, and as ``explanations`` for programs.

        Raises CongressError ``query_syntax`` for a rule too.
        """
        asked = self._ask(policy, text, wanted)
        if asked.table is None:
            raise CongressError("query_syntax", "q is a rule; only the rows of a table can be explained: ask an atom")
        rows = _in_order(asked.rows)
        abbreviation = _abbreviation(asked.image, asked.table.policy)
        trace, derivations = explain(self._holder.engine, asked.table, rows[:limit], abbreviation)
        body = _rows_document(rows, asked.columns, asked.warnings, limit)
        body |= {"trace": trace, "explanations": [document(each) for each in derivations]}
        return self._result(jsontext.dumps(body), asked.sources)

    def _ask(self, policy: str, text: str, wanted: Freshness) -> _Asked:
        name = _scope(self._holder.image, policy)
        reach = self._reached(self._holder.image)
        table = reach.reader.table(name, text)
        if table is None:
            tables = tuple(tables_of(parse_query(text), name))
            self._learn(tables)
            sources = self._reached(self._holder.image).sources(tables)
        else:
            sources = reach.sources([(table.policy, table.name)])
        self._freshener.prepare(sources, wanted)
        image, version = self._holder.image, self._holder.engine.version
        reach = self._reached(image)
        checked = reach.reader.read(name, text)
        query = checked.query
        if isinstance(query, core.Rule):
            read = [item.atom.table for item in query.body if isinstance(item, core.Literal)]
            warnings = checked.warnings + reach.warnings((table.policy, table.name) for table in read)
            rows = self._holder.engine.evaluate(query)
            columns = of_heads([query.head], len(query.head.args))
            return _Asked(image, version, sources, rows, columns, warnings=warnings)
        table = query.table
        warnings = checked.warnings + reach.warnings([(table.policy, table.name)])
        rows = self._holder.engine.query(query)
        columns = reach.columns((table.policy, table.name), len(query.args))
        return _Asked(image, version, sources, rows, columns, table, warnings)

    def simulate(
        self,
        policy: str,
        *,
        query: str,
        sequence: str,
        action_policy: str,
        delta: bool,
        trace: bool,
        wanted: Freshness = ANY,
    ) -> Result:
        """What ``query`` would answer after ``sequence``. Raises CongressError ``simulate_error``."""
        image = self._holder.image
        name = image.policy(policy).name
        try:
            theory_id = image.policy(action_policy).id
        except CongressError as error:
            raise CongressError("simulate_error", f"action_policy: {error.detail}") from None
        parsed = parse_query(query, "simulate_error")
        steps = parse_sequence(sequence)
        tables = {table for each in (parsed, *steps) for table in tables_of(each, name)}
        tables |= {_target(head, name) for step in steps for head in step.heads}
        self._learn(tables)
        sources = self._reached(self._holder.image).sources(tables)
        self._freshener.prepare(sources, wanted)
        image = self._holder.image
        catalog = ImageCatalog(image)
        try:
            asked = check_query(query, name, catalog).query
        except CongressError as error:
            raise CongressError("simulate_error", error.detail, error.data) from None
        rules = tuple(rule.rule for rule in image.rules.get(theory_id, {}).values() if rule.rule is not None)
        theory = ActionTheory(image.policies[theory_id].name, rules)
        checked = [check_step(step, name, catalog) for step in steps]
        acting = _acting(image)
        simulated = self._holder.engine.simulate(name, asked, checked, theory, delta=delta, watched=tuple(acting))
        document: dict[str, Any] = {"result": list(simulated.result)}
        for key, side in (("actions", 0), ("actions_ended", 1)):
            if listed := _actions(acting, simulated.differences, side):
                document[key] = listed
        if trace:
            document["trace"] = "\n".join(simulated.trace)
        if simulated.failures:
            document["errors"] = [str(failure) for each in simulated.failures for failure in each.last]
        return self._result(jsontext.dumps(document), sources)

    def errors(self, rule_id: str) -> dict[str, Any]:
        """How often builtins of a rule failed, since when, and the last reasons; and why it is suspended, if it is."""
        for rule, why in self._holder.engine.suspended().items():
            if rule.id == rule_id:
                return {"count": 0, "last": [], "suspended": why}
        for failures in self._holder.engine.errors():
            if failures.rule.id == rule_id:
                last = [str(failure) for failure in failures.last]
                return {"count": failures.count, "since": iso(failures.since), "last": last}
        return {"count": 0, "last": []}

    # -- parts ------------------------------------------------------------------------------------------------

    def _learn(self, tables: Iterable[TableName]) -> None:
        """Get to know the schemas of sources that a question names, before it is checked against them."""
        image = self._holder.image
        unknown = {policy for policy, _ in tables if policy in image.source_ids and not image.schemas.get(policy)}
        if unknown:
            self._freshener.prepare(unknown, ANY)

    def _reached(self, image: Image) -> Reach:
        reach = self._reach
        if reach.image is not image:
            reach = self._reach = Reach(image)
        return reach

    def _kept(self, question: Hashable, wanted: Freshness) -> Result | None:
        kept = self.answers.get(question, self._holder.image, self._holder.engine.version)
        if kept is None or wanted is not ANY or not self._freshener.held(kept.sources):
            return None
        return self._result(kept.body, kept.sources)

    def _answer(self, question: Hashable, kept: Kept) -> Result:
        self.answers.put(question, kept)
        return self._result(kept.body, kept.sources)

    def _result(self, body: bytes, sources: Collection[str]) -> Result:
        """To be called after the answer was computed: the token must not be older than it."""
        return Result(body, self._holder.progress.token_text(frozenset(sources)), self._freshener.stale(sources))


def _acting(image: Image) -> dict[core.Table, RuleImage]:
    """The execute rules that run, by the tables of their own."""
    return {
        own_table(rule.rule): rule
        for rules in image.rules.values()
        for rule in rules.values()
        if rule.rule is not None and rule.rule.head.table.modal is not None and rule.runs
    }


def _actions(
    acting: Mapping[core.Table, RuleImage],
    differences: Mapping[core.Table, tuple[Sequence[Row], Sequence[Row]]],
    side: int,
) -> list[dict[str, Any]]:
    """The actions that rules would newly want (side 0), or no longer (side 1)."""
    return [
        {
            "service": table.policy,
            "action": table.name,
            "args": list(row),
            "policy": acting[table].policy,
            "rule_id": acting[table].record.id,
        }
        for table, rows in differences.items()
        for row in _in_order(list(rows[side]))
    ]


def _scope(image: Image, policy: str) -> str:
    """The name of a policy or source. Raises CongressError ``policy_not_exist``."""
    record = image.sources.get(image.source_ids.get(policy, policy))
    return image.policy(policy).name if record is None else record.name


def _target(head: syntax.Atom, policy: str) -> TableName:
    """The table that a step of a sequence changes: without the suffix."""
    return (head.service or policy, head.table.rstrip("+-"))


def _in_order(rows: list[Row]) -> list[Row]:
    try:
        return sorted(rows)  # much faster, where all values of a column can be compared
    except TypeError:
        return sorted_rows(rows)


def _rows_document(
    rows: list[Row], columns: Columns, warnings: tuple[str, ...] = (), limit: int | None = None
) -> dict[str, Any]:
    """The first ``limit`` rows as JSON; that there are more, and warnings, only where it is so."""
    document: dict[str, Any] = {"results": [{"data": row} for row in rows[:limit]], "columns": columns}
    if limit is not None and len(rows) > limit:
        document["truncated"] = True
    if warnings:
        document["warnings"] = list(warnings)
    return document


def _abbreviation(image: Image, policy: str) -> str:
    return image.policy(policy).abbreviation if policy in image.policy_ids else policy
