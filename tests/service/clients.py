"""Clients that read and write at random, carry the consistency token, and write down what they were told.

Each has a register in a pushed table (its rows ``[register, number]``, of which each push replaces the last one) and
rules of its own in one policy that all write to. See `tests.service.history` for what is made of it.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from congressd.pe.token import Token, parse_token
from tests.service.history import Element, History, Operation, Outcome

TIMEOUT: Final = 30.0  #: seconds for an answer
MOST_RULES: Final = 4  #: that a client has at a time
SOURCE, POLICY, READER = "ledger", "shared", "reader"

#: What a client does, and how often, relative to each other.
MIX: Final[Mapping[str, int]] = {"rows": 5, "facts": 3, "rules": 2, "push": 3, "rule": 1, "unrule": 1}


class Answer(NamedTuple):
    """Of a request; status 0 if there was none: then ``body`` says why."""

    status: int
    body: Any
    token: Token | None

    @property
    def why(self) -> str:
        """What a failure says of itself."""
        return str(self.body) if self.status == 0 or self.status >= 500 else ""


class Connections:
    """One kept connection to each of some ports of 127.0.0.1, for one thread."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._open: dict[int, http.client.HTTPConnection] = {}

    def call(self, node: int, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """An answer of the node with this index; underscores in names of ``headers`` stand for hyphens."""
        connection = self._open.get(node)
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self._ports[node], timeout=TIMEOUT)
            self._open[node] = connection
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None
        if body is not None:
            data, sent["Content-Type"] = json.dumps(body), "application/json"
        try:
            connection.request(method, path, data, sent)
            reply = connection.getresponse()
            content = reply.read()
            token = reply.headers.get("Congress-Revision")
            text = "" if method == "HEAD" else content
            return Answer(reply.status, json.loads(text or b"null"), parse_token(token) if token else None)
        except (OSError, http.client.HTTPException) as error:
            self._open.pop(node).close()
            return Answer(0, repr(error), None)

    def close(self) -> None:
        """Close all."""
        for each in self._open.values():
            each.close()
        self._open.clear()


def prepare(call: Callable[..., Answer]) -> None:
    """Make the source and the policies that clients use; ``call`` is `Connections.call` without the node."""
    for path, body in (
        (
            "/v1/data-sources",
            {"name": SOURCE, "driver": "push", "config": {"tables": {"t": ["id", "n"]}, "key": {"t": ["id"]}}},
        ),
        ("/v1/policies", {"name": POLICY}),
        ("/v1/policies", {"name": READER, "rules": [{"rule": f"seen(x, y) :- {SOURCE}:t(x, y)"}]}),
    ):
        answer = call("POST", path, body)
        assert answer.status == 201, answer


def pushed_elements(rows: Iterable[Mapping[str, Any]]) -> list[Element]:
    """The elements that the rows of ``reader:seen`` are."""
    return [("push", *each["data"]) for each in rows]


def rule_elements(rules: Iterable[Mapping[str, Any]]) -> list[Element]:
    """The elements that the rules of the policy that all write to are."""
    return [("rule", *json.loads(f"[{each['rule'].strip('p()')}]")) for each in rules]


