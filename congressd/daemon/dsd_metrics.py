"""All metrics of a datasource node in one literal table, and their text for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from congressd.daemon.status import State, Status
from congressd.dsd.source import Figures
from congressd.model.metrics import Metric, families, one


@dataclass(frozen=True, slots=True)
class Look:
    """A datasource node at one moment. ``sources`` are those that it has set up."""

    status: Status
    sources: tuple[Figures, ...]


def _of_each(number: Callable[[Figures], float | None]) -> Callable[[Look], Mapping[tuple[str, ...], float]]:
    def samples(look: Look) -> Mapping[tuple[str, ...], float]:
        return {(each.source,): told for each in look.sources if (told := number(each)) is not None}

    return samples


METRICS: Final[tuple[Metric[Look], ...]] = (
    Metric(
        "congressd_dsd_active",
        "gauge",
        (),
        "1 when this node polls and publishes",
        one(lambda look: look.status.state is State.ACTIVE),
    ),
    Metric(
        "congressd_dsd_epoch",
        "gauge",
        (),
        "epoch of this node; 0 when it is not active",
        one(lambda look: look.status.epoch or 0),
    ),
    Metric(
        "congressd_dsd_bus_connected", "gauge", (), "1 while RabbitMQ is reached", one(lambda look: look.status.bus)
    ),
    Metric(
        "congressd_dsd_database",
        "gauge",
        (),
        "1 when the database answered when it was last asked",
        one(lambda look: look.status.database),
    ),
    Metric(
        "congressd_dsd_work_age_seconds",
        "gauge",
        (),
        "seconds since the work loop last turned",
        one(lambda look: look.status.work_age),
    ),
    Metric(
        "congressd_dsd_refused",
        "counter",
        (),
        "writes that were refused because another node has taken over",
        one(lambda look: look.status.refused),
    ),
    Metric(
        "congressd_dsd_source_failing",
        "gauge",
        ("source",),
        "1 when a source, or one of its tables, could not be read when that was last tried",
        _of_each(lambda each: each.failing),
    ),
    Metric(
        "congressd_dsd_source_rows",
        "gauge",
        ("source",),
        "rows that are held of a source",
        _of_each(lambda each: each.rows),
    ),
    Metric(
        "congressd_dsd_source_read_seconds",
        "gauge",
        ("source",),
        "when a source was last read well, seconds since 1970",
        _of_each(lambda each: each.read_at),
    ),
    Metric(
        "congressd_dsd_source_batches",
        "counter",
        ("source",),
        "batches of a source that were published to everybody",
        _of_each(lambda each: each.batches),
    ),
    Metric(
        "congressd_dsd_source_unconfirmed",
        "counter",
        ("source",),
        "batches and snapshots that RabbitMQ did not confirm in time",
        _of_each(lambda each: each.unconfirmed),
    ),
)


class _Collector:
    def __init__(self, look: Look) -> None:
        self._look = look

    def collect(self) -> object:
        return families(METRICS, self._look)


def text(look: Look) -> bytes:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(look))  # type: ignore[arg-type]  # only `collect` is asked of it
    return generate_latest(registry)
