"""The core form of rules: what the checks produce and the engine runs.

Column references, infix operators, padding and bare builtin names are gone; every table is fully qualified, every
anonymous variable has a name of its own (``_1``, ``_2``: no other variable matches ``_`` and digits), and so has every
intermediate result of arithmetic (``_t1``, ``_t2``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from congressd.model.values import Value, literal


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a policy or source; ``modal`` is ``execute`` for the rows that ask for an action."""

    policy: str
    name: str
    modal: str | None = None

    def __str__(self) -> str:
        text = f"{self.policy}:{self.name}"
        return f"{self.modal}[{text}]" if self.modal else text


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of one rule."""

    name: str

    @property
    def anonymous(self) -> bool:
        return self.name[0] == "_" and self.name[1:].isdigit()

    def __str__(self) -> str:
        return "_" if self.anonymous else self.name


@dataclass(frozen=True, slots=True)
class Constant:
    """A value written in a rule."""

    value: Value

    def __str__(self) -> str:
        return literal(self.value)


Term: TypeAlias = Variable | Constant


@dataclass(frozen=True, slots=True)
class Atom:
    """A table with one term for each of its columns."""

    table: Table
    args: tuple[Term, ...]

    def __str__(self) -> str:
        return f"{self.table}({', '.join(map(str, self.args))})"


@dataclass(frozen=True, slots=True)
class Literal:
    """An atom in a body, perhaps negated.

    Anonymous variables of a negated literal stand for "no row at all": ``not q(x, _)``.
    """

    atom: Atom
    negated: bool = False

    def __str__(self) -> str:
        return f"not {self.atom}" if self.negated else str(self.atom)


@dataclass(frozen=True, slots=True)
class Call:
    """A builtin in a body: the first ``inputs`` of its signature are bound, the others are computed or compared."""

    builtin: str
    args: tuple[Term, ...]
    negated: bool = False

    def __str__(self) -> str:
        text = f"builtin:{self.builtin}({', '.join(map(str, self.args))})"
        return f"not {text}" if self.negated else text


BodyItem: TypeAlias = Literal | Call


@dataclass(frozen=True, slots=True)
class Rule:
    """A safe rule (a fact has an empty body), its body in an order in which every item's inputs are bound.

    ``id`` names it in errors and explanations; ``policy`` is where it stands, which for an execute rule need not
    be the policy of its head table.
    """

    head: Atom
    body: tuple[BodyItem, ...] = ()
    policy: str = ""
    id: str = field(default="", compare=False)
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        if not self.body:
            return str(self.head)
        return f"{self.head} :- {', '.join(map(str, self.body))}"
