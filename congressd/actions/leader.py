"""Which policy engine node the datasource node listens to. Pure.

The invariants: there is one leader at most; a leader stays as long as it lives and keeps up; when it dies, the live
node that is furthest takes its place at once.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """In seconds: silence after which a node counts as dead, and for how long a leader may be behind others."""

    dead: float = 0.6
    behind: float = 3.0


@dataclass(slots=True)
class _Node:
    boot: str
    revision: int
    heard: float


class Leadership:
    """The nodes that were heard of. ``leader`` is the name and boot of the one to listen to, or None."""

    def __init__(self, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._nodes: dict[str, _Node] = {}
        self._behind_since: float | None = None
        self.leader: tuple[str, str] | None = None
        self.changes = 0  #: how often another leader was chosen

    def hear(self, name: str, boot: str, revision: int, now: float) -> None:
        """A node has spoken. ``boot`` differs for every life of a node, ``revision`` is that of its policies."""
        self._nodes[name] = _Node(boot, revision, now)
        if self.leader == (name, boot):
            self._follow(now)
        elif self.leader is None or self.leader[0] == name or not self.alive(now):
            self.choose(now)
        else:
            self._follow(now)

    def alive(self, now: float) -> bool:
        """Whether there is a leader that lives."""
        if self.leader is None:
            return False
        node = self._nodes.get(self.leader[0])
        return node is not None and node.boot == self.leader[1] and now - node.heard < self._patience.dead

    def choose(self, now: float) -> bool:
        """Take another leader if this one is dead or gone; whether there is a new one."""
        self._nodes = {name: node for name, node in self._nodes.items() if now - node.heard < self._patience.dead}
        if self.alive(now):
            return False
        if not self._nodes:
            return False  # what the dead one said last stays known, though nothing is started by it
        return self._take(now)

    def nodes(self) -> dict[str, int]:
        """The revision of every node that was heard of lately."""
        return {name: node.revision for name, node in self._nodes.items()}

    def _follow(self, now: float) -> None:
        """Give up a leader that others have been ahead of for long."""
        assert self.leader is not None
        held = self._nodes.get(self.leader[0])
        most = max(node.revision for node in self._nodes.values())
        if held is None or held.revision >= most:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = now
        elif now - self._behind_since >= self._patience.behind:
            self._take(now)

    def _take(self, now: float) -> bool:
        live = [(node.revision, name) for name, node in self._nodes.items() if now - node.heard < self._patience.dead]
        if not live:
            return False
        name = max(live)[1]
        self._behind_since = None
        before, self.leader = self.leader, (name, self._nodes[name].boot)
        self.changes += before != self.leader
        return before != self.leader
