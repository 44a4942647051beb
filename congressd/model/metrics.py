"""A row of a table of metrics, and what Prometheus gets of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import prometheus_client.core as prometheus
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

Subject = TypeVar("Subject")


@dataclass(frozen=True, slots=True)
class Metric(Generic[Subject]):
    """``samples`` tells the figures of a subject by label values; None where they are counted as things happen."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    labels: tuple[str, ...]
    help: str
    samples: Callable[[Subject], Mapping[tuple[str, ...], float]] | None


def one(number: Callable[[Subject], float]) -> Callable[[Subject], Mapping[tuple[str, ...], float]]:
    """The samples of a metric without labels."""
    return lambda subject: {(): number(subject)}


def families(table: Iterable[Metric[Subject]], subject: Subject) -> Iterator[prometheus.Metric]:
    """The figures of a subject, as Prometheus' library takes them."""
    for row in table:
        if row.samples is not None:
            make = CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily
            family = make(row.name, row.help, labels=row.labels)
            for values, number in row.samples(subject).items():
                family.add_metric(values, number)
            yield family
