"""Bodies to core items: builtins and tables told apart, infix signs turned into builtins, ``=`` solved.

``=`` is unification: a variable and what it equals become one, wherever the rule uses them. So ``z = x + 1`` computes
z where nothing else binds it and compares where something does, and ``q(x), x = 5`` is as fast as ``q(5)``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from congressd.language import core, syntax
from congressd.language.resolve import BUILTIN, Scope

_ARITHMETIC: Final = {"+": "plus", "-": "minus", "*": "mul", "/": "div"}
#: Each sign's builtin, and whether the builtin is negated.
_COMPARISONS: Final = {
    "<": ("lt", False),
    "<=": ("lteq", False),
    ">": ("gt", False),
    ">=": ("gteq", False),
    "==": ("equal", False),
    "!=": ("equal", True),
    "=": ("equal", False),
}


@dataclass(frozen=True, slots=True)
class Item:
    """A core item and the part of the text that it came from."""

    core: core.BodyItem
    source: syntax.Literal


class Body:
    """The items of one body, and what its ``=`` have made equal."""

    __slots__ = ("_equal", "items", "scope")

    def __init__(self, scope: Scope, literals: tuple[syntax.Literal, ...]) -> None:
        self.scope = scope
        self.items: list[Item] = []
        self._equal: dict[str, core.Term] = {}
        for literal in literals:
            if isinstance(literal.condition, syntax.Atom):
                self._atom(literal, literal.condition)
            else:
                self._comparison(literal, literal.condition)
        if self._equal:
            self.items = [replace(item, core=self._unified(item.core)) for item in self.items]

    def value(self, term: core.Term) -> core.Term:
        """What a term has been made equal to; itself if nothing."""
        while isinstance(term, core.Variable) and term.name in self._equal:
            term = self._equal[term.name]
        return term

    def _add(self, item: core.BodyItem, source: syntax.Literal) -> None:
        self.items.append(Item(item, source))

    def _atom(self, literal: syntax.Literal, atom: syntax.Atom) -> None:
        scope = self.scope
        if atom.modal is not None:
            raise scope.error(
                "modal", f"Modals stand in heads only; found {atom.modal} in the body: {scope.show(atom)}", atom.span
            )
        name = scope.builtin(atom)
        if name is None:
            self._add(core.Literal(scope.body_atom(atom), literal.negated), literal)
        elif name == "now":  # a table that the engine fills
            args = scope.builtin_args(name, atom)
            self._add(core.Literal(core.Atom(core.Table(BUILTIN, name), args), literal.negated), literal)
        else:
            self._add(core.Call(name, scope.builtin_args(name, atom), literal.negated), literal)

    def _comparison(self, literal: syntax.Literal, comparison: syntax.Comparison) -> None:
        left, right = comparison.left, comparison.right
        if comparison.operator == "=" and not literal.negated:
            if isinstance(left, syntax.Operation):
                left, right = right, left
            target = self._value_of(left, literal)
            if isinstance(right, syntax.Operation):
                self._compute(right, target, literal)
            else:
                self._unify(target, self._value_of(right, literal), literal)
            return
        name, negated = _COMPARISONS[comparison.operator]
        args = (self._value_of(left, literal), self._value_of(right, literal))
        self._add(core.Call(name, args, negated != literal.negated), literal)

    def _value_of(self, expression: syntax.Expression, literal: syntax.Literal) -> core.Term:
        """The term that holds an expression's value; arithmetic adds the calls that compute it."""
        if not isinstance(expression, syntax.Operation):
            return self.scope.term(expression)
        result = self.scope.intermediate()
        self._compute(expression, result, literal)
        return result

    def _compute(self, operation: syntax.Operation, result: core.Term, literal: syntax.Literal) -> None:
        left = self._value_of(operation.left, literal)
        right = self._value_of(operation.right, literal)
        self._add(core.Call(_ARITHMETIC[operation.operator], (left, right, result)), literal)

    def _unify(self, left: core.Term, right: core.Term, literal: syntax.Literal) -> None:
        left, right = self.value(left), self.value(right)
        if isinstance(right, core.Variable) and right.anonymous:
            left, right = right, left  # never rename a variable to an anonymous one
        if isinstance(left, core.Variable):
            if left != right:
                self._equal[left.name] = right
        elif isinstance(right, core.Variable):
            self._equal[right.name] = left
        else:
            self._add(core.Call("equal", (left, right)), literal)

    def _unified(self, item: core.BodyItem) -> core.BodyItem:
        if isinstance(item, core.Call):
            return core.Call(item.builtin, tuple(map(self.value, item.args)), item.negated)
        atom = core.Atom(item.atom.table, tuple(map(self.value, item.atom.args)))
        return core.Literal(atom, item.negated)
