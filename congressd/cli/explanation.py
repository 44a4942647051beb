"""The service's explanations, for reading: the steps that a row rests on as a tree, the rule below its fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from congressd.model.values import literal, to_value

LONGEST_ATOM: Final = 6000  #: characters in an address; the service takes 8190 for the whole line


def atom(table: str, row: Sequence[Any]) -> str:
    """A query that matches a row, and hardly another: values that are too long for an address are left open."""
    arguments = [_literal(value) for value in row]
    while len(quote(text := f"{table}({', '.join(arguments)})")) > LONGEST_ATOM and set(arguments) != {"_"}:
        longest = max(range(len(arguments)), key=lambda at: len(arguments[at]))
        arguments[longest] = "_"
    return text


def tree(explanation: Mapping[str, Any]) -> str:
    """One of the ``explanations`` of an answer as lines; a step that was shown already is named only."""
    steps = explanation["steps"]
    out: list[str] = []
    shown: set[int] = set()
    todo: list[tuple[int, int | str]] = [(0, 0)]
    while todo:
        depth, each = todo.pop()
        indent = "    " * depth
        if isinstance(each, str):
            out.append(f"{indent}{each}")
            continue
        step = steps[each]
        fact = f"{indent}{step['table']}({literals(step['data'])})"
        if "rule" not in step:
            out.append(fact)
        elif each in shown:
            out.append(f"{fact} (see above)")
        else:
            shown.add(each)
            out += [fact, f"{indent}  by {step['rule']}"]
            todo += [(depth + 1, below) for below in reversed([*step["premises"], *step["conditions"]])]
    return "\n".join(out)


def literals(values: Sequence[Any]) -> str:
    """Arguments as the policy language writes them."""
    return ", ".join(map(_literal, values))


def _literal(value: Any) -> str:
    return literal(to_value(value))
