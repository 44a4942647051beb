"""Runs the checks, all at the same time, each with its deadline and all with one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from congressd import __version__
from congressd.doctor.deadlines import Task, run_all
from congressd.doctor.finding import Failed, Finding, Level, NotHere, not_here, problem
from congressd.doctor.place import Place
from congressd.doctor.scrub import Scrubber, known_secrets
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
    tasks = {each.name: Task(partial(_findings, each, place), each.deadline) for each in wanted}
    found = run_all(tasks, longest, told)
    # What other programs and libraries say may repeat an address with its password.
    scrub = Scrubber(known_secrets(place.settings) if place.settings else ())
    return [
        Result(
            each.name,
            each.about,
            tuple(
                replace(finding, fact=scrub(finding.fact))
                for finding in found[each.name] or [_late(each.name, min(each.deadline, longest))]
            ),
        )
        for each in wanted
    ]


def _late(name: str, seconds: float) -> Finding:
    return problem(
        f"no answer within {seconds:.0f} s",
        f"run it alone: `congressd doctor --only {name}`; if it is as slow then, look at this node's load with `top`",
    )


def _findings(check: Check[Any], place: Place) -> Sequence[Finding]:
    """What a check finds; never nothing, and never an exception."""
    try:
        return check.judge(check.probe(place)) or [not_here("nothing to look at")]
    except NotHere as error:
        return [not_here(str(error))]
    except Failed as error:
        return [error.finding]
    except CongressError as error:
        return [problem(error.detail, "mend what the sentence names")]
    except Exception as error:
        return [
            problem(
                f"the doctor itself failed: {type(error).__name__}: {error}",
                "please report it, with what `congressd bundle` packs",
            )
        ]


def document(results: Sequence[Result]) -> dict[str, Any]:
    """All results as JSON: what `congressd doctor --json` prints."""
    return {
        "congressd": __version__,
        "problems": sum(each.level is Level.PROBLEM for each in results),
        "warnings": sum(each.level is Level.WARNING for each in results),
        "checks": [each.document() for each in results],
    }
