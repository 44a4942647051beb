"""From a plan to Python source, and from source to a function.

The source holds the *shape* of a rule only: containers, constants and builtins are its parameters. So rules that
differ in tables or constants share one compiled function, and a thousand like rules are compiled once.

The function is ``f(D, out, sign, err, ...)``: ``D`` the rows of the change (or the given head values), ``out`` and
``sign`` what `Mode` says, ``err(position, error, inputs, sign)`` takes builtins' failures; then the containers, in the
order of `Compiled.containers`, and the static parameters.

A branch that fails says ``continue``: the whole body stands in a loop, so that this is right at any depth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

from congressd.engine.budget import is_asked
from congressd.engine.plan import Mode, Purpose, State, Step
from congressd.engine.storage import Columns
from congressd.language.builtins import BUILTINS
from congressd.language.core import Call, Constant, Literal, Rule, Table, Term, Variable

Function: TypeAlias = Callable[..., Any]

#: Python refuses more than 20 nested blocks; deeper joins go on in an inner function.
NESTING_LIMIT: Final = 14


@dataclass(frozen=True, slots=True)
class Container:
    """One parameter that depends on the state: rows of a table, an index of it, or its check if it is virtual."""

    table: Table
    kind: str  #: "rows", "index" or "holds"
    columns: Columns = ()
    unique: bool = False

    def resolve(self, state: State) -> Any:
        if self.kind == "rows":
            return state.rows(self.table)
        if self.kind == "index":
            return state.entries(self.table, self.columns)
        return state.holds(self.table)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A function, the containers that it wants first and the static values that follow them."""

    function: Function
    containers: tuple[Container, ...]
    static: tuple[Any, ...]
    spends: bool = False  #: whether a `congressd.engine.budget.Budget` comes as the last parameter


@lru_cache(maxsize=8192)
def _function(source: str) -> Function:
    names: dict[str, Any] = {}
    exec(compile(source, "<rule>", "exec"), names)
    function: Function = names["f"]
    return function


def compile_rule(rule: Rule, purpose: Purpose, steps: tuple[Step, ...], state: State) -> Compiled:
    """Compile ``rule`` for ``purpose`` in the order of ``steps``, for the indexes as ``state`` has them now."""
    return _Writer(rule, purpose, state).compile(steps)