class Client:
    """One client. ``node`` chooses whom to ask next; ``pause`` seconds are waited between requests."""

    def __init__(
        self,
        number: int,
        ports: Sequence[int],
        history: History,
        *,
        mix: Mapping[str, int] = MIX,
        pause: float = 0.0,
        carry: bool = True,
    ) -> None:
        self.number = number
        self.token = Token()
        self._ports = ports
        self._connections = Connections(ports)
        self._history = history
        self._random = random.Random(number)
        self._kinds, self._weights = list(mix), list(mix.values())
        self._pause = pause
        self._carry = carry
        self._pushed = 0  # the last number that was tried
        self._kept = 0  # the last that was accepted
        self._register = str(number)
        self._rules: dict[str, Element] = {}  # of ours that are there, by id
        self._tried = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, operations: int | None = None) -> None:
        """Begin, for a number of operations or until `stop`."""
        self._thread = threading.Thread(target=self._run, args=(operations,), name=f"client {self.number}")
        self._thread.start()

    def stop(self) -> None:
        """Be about to end."""
        self._stop.set()

    def join(self, seconds: float = 60.0) -> None:
        """Wait for the end."""
        if self._thread is not None:
            self._thread.join(seconds)
            assert not self._thread.is_alive(), f"client {self.number} did not end"

    def _run(self, operations: int | None) -> None:
        done = 0
        while not self._stop.is_set() and (operations is None or done < operations):
            self.step()
            done += 1
            if self._pause:
                self._stop.wait(self._pause)
        self._connections.close()

    def step(self) -> None:
        """One operation."""
        kind = self._random.choices(self._kinds, self._weights)[0]
        if kind == "unrule" and not self._rules:
            kind = "rule"
        if kind == "rule" and len(self._rules) >= MOST_RULES:
            kind = "unrule"
        getattr(self, f"_do_{kind}")()

    def _do_rows(self) -> None:
        self._read("pushed", f"/v1/policies/{READER}/tables/seen/rows", pushed_elements)

    def _do_head(self) -> None:
        """A HEAD, which has no elements to look at."""
        began, sent = time.monotonic(), self._sent()
        answer, node = self._call("HEAD", f"/v1/policies/{READER}/tables/seen/rows")
        outcome = Outcome.OK if answer.status == 200 else Outcome.REFUSED
        self._history.add(
            Operation(
                self.number,
                "pushed",
                outcome,
                began,
                time.monotonic(),
                node,
                answer.status,
                sent=sent,
                got=answer.token,
                why=answer.why,
            )
        )

    def _do_facts(self) -> None:
        path = f"/v1/policies/{POLICY}/query?q=p(x,y)"
        self._read("rules", path, lambda rows: [("rule", *each["data"]) for each in rows])

    def _do_rules(self) -> None:
        self._read("rules", f"/v1/policies/{POLICY}/rules", rule_elements)

    def _do_push(self) -> None:
        self._pushed += 1
        path = f"/v1/data-sources/{SOURCE}/tables/t/rows"
        row = [self._register, self._pushed]
        removed = frozenset(("push", self._register, each) for each in range(self._kept, self._pushed))
        added = frozenset([("push", *row)])
        key = f"{self.number}.{self._pushed}"
        answer = self._write("pushed", "PATCH", path, {"upsert": [row]}, added, removed, Idempotency_Key=key)
        if answer.status == 200:
            self._kept = self._pushed
        elif answer.status == 0 or answer.status >= 500:
            # It may still be carried out, at any time, over what comes later: so nothing comes later.
            self._register, self._kept = f"{self.number}.{self._pushed}", self._pushed + 1

    def _do_rule(self) -> None:
        self._tried += 1
        element = ("rule", self.number, self._tried)
        rule = {"rule": f"p({self.number}, {self._tried})"}
        answer = self._write("rules", "POST", f"/v1/policies/{POLICY}/rules", rule, frozenset([element]))
        if answer.status == 201:
            self._rules[answer.body["id"]] = element

    def _do_unrule(self) -> None:
        identity = next(iter(self._rules))
        removed = frozenset([self._rules.pop(identity)])
        self._write("rules", "DELETE", f"/v1/policies/{POLICY}/rules/{identity}", None, frozenset(), removed)

    def _read(self, table: str, path: str, elements: Callable[[Any], Iterable[Element]]) -> None:
        began, sent = time.monotonic(), self._sent()
        answer, node = self._call("GET", path)
        good = answer.status == 200
        seen = frozenset(elements(answer.body["results"])) if good else frozenset()
        outcome = Outcome.OK if good else Outcome.REFUSED
        ended = time.monotonic()
        self._history.add(
            Operation(
                self.number,
                table,
                outcome,
                began,
                ended,
                node,
                answer.status,
                seen=seen,
                sent=sent,
                got=answer.token,
                why=answer.why,
            )
        )

    def _write(
        self,
        table: str,
        method: str,
        path: str,
        body: object,
        added: frozenset[Element],
        removed: frozenset[Element] = frozenset(),
        **headers: str,
    ) -> Answer:
        began, sent = time.monotonic(), self._sent()
        answer, node = self._call(method, path, body, **headers)
        outcome = Outcome.OK if answer.status in (200, 201) else Outcome.REFUSED
        if answer.status == 0 or answer.status >= 500:
            outcome = Outcome.UNKNOWN
        ended = time.monotonic()
        status = answer.status
        self._history.add(
            Operation(
                self.number,
                table,
                outcome,
                began,
                ended,
                node,
                status,
                added=added,
                removed=removed,
                sent=sent,
                got=answer.token,
                why=answer.why,
            )
        )
        return answer

    def _sent(self) -> Token | None:
        return self.token if self._carry else None

    def _call(self, method: str, path: str, body: object = None, **headers: str) -> tuple[Answer, int]:
        if self._carry:
            headers["Congress_At_Least"] = str(self.token)
        node = self._random.randrange(len(self._ports))
        answer = self._connections.call(node, method, path, body, **headers)
        if answer.token is not None:
            self.token = self.token.merged(answer.token)
        return answer, node


class Crowd:
    """Clients at work for the time of a context; they have ended when it ends."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self.clients = clients

    def __enter__(self) -> Crowd:
        for each in self.clients:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.clients:
            each.stop()
        for each in self.clients:
            each.join()
