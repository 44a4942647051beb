"""A bounded load through the API's address: queries, and pushes whose arrival in the tables is watched."""

from __future__ import annotations

import itertools
import threading
import time
import urllib.error
from typing import NamedTuple

from tests.cluster.lab.lab import ClusterError, call

SOURCE, POLICY = "lab", "faults"
MOST = 200_000  # calls in one life of a load


class Sample(NamedTuple):
    """One call: when it began and how long it took, by the monotonic clock; ``error`` is empty when it was answered."""

    began: float
    took: float
    error: str


def prepare() -> None:
    """A pushed source with one table, and a policy that reads it."""
    names = {source["name"] for source in call("GET", "/v1/data-sources")["results"]}
    if SOURCE not in names:
        config = {"tables": {"beat": ["number"]}}
        call("POST", "/v1/data-sources", {"name": SOURCE, "driver": "push", "config": config})
    policies = {policy["name"] for policy in call("GET", "/v1/policies")["results"]}
    if POLICY not in policies:
        # In one call: the next one may go to a node that does not know the policy yet.
        call("POST", "/v1/policies", {"name": POLICY, "rules": [{"rule": f"seen(x) :- {SOURCE}:beat(x)"}]})


class Load:
    """Two threads that query, one that pushes numbers, one that watches which number the policy sees.

    A query is given up after ``patience`` seconds, and the next one begins.
    """

    def __init__(self, patience: float = 10.0) -> None:
        self._patience = patience
        self.began = time.monotonic()
        self.queries: list[Sample] = []
        self.pushes: list[Sample] = []
        self.accepted: list[int] = []  # milliseconds since 1970 at which a push was made: its number
        self.seen: list[tuple[float, int]] = []  # when a new number was first seen
        self._ended = threading.Event()
        targets = [self._query, self._query, self._push, self._watch]
        self._threads = [threading.Thread(target=target, daemon=True) for target in targets]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(30)

    def settle(self, new: int = 10, seconds: float = 30.0) -> None:
        """Wait until so many more numbers were seen."""
        wanted, until = len(self.seen) + new, time.monotonic() + seconds
        while len(self.seen) < wanted:
            if time.monotonic() > until:
                raise ClusterError(f"only {len(self.seen)} numbers were seen; {self.failures()[-3:]}")
            time.sleep(0.05)

    def gap(self, since: float) -> float:
        """The longest time without a new number in the tables, from just before ``since`` on, in seconds."""
        moments = [moment for moment, _ in self.seen]
        pairs = itertools.pairwise(moments)
        return max((later - earlier for earlier, later in pairs if later > since), default=float("inf"))

    def outage(self, since: float) -> float:
        """The longest time from the beginning of a query to the next answered one, in seconds."""
        answered = sorted(sample.began + sample.took for sample in self.queries if not sample.error)
        pairs = itertools.pairwise(answered)
        return max((later - earlier for earlier, later in pairs if later > since), default=float("inf"))

    def failures(self) -> list[str]:
        """What failed, of queries."""
        return [sample.error for sample in self.queries if sample.error]

    def push_failures(self) -> list[str]:
        """What failed, of pushes."""
        return [sample.error for sample in self.pushes if sample.error]

    def _query(self) -> None:
        while not self._ended.wait(0.1) and len(self.queries) < MOST:
            path = f"/v1/policies/{POLICY}/tables/seen/rows"
            self.queries.append(_sample("GET", path, None, self._patience))

    def _push(self) -> None:
        number = 0
        while not self._ended.wait(0.05) and len(self.pushes) < MOST:
            number = max(number + 1, int(time.time() * 1000))
            path = f"/v1/data-sources/{SOURCE}/tables/beat/rows"
            self.pushes.append(_sample("PUT", path, [[number]], 10.0))
            if not self.pushes[-1].error:
                self.accepted.append(number)

    def _watch(self) -> None:
        latest = 0
        while not self._ended.wait(0.02):
            try:
                answer = call("GET", f"/v1/policies/{POLICY}/tables/seen/rows", timeout=1)
            except (OSError, urllib.error.URLError, ValueError):
                continue
            numbers = [row["data"][0] for row in answer["results"]]
            if numbers and max(numbers) > latest:
                latest = max(numbers)
                self.seen.append((time.monotonic(), latest))


def _sample(method: str, path: str, body: object, patience: float) -> Sample:
    began, error = time.monotonic(), ""
    try:
        call(method, path, body, timeout=patience)
    except urllib.error.HTTPError as refused:
        error = f"{refused.code} {refused.read(200)!r}"
    except (OSError, urllib.error.URLError, ValueError) as lost:
        error = str(lost)
    return Sample(began, time.monotonic() - began, error)
