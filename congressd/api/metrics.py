"""The metrics of the API and of its policy engine node: one literal table, written for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from congressd.pe.node import PolicyEngineNode

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Samples = Callable[[PolicyEngineNode], Mapping[tuple[str, ...], float]]


def _engine(name: str) -> Samples:
    return lambda node: {(): node.engine.stats()[name]}


#: Read when they are asked for: name, kind, labels, help, and where the samples come from, by label values.
NODE_METRICS: Final[tuple[tuple[str, str, tuple[str, ...], str, Samples], ...]] = (
    ("congressd_ready", "gauge", (), "1 when this node may take calls", lambda node: {(): node.readiness().ready}),
    (
        "congressd_policy_revision",
        "gauge",
        (),
        "policy revision that answers come from",
        lambda node: {(): node.revision},
    ),
    ("congressd_engine_version", "counter", (), "commits of the engine", lambda node: {(): node.engine.version}),
    ("congressd_engine_tables", "gauge", (), "tables that the engine holds", _engine("tables")),
    ("congressd_engine_rows", "gauge", (), "rows that the engine holds", _engine("rows")),
    ("congressd_engine_indexes", "gauge", (), "indexes that the engine holds", _engine("indexes")),
    ("congressd_engine_rules", "gauge", (), "rules that the engine runs", _engine("rules")),
    ("congressd_engine_facts", "gauge", (), "facts that policies state", _engine("facts")),
    (
        "congressd_rule_errors",
        "counter",
        (),
        "rows on which a builtin failed in a rule",
        lambda node: {(): sum(each.count for each in node.engine.errors())},
    ),
    (
        "congressd_source_sequence",
        "gauge",
        ("source", "epoch"),
        "sequence of the last batch that was applied",
        lambda node: {(name, str(at.epoch)): at.sequence for name, at in node.holder.progress.held().items()},
    ),
    (
        "congressd_source_fetched_seconds",
        "gauge",
        ("source",),
        "when the rows of the last batch were read at the source, seconds since 1970",
        lambda node: {(name,): at for name, at in node.holder.fetched_at.items()},
    ),
    (
        "congressd_sources_waiting",
        "gauge",
        (),
        "wanted sources for which a snapshot is waited for",
        lambda node: {(): len(node.streams.missing())},
    ),
    (
        "congressd_stream_events",
        "counter",
        ("event",),
        "what happened on the streams",
        lambda node: {(name,): number for name, number in node.streams.counters().items()},
    ),
    (
        "congressd_actions",
        "gauge",
        ("state",),
        "activations of the execution log by state; unknown ones wait for somebody to settle them",
        lambda node: {(state.value,): number for state, number in node.actions.counts().items()},
    ),
    (
        "congressd_actions_leader",
        "gauge",
        (),
        "1 when the datasource node listens to this node's execute rules",
        lambda node: {(): node.reporter.leads},
    ),
    (
        "congressd_kept_answers_hits",
        "counter",
        (),
        "questions answered from what was kept",
        lambda node: {(): node.queries.answers.hits},
    ),
    (
        "congressd_kept_answers_misses",
        "counter",
        (),
        "questions that had to be worked out",
        lambda node: {(): node.queries.answers.misses},
    ),
)


class _NodeCollector:
    """Makes the samples of `NODE_METRICS` when Prometheus asks."""

    def __init__(self, node: PolicyEngineNode) -> None:
        self._node = node

    def collect(self) -> Iterable[Metric]:
        for name, kind, labels, text, samples in NODE_METRICS:
            family = (CounterMetricFamily if kind == "counter" else GaugeMetricFamily)(name, text, labels=labels)
            for values, number in samples(self._node).items():
                family.add_metric(values, number)
            yield family


class Metrics:
    """The counters of one API, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "congressd_requests", "requests by route and status", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "congressd_request_seconds",
            "seconds from the whole request to the answer",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._seen: dict[tuple[str, str, int], Callable[[], None]] = {}
        self._timed: dict[tuple[str, str], Callable[[float], None]] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note one answer."""
        count = self._seen.get((method, route, status))
        if count is None:
            count = self._seen[(method, route, status)] = self._requests.labels(method, route, str(status)).inc
            self._timed[(method, route)] = self._seconds.labels(method, route).observe
        count()
        self._timed[(method, route)](seconds)

    def text(self, node: PolicyEngineNode) -> bytes:
        """All metrics in Prometheus' text format."""
        own = CollectorRegistry(auto_describe=False)
        own.register(_NodeCollector(node))
        return generate_latest(self._registry) + generate_latest(own)
