"""The surface tree: rules as they are written, before the checks give names their meaning.

Every node carries its ``span``, the offsets ``(start, end)`` of its text, which takes no part in comparisons: two
trees are equal when they mean the same, wherever they stand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from congressd.model.values import Value

Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable; each ``_`` is a variable of its own."""

    name: str
    span: Span = field(default=(0, 0), compare=False)


@dataclass(frozen=True, slots=True)
class Constant:
    """A value written in the text."""

    value: Value
    span: Span = field(default=(0, 0), compare=False)


@dataclass(frozen=True, slots=True)
class Operation:
    """Arithmetic: ``operator`` is one of ``+ - * /``."""

    operator: str
    left: Expression
    right: Expression
    span: Span = field(default=(0, 0), compare=False)


@dataclass(frozen=True, slots=True)
class Application:
    """A name applied to expressions in place of a term, ``count(vm)``: the form of aggregates."""

    name: str
    arguments: tuple[Expression, ...]
    span: Span = field(default=(0, 0), compare=False)


Expression: TypeAlias = Variable | Constant | Operation | Application


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an atom; ``column`` is the column's name or number if it is given (``id=x``, ``0=x``)."""

    expression: Expression
    column: str | int | None = None
    span: Span = field(default=(0, 0), compare=False)


@dataclass(frozen=True, slots=True)
class Atom:
    """A table with arguments, as in ``execute[nova:servers.pause(x)]`` or ``p+(x)``.

    ``service`` is what stands before the first colon, None if there is none; ``table`` is the rest with its suffix
    ``+`` or ``-``, if any; ``modal`` is ``execute``, ``insert`` or ``delete``; ``name_span`` covers the name alone.
    """

    service: str | None
    table: str
    arguments: tuple[Argument, ...] = ()
    modal: str | None = None
    span: Span = field(default=(0, 0), compare=False)
    name_span: Span = field(default=(0, 0), compare=False)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two expressions and one of ``< <= > >= == != =`` between them."""

    operator: str
    left: Expression
    right: Expression
    span: Span = field(default=(0, 0), compare=False)


@dataclass(frozen=True, slots=True)
class Literal:
    """A condition of a body, perhaps negated."""

    condition: Atom | Comparison
    negated: bool = False
    span: Span = field(default=(0, 0), compare=False)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, or a fact if its body is empty. More than one head is allowed in sequences only.

    ``text`` is the whole text that the spans count in; `source` is the rule's own part of it.
    """

    heads: tuple[Atom, ...]
    body: tuple[Literal, ...] = ()
    span: Span = field(default=(0, 0), compare=False)
    text: str = field(default="", compare=False, repr=False)

    @property
    def source(self) -> str:
        """The rule's own text, without its terminator."""
        return self.text[self.span[0] : self.span[1]]


@dataclass(frozen=True, slots=True)
class Program:
    """The statements of a text, in order."""

    statements: tuple[Rule, ...]
    text: str = field(default="", compare=False, repr=False)
