"""What handlers work with: the policy engine node of this process, and who may do what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from congressd.api.calls import Caller
from congressd.api.metrics import Metrics
from congressd.pe.node import PolicyEngineNode


class Access(Protocol):
    """Tells who a caller is."""

    def identify(self, authorization: str | None) -> Caller:
        """The caller by the ``Authorization`` header. Raises CongressError ``unauthorized``."""


class OpenAccess:
    """Everybody may do everything: for services that only the machine itself can reach."""

    _ANYBODY = Caller()

    def identify(self, authorization: str | None) -> Caller:
        return self._ANYBODY


@dataclass(frozen=True, slots=True)
class Service:
    """One API over one node. ``labels`` are told in /readyz, such as the name of the node."""

    node: PolicyEngineNode
    access: Access = field(default_factory=OpenAccess)
    labels: Mapping[str, str] = field(default_factory=dict)
    metrics: Metrics = field(default_factory=Metrics)
