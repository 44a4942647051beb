"""docs/metrics.md, made from the tables of metrics.

``python -m congressd.daemon.reference > docs/metrics.md`` writes it; a test says when it is out of date.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from congressd.api.metrics import METRICS
from congressd.daemon import dsd_metrics
from congressd.model.metrics import Metric

_HEAD: Final = """# Metrics

<!-- Made from congressd/api/metrics.py and congressd/daemon/dsd_metrics.py with
`python -m congressd.daemon.reference > docs/metrics.md`; a test says when it is out of date. -->

`GET /metrics` of every policy engine node has these figures, in the text format of Prometheus. With
`auth_strategy = token` it takes a token of the role `reader`: `authorization: {credentials_file: ...}` in the scrape
configuration of Prometheus. `GET /v1/system/status`, and `congress status`, tell the same to people.

What to watch: `congressd_ready` 0; `congressd_bus_connected` 0; `congressd_nodes` with the state `silent`;
`congressd_source_behind_batches` or `congressd_pushes_waiting` that stay above 0; `congressd_policy_revision` that
differs between nodes for longer than a moment; `congressd_rule_failures_total` that grows.

| metric | type | labels | |
| --- | --- | --- | --- |
"""

_DSD_HEAD: Final = """## The datasource node

With `[dsd] bind_port` a datasource node answers over HTTP too. Its `/metrics` has these figures, of what it polls and
publishes, for who has a token of the role `reader`. `/healthz` is 200 while it lives, `/readyz` on the one that is
active; with the virtual address as `bind_host` both ask for the active one wherever it is.

| metric | type | labels | |
| --- | --- | --- | --- |
"""


def page() -> str:
    """docs/metrics.md."""
    own = [_HEAD.rstrip("\n"), *map(_row, METRICS), ""]
    return "\n".join([*own, _DSD_HEAD.rstrip("\n"), *map(_row, dsd_metrics.METRICS), ""])


def _row(row: Metric[Any]) -> str:
    name = row.name + ("_total" if row.kind == "counter" else "")
    return f"| `{name}` | {row.kind} | {', '.join(f'`{label}`' for label in row.labels)} | {row.help} |"


if __name__ == "__main__":
    sys.stdout.write(page())
