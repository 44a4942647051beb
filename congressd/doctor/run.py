"""Runs the checks, all at the same time, each with its deadline and all with one."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from congressd import __version__
from congressd.doctor.finding import Failed, Finding, Level, NotHere, not_here, problem
from congressd.doctor.place import Place
from congressd.doctor.table import CHECKS, Check
from congressd.model.errors import CongressError

LONGEST: Final = 28.0  #: seconds for everything


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found."""

    name: str
    about: str
    findings: tuple[Finding, ...]

    @property
    def level(self) -> Level:
        """The worst of its findings."""
        return max((each.level for each in self.findings), key=list(Level).index)

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return {
            "check": self.name,
            "about": self.about,
            "level": self.level.value,
            "findings": [each.document() for each in self.findings],
        }


def run(
    place: Place,
    names: Sequence[str] = (),
    *,
    told: Callable[[int, int, Sequence[str]], object] = lambda done, of, waiting: None,
    checks: Sequence[Check[Any]] = CHECKS,
    longest: float = LONGEST,
) -> list[Result]:
    """The results of the checks with these names (all if there are none), in the order of the table.

    ``told`` hears how many are done, of how many, and which are not.
    """
    wanted = [each for each in checks if not names or each.name in names]
    answers: queue.SimpleQueue[tuple[str, Sequence[Finding]]] = queue.SimpleQueue()
    begin = time.monotonic()
    for check in wanted:
        # Daemon threads: one that hangs in the kernel must not keep the program from ending.
        threading.Thread(target=_answer, args=(check, place, answers), name=check.name, daemon=True).start()
    waiting = {each.name: begin + min(each.deadline, longest) for each in wanted}
    results: dict[str, Sequence[Finding]] = {}
    while waiting:
        told(len(results), len(wanted), sorted(waiting))
        try:
            name, findings = answers.get(timeout=max(min(waiting.values()) - time.monotonic(), 0.001))
        except queue.Empty:
            for name in [each for each, end in waiting.items() if end <= time.monotonic()]:
                results[name] = [_late(name, waiting.pop(name) - begin)]
            continue
        if waiting.pop(name, None) is not None:
            results[name] = findings
    told(len(wanted), len(wanted), ())
    return [Result(each.name, each.about, tuple(results[each.name])) for each in wanted]


def _late(name: str, seconds: float) -> Finding:
    return problem(
        f"no answer within {seconds:.0f} s",
        f"run it alone: `congressd doctor --only {name}`; if it is as slow then, look at this node's load with `top`",
    )


def _answer(check: Check[Any], place: Place, answers: queue.SimpleQueue[tuple[str, Sequence[Finding]]]) -> None:
    try:
        findings = check.judge(check.probe(place))
    except NotHere as error:
        findings = [not_here(str(error))]
    except Failed as error:
        findings = [error.finding]
    except CongressError as error:
        findings = [problem(error.detail, "mend what the sentence names")]
    except Exception as error:
        findings = [
            problem(
                f"the doctor itself failed: {type(error).__name__}: {error}",
                "please report it, with what `congressd bundle` packs",
            )
        ]
    answers.put((check.name, findings or [not_here("nothing to look at")]))


def document(results: Sequence[Result]) -> dict[str, Any]:
    """All results as JSON: what `congressd doctor --json` prints."""
    return {
        "congressd": __version__,
        "problems": sum(each.level is Level.PROBLEM for each in results),
        "warnings": sum(each.level is Level.WARNING for each in results),
        "checks": [each.document() for each in results],
    }
