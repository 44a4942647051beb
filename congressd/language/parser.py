"""Text to surface tree: a recursive-descent parser whose errors say what was found and what could stand there."""

from __future__ import annotations

import re
from typing import Final

from congressd.language.problems import choice, clip, position, problem
from congressd.language.syntax import (
    Application,
    Argument,
    Atom,
    Comparison,
    Constant,
    Expression,
    Literal,
    Operation,
    Program,
    Rule,
    Variable,
)
from congressd.language.tokens import (
    BAD,
    CONSTANTS,
    END,
    KEYWORDS,
    MODALS,
    NEGATIONS,
    NUMBER,
    STRING,
    WORD,
    Tokens,
)
from congressd.model.errors import CongressError

#: What one statement may have; far beyond what people write, and it keeps every later step fast.
MAX_LITERALS: Final = 1_000
MAX_ARGUMENTS: Final = 1_000
MAX_OPERATIONS: Final = 100
MAX_DEPTH: Final = 50

_COMPARISONS: Final = frozenset(["<", "<=", ">", ">=", "==", "!=", "="])
_SUMS: Final = frozenset("+-")
_PRODUCTS: Final = frozenset("*/")
_OPERATORS: Final = _COMPARISONS | _SUMS | _PRODUCTS
_TERM: Final = ("a variable", "a value")


def parse_program(text: str, code: str = "rule_syntax") -> Program:
    """All statements of ``text``, perhaps none. Raises CongressError ``code``; its data tell the `SyntaxProblem`."""
    parser = _Parser(text, code)
    statements = []
    while parser.kinds[parser.at] != END:
        statements.append(parser.statement())
    return Program(tuple(statements), text)


def parse_rule(text: str, code: str = "rule_syntax") -> Rule:
    """The one rule or fact that ``text`` holds. Raises CongressError ``code``, or "multiple_rules"."""
    parser = _Parser(text, code)
    if parser.kinds[0] == END:
        raise problem(code, "parse", "there is no rule in the text; write one such as p(x) :- q(x)", text, (0, 0))
    rule = parser.statement()
    if parser.kinds[parser.at] != END:
        line, column = position(text, parser.starts[parser.at])
        second = parser.statement()
        raise problem(
            "multiple_rules",
            "multiple_rules",
            f"one rule is allowed; a second begins at line {line}, column {column}: {clip(second.source)}",
            text,
            second.span,
        )
    return rule


def parse_atom(text: str, code: str = "query_syntax") -> Atom:
    """The one atom that ``text`` holds, such as ``error("vm-1", x)``. Raises CongressError ``code``."""
    atom = _simple_atom(text)
    if atom is not None:
        return atom
    parser = _Parser(text, code)
    atom = parser.atom()
    if parser.texts[parser.at] in (";", "."):
        parser.at += 1
    if parser.kinds[parser.at] != END:
        raise parser.unexpected(("the end of the text",))
    return atom


def parse_query(text: str, code: str = "query_syntax") -> Atom | Rule:
    """The one atom or rule that ``text`` holds. Raises CongressError ``code``."""
    atom = _simple_atom(text)
    if atom is not None:
        return atom
    parser = _Parser(text, code)
    if parser.kinds[0] == END:
        raise problem(code, "parse", "the query is empty; ask for a table such as error(x)", text, (0, 0))
    rule = parser.statement()
    if parser.kinds[parser.at] != END:
        raise parser.unexpected(("the end of the query",))
    return rule if rule.body else rule.heads[0]


def parse_sequence(text: str, code: str = "simulate_error") -> tuple[Rule, ...]:
    """The steps of a simulation in order: updates of rows and rules, and actions. Raises CongressError ``code``."""
    return parse_program(text, code).statements


