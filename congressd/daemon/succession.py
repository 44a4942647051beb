"""When a datasource node that nobody commands may take over: not while another one may still act. Pure.

The other's lease is judged by what is seen to change in the database, and by this node's own clock alone: clocks of
two machines are never compared. Who knows better, because it has fenced the other node, need not ask here.
"""

from __future__ import annotations

from congressd.store.epochs import RELEASED, EpochRecord


class Succession:
    """Watches the record of who has the role."""

    def __init__(self, node: str, lease: float) -> None:
        """``node`` is this node's own name, ``lease`` the seconds for which the holder acts without a renewal."""
        self._node = node
        self._lease = lease
        self._seen: EpochRecord | None = None
        self._since = 0.0

    def wait_for(self, record: EpochRecord | None, now: float) -> float:
        """Seconds for which the role must be left to its holder still; 0 if it may be taken.

        ``record`` is what the database says at monotonic time ``now``. The own name stands for a process that has
        ended, since only one can hold its PID file.
        """
        if record is None or record.node == self._node or record.lease_until == RELEASED:
            return 0.0
        if record != self._seen:
            self._seen, self._since = record, now
        return max(0.0, self._since + self._lease - now)
