"""One look at a service from within: what metrics and status are made of. Each part is read once, when it is asked for.

Nothing here asks the database or another node, so that it can be told when they are away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from congressd import __version__
from congressd.engine.failures import RuleFailures
from congressd.model.clock import iso
from congressd.pe.node import Readiness
from congressd.pe.roll import NodeReport
from congressd.pe.streams import Lag

if TYPE_CHECKING:
    from congressd.api.service import Service


class Look:
    """The state of a service at about one moment."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.node = service.node

    @cached_property
    def readiness(self) -> Readiness:
        """Whether the node may take calls."""
        return self.node.readiness()

    @cached_property
    def engine(self) -> Mapping[str, int]:
        """The sizes of the engine."""
        return self.node.engine.stats()

    @cached_property
    def failures(self) -> Sequence[RuleFailures]:
        """The failures of builtins, by rule."""
        return self.node.engine.errors()

    @cached_property
    def lags(self) -> Mapping[str, Lag]:
        """How far the rows of each source are behind what was published."""
        return self.node.streams.lags()

    @cached_property
    def nodes(self) -> Sequence[NodeReport]:
        """All nodes that were heard of."""
        return self.node.roll.all()

    @cached_property
    def epoch(self) -> int:
        """The newest epoch that was heard of; 0 for none."""
        told = [int(each.said.get("epoch") or 0) for each in self.nodes]
        return max([*told, *(lag.epoch for lag in self.lags.values())], default=0)

    @cached_property
    def pushes_waiting(self) -> Mapping[str, int]:
        """The pushes accepted here that are not in the rows yet, by source."""
        return self.node.pushes.waiting()

    def document(self) -> dict[str, Any]:
        """All of it as JSON, for people."""
        answers = self.node.queries.answers
        return {
            **self.service.labels,
            "version": __version__,
            "ready": self.readiness.ready,
            "missing": list(self.readiness.missing),
            "revision": self.readiness.revision,
            "epoch": self.epoch,
            "bus": self.readiness.bus,
            "backlog": self.node.streams.backlog(),
            "access": self.service.access.problem or "fine",
            "nodes": [each.document() for each in self.nodes],
            "sources": [self._source(name, state) for name, state in self.readiness.sources.items()],
            "failures": [_failures(each) for each in self.failures],
            "engine": {"version": self.node.engine.version, **self.engine},
            "answers": {"kept": answers.count, "bytes": answers.bytes, "hits": answers.hits, "misses": answers.misses},
        }

    def _source(self, name: str, state: str) -> dict[str, Any]:
        held = self.node.holder.progress.position(name)
        lag = self.lags.get(name)
        right_at = self.node.freshener.right_at(name)
        return {
            "source": name,
            "state": state,
            "held": None if held is None else str(held),
            "published": None if lag is None else f"{lag.epoch}.{lag.sequence}",
            "behind": None if lag is None else lag.behind,
            "silent_seconds": None if lag is None else round(lag.silent, 3),
            "fetched_at": iso(right_at) if right_at else None,
            "pushes_waiting": self.pushes_waiting.get(name, 0),
        }


def _failures(failures: RuleFailures) -> dict[str, Any]:
    rule = failures.rule
    return {
        "policy": rule.policy,
        "rule_id": rule.id,
        "rule": rule.text or str(rule),
        "count": failures.count,
        "since": iso(failures.since),
        "last": [str(each) for each in failures.last],
    }