class _Parser:
    """A position in the tokens of one text, and a method for each form of the grammar."""

    __slots__ = ("at", "code", "kinds", "operations", "starts", "text", "texts", "tokens")

    def __init__(self, text: str, code: str) -> None:
        self.text = text
        self.code = code
        self.tokens = Tokens(text, code)
        self.kinds = self.tokens.kinds
        self.texts = self.tokens.texts
        self.starts = self.tokens.starts
        self.at = 0
        self.operations = 0

    def statement(self) -> Rule:
        """``head :- body`` or a fact, with or without a terminator."""
        texts = self.texts
        start = self.starts[self.at]
        heads = [self.head()]
        while texts[self.at] == ",":
            self.at += 1
            heads.append(self.head())
        body: list[Literal] = []
        if texts[self.at] == ":-":
            self.at += 1
            body.append(self.literal())
            while texts[self.at] == ",":
                self.at += 1
                body.append(self.literal())
                if len(body) > MAX_LITERALS:
                    raise self.too_much(f"a body of more than {MAX_LITERALS} conditions")
            if texts[self.at] in _OPERATORS or texts[self.at] in ("(", ")", "[", "]", ":", "!", ":-"):
                raise self.unexpected(("`,`", "the end of the rule"))
        elif len(heads) > 1:
            raise self.unexpected(("`:-`", "`,`"))
        elif self.kinds[self.at] not in (WORD, END) and texts[self.at] not in (";", "."):
            raise self.unexpected(("`:-`", "the end of the fact"))
        end = self.tokens.end(self.at - 1)
        if self.kinds[self.at] == BAD:
            raise self.tokens.bad(self.at)
        if texts[self.at] in (";", "."):
            self.at += 1
        return Rule(tuple(heads), tuple(body), (start, end), self.text)

    def head(self) -> Atom:
        if self.texts[self.at] in NEGATIONS:
            raise self.problem("negated_head", "a head cannot be negated: a rule says what holds, not what does not")
        return self.atom(("a table",))

    def literal(self) -> Literal:
        """An atom or a comparison, perhaps negated."""
        start = self.starts[self.at]
        negated = self.texts[self.at] in NEGATIONS
        if negated:
            self.at += 1
        if self._is_comparison():
            condition: Atom | Comparison = self.comparison()
        else:
            condition = self.atom(("a condition",) if negated else ("a table", "a comparison", "`not`"))
            if self.texts[self.at] in _OPERATORS:
                raise self.problem(
                    "parse",
                    f"`{self.texts[self.at]}` cannot follow {clip(self.text[slice(*condition.span)], 60)}: a table or "
                    "builtin is not a value; give its result a name in a condition of its own, as in len(x, n), n > 3",
                )
        return Literal(condition, negated, (start, condition.span[1]))

    def _is_comparison(self) -> bool:
        """Whether the condition at hand is a comparison. ``p+(x)`` is a table, ``x+(y) > 1`` is not."""
        kind, texts, at = self.kinds[self.at], self.texts, self.at
        if kind != WORD:
            return kind in (NUMBER, STRING) or texts[at] in ("(", "+", "-")
        follower = texts[at + 1]
        if follower not in _OPERATORS:
            return False
        if follower not in _SUMS:
            return True
        after = texts[at + 2]
        if after == "(":
            return texts[self._after_parenthesis(at + 2)] in _OPERATORS
        if self.kinds[at + 2] == WORD:
            return texts[at + 3] not in ("(", ":", ":-")
        return self.kinds[at + 2] in (NUMBER, STRING) or after in _SUMS

    def _after_parenthesis(self, at: int) -> int:
        """The token after the parenthesis that closes the one at ``at``."""
        depth = 0
        while True:
            text = self.texts[at]
            if text == "(":
                depth += 1
            elif text == ")":
                depth -= 1
                if depth == 0:
                    return at + 1
            elif self.kinds[at] == END:
                return at
            at += 1

    def comparison(self) -> Comparison:
        self.operations = 0
        left = self.expression(0)
        operator = self.texts[self.at]
        if operator not in _COMPARISONS:
            raise self.unexpected(("a comparison sign (`<` `<=` `>` `>=` `==` `!=` `=`)", "an arithmetic sign"))
        self.at += 1
        right = self.expression(0)
        if self.texts[self.at] in _COMPARISONS:
            raise self.problem(
                "parse",
                "a comparison has two sides only; write two conditions, as in 0 < x, x < 9, instead of 0 < x < 9",
            )
        return Comparison(operator, left, right, (left.span[0], right.span[1]))

    def expression(self, depth: int) -> Expression:
        """Sums of products."""
        left = self.product(depth)
        while self.texts[self.at] in _SUMS:
            operator = self.texts[self.at]
            self.at += 1
            right = self.product(depth)
            left = self._operation(operator, left, right)
        return left

    def product(self, depth: int) -> Expression:
        left = self.term(depth)
        while self.texts[self.at] in _PRODUCTS:
            operator = self.texts[self.at]
            self.at += 1
            right = self.term(depth)
            left = self._operation(operator, left, right)
        return left

    def _operation(self, operator: str, left: Expression, right: Expression) -> Operation:
        self.operations += 1
        if self.operations > MAX_OPERATIONS:
            raise self.too_much(f"an expression of more than {MAX_OPERATIONS} operations")
        return Operation(operator, left, right, (left.span[0], right.span[1]))

    def term(self, depth: int) -> Expression:
        """A variable, a value, an expression in parentheses, or the form of an aggregate."""
        at = self.at
        kind, text = self.kinds[at], self.texts[at]
        if kind == WORD:
            if text in KEYWORDS:
                raise self.unexpected(_TERM, f"`{text}` is a word of the language and cannot be a variable")
            self.at += 1
            if self.texts[at + 1] == "(":
                return self.application(depth)
            if text in CONSTANTS:
                return Constant(CONSTANTS[text], self.tokens.span(at))
            return Variable(text, self.tokens.span(at))
        if kind in (NUMBER, STRING):
            self.at += 1
            return Constant(self.tokens.constant(at), self.tokens.span(at))
        if text in _SUMS:
            if self.kinds[at + 1] != NUMBER:
                self.at += 1
                raise self.unexpected(("a number",), f"a sign belongs to a number; write 0 {text} x for a variable")
            self.at += 2
            return Constant(self.tokens.constant(at + 1, text), (self.starts[at], self.tokens.end(at + 1)))
        if text == "(":
            if depth >= MAX_DEPTH:
                raise self.too_much(f"parentheses nested more than {MAX_DEPTH} deep")
            self.at += 1
            inner = self.expression(depth + 1)
            self.take(")", ("`)`", "an arithmetic sign"))
            return inner
        raise self.unexpected((*_TERM, "`(`"))

    def application(self, depth: int) -> Application:
        """``name(expression, ...)`` in place of a term; the name has been read."""
        name = self.at - 1
        if depth >= MAX_DEPTH:
            raise self.too_much(f"parentheses nested more than {MAX_DEPTH} deep")
        self.at += 1
        arguments = []
        if self.texts[self.at] != ")":
            arguments.append(self.expression(depth + 1))
            while self.texts[self.at] == ",":
                self.at += 1
                arguments.append(self.expression(depth + 1))
                if len(arguments) > MAX_ARGUMENTS:
                    raise self.too_much(f"more than {MAX_ARGUMENTS} arguments")
        self.take(")", ("`,`", "`)`"))
        return Application(self.texts[name], tuple(arguments), (self.starts[name], self.tokens.end(self.at - 1)))

    def atom(self, expected: tuple[str, ...] = ("a table",)) -> Atom:
        """A table with its arguments, perhaps in a modal: ``execute[nova:servers.pause(x)]``."""
        at = self.at
        text = self.texts[at]
        if text in MODALS and self.texts[at + 1] == "[":
            self.at += 2
            if self.texts[self.at] in MODALS and self.texts[self.at + 1] == "[":
                raise self.problem("parse", f"{text}[...] cannot hold {self.texts[self.at]}[...]")
            inner = self.atom(("an action",) if text == "execute" else ("a table",))
            self.take("]", ("`]`",))
            span = (self.starts[at], self.tokens.end(self.at - 1))
            return Atom(inner.service, inner.table, inner.arguments, text, span, inner.name_span)
        if self.kinds[at] != WORD:
            raise self.unexpected(expected)
        if text in KEYWORDS:
            raise self.unexpected(expected, f"`{text}` is a word of the language and cannot be a table")
        service: str | None = None
        self.at = at + 1
        if self.texts[self.at] == ":":
            service, text = text, self._table_parts()
        if self.texts[self.at] in _SUMS:
            text += self.texts[self.at]
            self.at += 1
        name_span = (self.starts[at], self.tokens.end(self.at - 1))
        arguments: tuple[Argument, ...] = ()
        if self.texts[self.at] == "(":
            arguments = self.arguments()
        return Atom(service, text, arguments, None, (self.starts[at], self.tokens.end(self.at - 1)), name_span)

    def _table_parts(self) -> str:
        """What follows the service: ``:servers:cpu``; after a colon any word is a name."""
        parts = []
        while self.texts[self.at] == ":":
            self.at += 1
            if self.kinds[self.at] != WORD:
                raise self.unexpected(("a table",))
            parts.append(self.texts[self.at])
            self.at += 1
        return ":".join(parts)

    def arguments(self) -> tuple[Argument, ...]:
        """``(term, ..., column=term, ...)``."""
        self.at += 1
        texts = self.texts
        if texts[self.at] == ")":
            self.at += 1
            return ()
        found = [self.argument()]
        while texts[self.at] == ",":
            self.at += 1
            argument = self.argument()
            if argument.column is None and found[-1].column is not None:
                raise problem(
                    self.code,
                    "parse",
                    "an argument without a column name cannot follow one with a name",
                    self.text,
                    argument.span,
                    show=True,
                )
            found.append(argument)
            if len(found) > MAX_ARGUMENTS:
                raise self.too_much(f"more than {MAX_ARGUMENTS} arguments")
        self.take(")", ("`,`", "`)`"))
        return tuple(found)

    def argument(self) -> Argument:
        at = self.at
        column: str | int | None = None
        if self.kinds[at] != END and self.texts[at + 1] == "=":
            column = self._column()
            self.at += 2
        self.operations = 0
        expression = self.expression(0)
        if self.texts[self.at] in _COMPARISONS:
            raise self.problem("parse", "a comparison is a condition of its own, outside the parentheses of a table")
        return Argument(expression, column, (self.starts[at], expression.span[1]))

    def _column(self) -> str | int:
        """The name or number of a column, before ``=``."""
        if self.kinds[self.at] == WORD:
            return self.texts[self.at]
        number = self.tokens.constant(self.at) if self.kinds[self.at] == NUMBER else None
        if isinstance(number, int):
            return number
        raise self.unexpected(("a column's name", "a column's number"))

    def take(self, text: str, expected: tuple[str, ...]) -> None:
        """Step over ``text``, which must be next."""
        if self.texts[self.at] != text:
            raise self.unexpected(expected)
        self.at += 1

    def unexpected(self, expected: tuple[str, ...], hint: str = "") -> CongressError:
        """The error for a token that cannot stand where it does."""
        at = self.at
        if self.kinds[at] == BAD:
            return self.tokens.bad(at)
        found = "the end of the text" if self.kinds[at] == END else f"`{clip(self.texts[at], 50)}`"
        sentence = f"found {found}, but here could stand {choice(expected)}"
        hint = hint or self._hint()
        return problem(
            self.code,
            "parse",
            f"{sentence}; {hint}" if hint else sentence,
            self.text,
            self.tokens.span(at),
            found=found,
            expected=expected,
            show=True,
        )

    def _hint(self) -> str:
        """Advice for mistakes that people make often."""
        at = self.at
        text, before = self.texts[at], self.texts[at - 1] if at else ""
        if self.kinds[at] == STRING and at:
            if self.kinds[at - 1] == STRING:
                return "a quote inside a string is written with a backslash before it"
            if before in ("u", "r", "b", "f", "ur", "br"):
                return f"strings have no prefix such as {before}"
        if text == "." and at and self.kinds[at - 1] == NUMBER:
            return "an address such as 10.0.0.1 is a string and stands in quotes"
        if text in ("[", "]"):
            return "there are no lists; a value is a string, a number, true, false or null"
        if text in (",", ".", ";") and before in (",", ":-"):
            return f"a condition is missing after `{before}`"
        return ""

    def problem(self, reason: str, sentence: str) -> CongressError:
        """An error at the token at hand."""
        return problem(self.code, reason, sentence, self.text, self.tokens.span(self.at), show=True)

    def too_much(self, what: str) -> CongressError:
        return self.problem("too_long", f"{what} is not allowed")