class _Writer:
    """Writes one function; ``bound`` maps each variable known so far to the Python name that holds its value."""

    def __init__(self, rule: Rule, purpose: Purpose, state: State) -> None:
        self.rule = rule
        self.purpose = purpose
        self.state = state
        self.lines: list[str] = []
        self.depth = 1
        self.loops = 0
        self.bound: dict[str, str] = {}
        self.containers: dict[Container, str] = {}
        self.static: list[Any] = []
        self.constants: dict[tuple[type, Any], str] = {}
        self.functions: dict[str, str] = {}
        self.inner: list[list[str]] = []
        self.asked = is_asked(rule)
        self.scans = 0
        self.free_scans = 1 if purpose.delta is None and not self.asked else 0

    def compile(self, steps: tuple[Step, ...]) -> Compiled:
        self._open()
        for number, step in enumerate(steps):
            if self.loops >= NESTING_LIMIT:
                self._nest()
            self._step(number, step)
        self._emit()
        parameters = ["D", "out", "sign", "err", *self.containers.values()]
        parameters += [*self.constants.values(), *self.functions.values()]
        spends = self.scans > self.free_scans
        if spends:
            parameters.append("spend")
        text = [f"def f({', '.join(parameters)}):", " get = out.get" if self.purpose.mode is Mode.COUNT else " pass"]
        main, *functions = [*self.inner, self.lines]
        for lines in (*functions, main):
            text += lines
        if self.purpose.mode is Mode.EXISTS:
            text.append(" return False")
        static = (*(value for _, value in self.constants), *(BUILTINS[name].function for name in self.functions))
        return Compiled(_function("\n".join(text)), tuple(self.containers), static, spends)

    # -- structure -------------------------------------------------------------------------------------------

    def _line(self, text: str) -> None:
        self.lines.append(" " * self.depth + text)

    def _loop(self, text: str) -> None:
        self._line(text)
        self.depth += 1
        self.loops += 1

    def _nest(self) -> None:
        """Go on in an inner function that takes all bound variables."""
        name = f"g{len(self.inner)}"
        call = f"{name}({', '.join(self.bound.values())})"
        if self.purpose.mode is Mode.EXISTS:
            self._line(f"if {call}: return True")
        else:
            self._line(call)
        self.inner.append(self.lines)
        self.lines = [f" def {call}:"]
        self.depth, self.loops = 2, 0
        self._loop("for _ in (0,):")

    def _open(self) -> None:
        """The loop over the change, or the one turn in which given head values are taken."""
        if self.purpose.delta is not None:
            self._loop("for d in D:")
            literal = self.rule.body[self.purpose.delta]
            assert isinstance(literal, Literal)
            self._take("d", literal.atom.args, range(len(literal.atom.args)))
            return
        self._loop("for _ in (0,):")
        given = [self.rule.head.args[column] for column in self.purpose.bound]
        self._take("D", given, range(len(given)))

    def _take(self, row: str, args: Any, columns: Any) -> None:
        """Bind the variables of ``args`` to the columns of a row; ``continue`` where what is known differs."""
        for column in columns:
            arg = args[column]
            if isinstance(arg, Constant):
                self._line(f"if {row}[{column}] != {self._term(arg)}: continue")
            elif arg.name in self.bound:
                self._line(f"if {row}[{column}] != {self.bound[arg.name]}: continue")
            elif not arg.anonymous or self.purpose.mode is Mode.BINDINGS:
                name = self._bind(arg)
                self._line(f"{name} = {row}[{column}]")

    def _bind(self, variable: Variable) -> str:
        name = f"v{len(self.bound)}"
        self.bound[variable.name] = name
        return name

    # -- parameters --------------------------------------------------------------------------------------------

    def _term(self, term: Term) -> str:
        if isinstance(term, Variable):
            return self.bound[term.name]
        return self.constants.setdefault((type(term.value), term.value), f"k{len(self.constants)}")

    def _container(self, container: Container) -> str:
        return self.containers.setdefault(container, f"a{len(self.containers)}")

    def _tuple(self, terms: Any) -> str:
        names = [self._term(term) for term in terms]
        return f"({names[0]},)" if len(names) == 1 else f"({', '.join(names)})"

    # -- steps ---------------------------------------------------------------------------------------------------

    def _step(self, number: int, step: Step) -> None:
        item = self.rule.body[step.position]
        if step.position == self.purpose.delta:
            return
        if isinstance(item, Call):
            self._call(step.position, item)
        elif self.state.is_virtual(item.atom.table):
            holds = self._container(Container(item.atom.table, "holds"))
            self._line(f"if {'' if item.negated else 'not '}{holds}({self._tuple(item.atom.args)}): continue")
        elif all(isinstance(arg, Constant) or arg.name in self.bound for arg in item.atom.args):
            self._check(step.position, item)
        else:
            self._join(number, step, item)

    def _changes(self, position: int, item: Literal) -> bool:
        """Whether this literal stands before the changed one over the same table, and so must not see the change."""
        delta = self.purpose.delta
        if delta is None or position >= delta:
            return False
        changed = self.rule.body[delta]
        return isinstance(changed, Literal) and changed.atom.table == item.atom.table

    def _check(self, position: int, item: Literal) -> None:
        rows = self._container(Container(item.atom.table, "rows"))
        row = self._tuple(item.atom.args)
        if self._changes(position, item):
            self._line(f"t = {row}")
            self._line(
                f"if t in {rows} and t not in D: continue"
                if item.negated
                else f"if t not in {rows} or t in D: continue"
            )
        else:
            self._line(f"if {row} {'' if item.negated else 'not '}in {rows}: continue")

    def _join(self, number: int, step: Step, item: Literal) -> None:
        args = item.atom.args
        row = f"r{number}"
        taken: set[int] = set()
        if step.columns is None:
            rows = self._container(Container(item.atom.table, "rows"))
            self._loop(f"for {row} in {rows}:")
            self._scan()
        else:
            taken = set(step.columns)
            keys = [args[column] for column in step.columns]
            key = self._term(keys[0]) if len(keys) == 1 else self._tuple(keys)
            unique = self.state.is_unique(item.atom.table, step.columns)
            entries = self._container(Container(item.atom.table, "index", step.columns, unique))
            if unique:
                self._line(f"{row} = {entries}.get({key})")
                self._line(f"if {row} is None: continue")
            else:
                self._loop(f"for {row} in {entries}.get({key}, ()):")
                if self.asked:
                    self._scan()
        if self._changes(step.position, item):
            self._line(f"if {row} in D: continue")
        self._take(row, args, [column for column in range(len(args)) if column not in taken])

    def _scan(self) -> None:
        """A scan inside another loop makes a cross product, which can be of any size: it runs on a budget.

        Of a rule that is asked every loop does.
        """
        if self.purpose.mode is Mode.COUNT:
            self.scans += 1
            if self.scans > self.free_scans:
                self._line("spend(out)")

    def _call(self, position: int, item: Call) -> None:
        builtin = BUILTINS[item.builtin]
        function = self.functions.setdefault(item.builtin, f"f{len(self.functions)}")
        inputs = item.args[: builtin.inputs]
        given = ", ".join(self._term(arg) for arg in inputs)
        result = f"t{position}"
        self._line("try:")
        self._line(f" {result} = {function}({given})")
        self._line("except Exception as error:")
        self._line(f" err({position}, error, ({given}{',' if inputs else ''}), sign)")
        self._line(" continue")
        outputs = item.args[builtin.inputs :]
        if not outputs:
            self._line(f"if {'' if item.negated else 'not '}{result}: continue")
        elif item.negated:
            self._line(f"if {result} == {self._tuple(outputs)}: continue")
        else:
            self._take(result, outputs, range(len(outputs)))

    def _emit(self) -> None:
        mode = self.purpose.mode
        if mode is Mode.COUNT:
            self._line(f"h = {self._tuple(self.rule.head.args)}")
            self._line("out[h] = get(h, 0) + sign")
        elif mode is Mode.SELECT:
            self._line(f"out[{self._tuple(self.rule.head.args)}] = 1")
        elif mode is Mode.TOTAL:
            self._line("out[0] += 1")
        elif mode is Mode.EXISTS:
            self._line("return True")
        else:
            names = [f"{name!r}: {value}" for name, value in self.bound.items()]
            self._line(f"out.append({{{', '.join(names)}}})")
            self._line("if len(out) >= sign: return")
