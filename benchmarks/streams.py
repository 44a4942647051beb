"""P11 and parts of P8 and P10: the codec, the digests, and table streams in one process and through RabbitMQ.

python -m benchmarks.streams            (needs the Debian package rabbitmq-server)

Through RabbitMQ the datasource node is a process of its own, so that each end has its own interpreter.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.measure import Times, human, machine, once, table
from benchmarks.workloads import SCHEMAS, Join, join
from congressd.bus.codec import Assembler, encode_batch
from congressd.bus.digest import digest_rows
from congressd.bus.inprocess import InProcessBus
from congressd.bus.rabbit_publisher import RabbitPublisher
from congressd.bus.rabbit_streams import RabbitOptions
from congressd.bus.rabbit_subscriber import RabbitSubscriber
from congressd.bus.streams import BatchArrived, Resync, StreamEvent
from congressd.engine.engine import Engine
from congressd.model.tables import Batch, BatchKind, Column, TableChange, TableSchema
from congressd.model.values import Row
from tests.service.rabbitmq import RabbitServer

SIZE: Final = 100_000  # rows of the large table
PORTION: Final = 10_000  # rows of a batch of the stream
PORTIONS: Final = 50
SINGLES: Final = 2_000  # batches of one row
EXCHANGE: Final = "congressd-benchmark"


def schema(source: str) -> tuple[TableSchema, ...]:
    """The tables of ``source`` in the `join` workload."""
    return tuple(TableSchema(name, tuple(map(Column, columns))) for name, columns in SCHEMAS[source].items())


def delta(sequence: int, rows: list[Row]) -> Batch:
    """A batch that adds servers."""
    changes = {"servers": TableChange(rows, [])}
    fetched_at = time.time()
    return Batch("nova", 1, sequence, BatchKind.DELTA, schema("nova"), changes, fetched_at=fetched_at)


def decode(parts: list[bytes]) -> Batch:
    """What the receiving end makes of ``parts``."""
    assembler = Assembler()
    whole = [assembler.add(part) for part in parts][-1]
    assert isinstance(whole, Batch)
    return whole


def best(work: Callable[[], object], runs: int = 5) -> float:
    """The shortest of a few runs, in seconds."""
    return min(once(work) for _ in range(runs))


def memory(make: Callable[[], object]) -> int:
    """Bytes that the result of ``make`` keeps."""
    gc.collect()
    tracemalloc.start()
    kept = make()
    gc.collect()
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del kept
    return used


def codec(world: Join) -> list[list[str]]:
    """Encoding, decoding and hashing of 8 short string columns, and of one row."""
    large, single = delta(1, world.servers), delta(1, world.servers[:1])
    parts, alone = list(encode_batch(large)), list(encode_batch(single))
    size = len(world.servers)

    def figure(what: str, seconds: float) -> list[str]:
        return [what, human(seconds), f"{size / seconds:,.0f} rows/s"]

    return [
        figure(f"encode {size:,} rows", best(lambda: list(encode_batch(large)))),
        figure(f"decode {size:,} rows", best(lambda: decode(parts))),
        figure(f"digest of {size:,} rows", best(lambda: digest_rows(world.servers))),
        ["bytes a row on the way", "", f"{sum(map(len, parts)) / size:.1f}"],
        ["bytes a decoded row keeps", "", f"{memory(lambda: decode(parts)) / size:.0f}"],
        ["encode one row", human(best(lambda: [list(encode_batch(single)) for _ in range(1000)]) / 1000), ""],
        ["decode one row", human(best(lambda: [decode(alone) for _ in range(1000)]) / 1000), ""],
    ]


class Meter:
    """A handler that applies batches to an engine and takes the time since they were made."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.engine.declare("nova", schema("nova"))
        self.ready, self.done = threading.Event(), threading.Event()
        self.runs: list[float] = []
        self.rows = 0
        self.first = self.last = 0.0

    def __call__(self, event: StreamEvent) -> None:
        if isinstance(event, Resync):
            self.ready.set()
        if not isinstance(event, BatchArrived):
            return
        self.engine.apply("nova", event.batch.tables)
        self.last = time.time()
        self.first = self.first or event.batch.fetched_at
        self.runs.append(self.last - event.batch.fetched_at)
        self.rows += len(event.batch.tables["servers"].added)
        if event.batch.push is not None:
            self.done.set()

    def latency(self) -> str:
        times = Times(tuple(self.runs))
        return f"p50 {human(times.median)}, p99 {human(times.quantile(0.99))}"


def last(batch: Batch) -> Batch:
    """Marked as the last of a run."""
    return Batch(batch.source, batch.epoch, batch.sequence, batch.kind, batch.schema, batch.tables, 1, batch.fetched_at)


def in_process(world: Join) -> list[list[str]]:
    """A batch of one row from the publisher to the engine of the same process."""
    bus, meter = InProcessBus(), Meter()
    subscriber = bus.subscriber()
    subscriber.start(meter)
    subscriber.bind(["nova"])
    send_singles(bus.publisher().publish, world)
    assert meter.done.wait(60)
    subscriber.close()
    return [["one row, in process", meter.latency(), ""]]


def send_singles(publish: Callable[[Batch], None], world: Join) -> None:
    """One row every two milliseconds."""
    for number in range(1, SINGLES):
        publish(delta(number, world.servers[number : number + 1]))
        time.sleep(0.002)
    publish(last(delta(SINGLES, world.servers[:1])))


def send_portions(publish: Callable[[Batch], None], world: Join) -> None:
    """Large batches, as fast as they go."""
    for number in range(PORTIONS):
        rows: list[Row] = [(f"{number}-{row[0]}", *row[1:]) for row in world.servers[:PORTION]]
        batch = delta(number, rows)
        publish(last(batch) if number == PORTIONS - 1 else batch)


SENDERS: Final = {"singles": send_singles, "portions": send_portions}


def sending_process(url: str, what: str) -> None:
    """The process of the datasource node."""
    publisher = RabbitPublisher(RabbitOptions((url,), EXCHANGE))
    SENDERS[what](publisher.publish, join(PORTION))
    publisher.close()


def through_rabbitmq(server: RabbitServer, what: str) -> Meter:
    """What arrives, and how fast, of what a process of its own sends."""
    meter = Meter()
    subscriber = RabbitSubscriber(RabbitOptions((server.url,), EXCHANGE))
    subscriber.bind(["nova"])
    subscriber.start(meter)
    assert meter.ready.wait(30)
    child = subprocess.Popen([sys.executable, "-m", "benchmarks.streams", server.url, what])
    assert meter.done.wait(120)
    child.wait(30)
    subscriber.close()
    return meter


def main() -> None:
    """Print the figures."""
    world = join(SIZE)
    rows = codec(world) + in_process(world)
    with tempfile.TemporaryDirectory() as directory:
        server = RabbitServer(Path(directory))
        try:
            server.start()
            singles = through_rabbitmq(server, "singles")
            portions = through_rabbitmq(server, "portions")
        finally:
            server.stop()
    rows.append(["one row, publisher to engine through RabbitMQ", singles.latency(), ""])
    seconds = portions.last - portions.first
    rows.append([f"{portions.rows:,} rows, ditto (P11)", human(seconds), f"{portions.rows / seconds:,.0f} rows/s"])
    print(machine())
    print(table(["what", "time", "rate"], rows))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        sending_process(*sys.argv[1:])
    else:
        main()