_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_SIMPLE: Final = re.compile(rf"\s*(?:({_NAME}):)?({_NAME})\(([^()\\]*)\)\s*\Z")
_SIMPLE_TERM: Final = re.compile(
    rf"\s*(?:({_NAME})|(0|-?[1-9][0-9]{{0,17}})|\"([^\"\\\n\r]*)\"|'([^'\\\n\r]*)')\s*(?:,|\Z)", re.ASCII
)


def _simple_atom(text: str) -> Atom | None:
    """The atom, if it is of the simplest form: most queries are, and this is several times as fast; else None."""
    match = _SIMPLE.match(text)
    if match is None or len(text) > 1_000 or not text.isascii():
        return None
    service, table, inside = match.groups()
    if table in KEYWORDS or service in KEYWORDS:
        return None
    arguments = []
    offset, place = match.start(3), 0
    while place < len(inside):
        term = _SIMPLE_TERM.match(inside, place)
        if term is None:
            return None
        group = term.lastindex or 0
        word = term[group]
        span = (offset + term.start(group) - (group > 2), offset + term.end(group) + (group > 2))
        expression: Variable | Constant
        if group > 1:
            expression = Constant(int(word) if group == 2 else word, span)
        elif word in CONSTANTS:
            expression = Constant(CONSTANTS[word], span)
        elif word in KEYWORDS:
            return None
        else:
            expression = Variable(word, span)
        arguments.append(Argument(expression, None, span))
        place = term.end()
    if inside.rstrip().endswith(","):
        return None
    start = match.start(1) if service else match.start(2)
    return Atom(service, table, tuple(arguments), None, (start, match.end(3) + 1), (start, match.end(2)))
