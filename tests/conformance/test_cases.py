"""Every case of ``cases/``, against the oracle and against the engine."""

from __future__ import annotations

import pytest

from congressd.engine.engine import Engine
from tests.conformance.model import Case, load_cases
from tests.conformance.oracle_simulation import SimulatingOracle
from tests.conformance.runner import run_case
from tests.conformance.workbench import Workbench

CASES = load_cases()
EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])


@EVERY_CASE
def test_engine(case: Case) -> None:
    run_case(case, Workbench(Engine()))


@EVERY_CASE
def test_oracle(case: Case) -> None:
    run_case(case, Workbench(SimulatingOracle()))
