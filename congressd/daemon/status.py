"""What a daemon says of itself over its control socket: one literal table of fields."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal

from congressd import __version__
from congressd.daemon.start import Role


class State(StrEnum):
    """What a daemon does. A DSD is standby or active, a PE ready or draining."""

    STARTING = "starting"  #: something is missing still; ``reason`` says what
    STANDBY = "standby"  #: warm, and one call away from active
    ACTIVE = "active"  #: holds the epoch, polls and publishes
    READY = "ready"  #: answers from complete policies and tables
    DRAINING = "draining"  #: answers, but wants no more calls
    STOPPING = "stopping"  #: about to end


@dataclass(frozen=True, slots=True)
class Status:
    """Ages are in seconds. ``sources`` counts them, ``failing`` names those of them that cannot be read."""

    role: Role | Literal["all-in-one"]
    state: State
    epoch: int | None  #: of a DSD that is active
    revision: int  #: of the policies that are held
    bus: bool  #: whether RabbitMQ is reached
    database: bool  #: whether the database answered when it was last asked
    last_batch_age: float | None  #: since a batch was published (DSD) or applied (PE)
    work_age: float  #: since the work loop last turned
    sources: int
    failing: tuple[str, ...] = ()
    reason: str = ""  #: why the state is what it is, if there is more to say
    refused: int = 0  #: writes (DSD) or batches (PE) refused because another DSD took over
    version: str = __version__

    def document(self) -> dict[str, Any]:
        """The status as JSON."""
        told = asdict(self)
        told["state"] = self.state.value
        told["work_age"] = round(self.work_age, 3)
        if self.last_batch_age is not None:
            told["last_batch_age"] = round(self.last_batch_age, 3)
        return told

    def line(self) -> str:
        """The status in a line, for `systemctl status`."""
        parts = [self.state.value]
        if self.epoch is not None:
            parts.append(f"epoch {self.epoch}")
        parts.append(f"revision {self.revision}")
        parts += [f"no {name}" for name, there in (("bus", self.bus), ("database", self.database)) if not there]
        if self.failing:
            parts.append(f"{len(self.failing)} of {self.sources} sources fail")
        if self.reason:
            parts.append(self.reason)
        return ", ".join(parts)
