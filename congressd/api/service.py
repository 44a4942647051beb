"""What handlers work with: the policy engine node of this process, and who may do what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from congressd.api.access import Access, OpenAccess
from congressd.api.metrics import Metrics
from congressd.pe.node import PolicyEngineNode


@dataclass(frozen=True, slots=True)
class Service:
    """One API over one node. ``labels`` are told in /readyz, such as the name of the node."""

    node: PolicyEngineNode
    access: Access = field(default_factory=OpenAccess)
    labels: Mapping[str, str] = field(default_factory=dict)
    metrics: Metrics = field(default_factory=Metrics)
