"""For how long a node waits for the first rows of its sources before it takes calls without them. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Final

#: Seconds without the first rows of any further source after which those that wait no longer keep the node from
#: being ready: a node must be of use without a datasource node.
GRACE: Final = 10.0


class Awaited:
    """Follows how many sources are awaited; times are monotonic seconds.

    The waiting begins with the first look that finds a source to wait for, however long the policies took to load.
    """

    def __init__(self) -> None:
        self._moved_at = math.inf  # when the waiting began, or the last of the awaited sources came
        self._left = 0

    def look(self, waiting: Collection[str], now: float) -> bool:
        """Take which sources wait now. True if some came since the last look."""
        moved = len(waiting) < self._left
        if moved or (waiting and not self._left):
            self._moved_at = now
        self._left = len(waiting)
        return moved

    def in_vain(self, now: float) -> bool:
        """Whether nothing has come for so long that the node is ready without."""
        return now - self._moved_at >= GRACE
