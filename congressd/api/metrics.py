"""All metrics of a service in one literal table, and their text for Prometheus. docs/metrics.md is made from it."""

from __future__ import annotations

import math
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import prometheus_client.core as prometheus
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.utils import floatToGoString

from congressd.api.look import Look
from congressd.model.metrics import Metric, families, one

if TYPE_CHECKING:
    from congressd.api.service import Service

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Samples = Callable[[Look], Mapping[tuple[str, ...], float]]


def _engine(name: str) -> Samples:
    return lambda look: {(): look.engine[name]}


def _nodes(look: Look) -> Mapping[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {}
    for each in look.nodes:
        key = (str(each.said.get("role")), each.state)
        found[key] = found.get(key, 0) + 1
    return found


def _failures(look: Look) -> Mapping[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {}
    for each in look.failures:
        key = (each.rule.policy, each.rule.id)
        found[key] = found.get(key, 0) + each.count
    return found


METRICS: Final[tuple[Metric[Look], ...]] = (
    Metric("congressd_requests", "counter", ("method", "route", "status"), "requests by route and status", None),
    Metric(
        "congressd_request_seconds",
        "histogram",
        ("method", "route"),
        "seconds from the whole request to the answer",
        None,
    ),
    Metric("congressd_ready", "gauge", (), "1 when this node may take calls", one(lambda look: look.readiness.ready)),
    Metric(
        "congressd_nodes",
        "gauge",
        ("role", "state"),
        "nodes by what they last said of themselves; `silent` are those that were not heard lately",
        _nodes,
    ),
    Metric(
        "congressd_node_silent_seconds",
        "gauge",
        ("node",),
        "seconds since a node was last heard",
        lambda look: {(each.name,): each.silent for each in look.nodes},
    ),
    Metric(
        "congressd_policy_revision",
        "gauge",
        (),
        "policy revision that answers come from",
        one(lambda look: look.node.revision),
    ),
    Metric("congressd_epoch", "gauge", (), "newest epoch that was heard of", one(lambda look: look.epoch)),
    Metric(
        "congressd_bus_connected",
        "gauge",
        (),
        "1 while batches can arrive",
        one(lambda look: look.node.streams.connected),
    ),
    Metric(
        "congressd_stream_backlog",
        "gauge",
        (),
        "batches and heartbeats that arrived and wait to be applied",
        one(lambda look: look.node.streams.backlog()),
    ),
    Metric(
        "congressd_stream_events",
        "counter",
        ("event",),
        "what happened on the streams: what was received, dropped (and why), and asked for (and why)",
        lambda look: {(name,): number for name, number in look.node.streams.counters().items()},
    ),
    Metric(
        "congressd_sources_waiting",
        "gauge",
        (),
        "wanted sources for which a snapshot is waited for",
        one(lambda look: len(look.node.streams.missing())),
    ),
    Metric(
        "congressd_source_sequence",
        "gauge",
        ("source", "epoch"),
        "sequence of the last batch that was applied",
        lambda look: {(name, str(at.epoch)): at.sequence for name, at in look.node.holder.progress.held().items()},
    ),
    Metric(
        "congressd_source_behind_batches",
        "gauge",
        ("source",),
        "batches that were published, as far as is known here, and are not applied",
        lambda look: {(name,): lag.behind for name, lag in look.lags.items()},
    ),
    Metric(
        "congressd_source_silent_seconds",
        "gauge",
        ("source",),
        "seconds since a batch or heartbeat of a source came, or since the source could not be read",
        lambda look: {(name,): lag.silent for name, lag in look.lags.items()},
    ),
    Metric(
        "congressd_source_fetched_seconds",
        "gauge",
        ("source",),
        "when the rows of the last batch were read at the source, seconds since 1970",
        lambda look: {(name,): at for name, at in look.node.holder.fetched_at.items()},
    ),
    Metric(
        "congressd_pushes_waiting",
        "gauge",
        ("source",),
        "pushes accepted by this node that are not in its rows yet",
        lambda look: {(name,): number for name, number in look.pushes_waiting.items()},
    ),
    Metric(
        "congressd_rule_failures",
        "counter",
        ("policy", "rule"),
        "times that a builtin failed on a row in a rule, by the rule's id",
        _failures,
    ),
    Metric(
        "congressd_actions",
        "gauge",
        ("state",),
        "activations of the execution log by state; unknown ones wait for somebody to settle them",
        lambda look: {(state.value,): number for state, number in look.node.actions.counts().items()},
    ),
    Metric(
        "congressd_actions_leader",
        "gauge",
        (),
        "1 when the datasource node listens to this node's execute rules",
        one(lambda look: look.node.reporter.leads),
    ),
    Metric(
        "congressd_engine_commits",
        "counter",
        (),
        "changes that the engine has taken",
        one(lambda look: look.node.engine.version),
    ),
    Metric("congressd_engine_tables", "gauge", (), "tables that the engine holds", _engine("tables")),
    Metric("congressd_engine_rows", "gauge", (), "rows that the engine holds", _engine("rows")),
    Metric("congressd_engine_indexes", "gauge", (), "indexes that the engine holds", _engine("indexes")),
    Metric(
        "congressd_engine_virtual_tables", "gauge", (), "tables that are worked out when asked for", _engine("virtual")
    ),
    Metric("congressd_engine_rules", "gauge", (), "rules that the engine runs", _engine("rules")),
    Metric("congressd_engine_facts", "gauge", (), "facts that policies state", _engine("facts")),
    Metric(
        "congressd_kept_answers",
        "gauge",
        (),
        "answers that are kept",
        one(lambda look: look.node.queries.answers.count),
    ),
    Metric(
        "congressd_kept_answers_bytes",
        "gauge",
        (),
        "bytes of the answers that are kept",
        one(lambda look: look.node.queries.answers.bytes),
    ),
    Metric(
        "congressd_kept_answers_hits",
        "counter",
        (),
        "questions answered from what was kept",
        one(lambda look: look.node.queries.answers.hits),
    ),
    Metric(
        "congressd_kept_answers_misses",
        "counter",
        (),
        "questions that had to be worked out",
        one(lambda look: look.node.queries.answers.misses),
    ),
    Metric(
        "congressd_tokens",
        "gauge",
        ("role",),
        "bearer tokens that can be used now",
        lambda look: {(role,): number for role, number in look.service.access.roles().items()},
    ),
    Metric(
        "congressd_tokens_file_broken",
        "gauge",
        (),
        "1 while the file of tokens cannot be used, and those that were read before are",
        one(lambda look: look.service.access.problem is not None),
    ),
)

_ROWS: Final = {row.name: row for row in METRICS}


class _Collector:
    """Makes the samples of the table when Prometheus asks."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterable[prometheus.Metric]:
        return families(METRICS, Look(self._service))


class _Answers:
    """The answers to one method, route and status: how many took how long."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BUCKETS) + 1)  # those of each bucket alone; the last is for longer ones
        self.seconds = 0.0


class Metrics:
    """The counters of one API. Counting has a place in every request, so it is done by hand: a tenth of the time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, str, int], _Answers] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note one answer."""
        key = (method, route, status)
        with self._lock:
            answers = self._answers.get(key)
            if answers is None:
                answers = self._answers[key] = _Answers()
            answers.counts[bisect_left(_BUCKETS, seconds)] += 1
            answers.seconds += seconds

    def collect(self) -> Iterable[prometheus.Metric]:
        """What Prometheus asks for."""
        requests, seconds = _ROWS["congressd_requests"], _ROWS["congressd_request_seconds"]
        counter = CounterMetricFamily(requests.name, requests.help, labels=requests.labels)
        histogram = HistogramMetricFamily(seconds.name, seconds.help, labels=seconds.labels)
        routes: dict[tuple[str, str], _Answers] = {}
        with self._lock:
            for (method, route, status), answers in self._answers.items():
                counter.add_metric((method, route, str(status)), sum(answers.counts))
                whole = routes.setdefault((method, route), _Answers())
                whole.counts = [a + b for a, b in zip(whole.counts, answers.counts, strict=True)]
                whole.seconds += answers.seconds
        for labels, answers in routes.items():
            buckets = zip(map(floatToGoString, (*_BUCKETS, math.inf)), accumulate(answers.counts), strict=True)
            histogram.add_metric(labels, list(buckets), answers.seconds)
        return (counter, histogram)

    def text(self, service: Service) -> bytes:
        """All metrics in Prometheus' text format."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        registry.register(_Collector(service))
        return generate_latest(registry)
