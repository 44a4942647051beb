"""Faults of servers and nodes under load, one after the other: what clients notice of them, and how soon all is well.

python -m benchmarks.faults [ROUNDS [mariadb|galera|brokers]]      (20 rounds of every fault unless told otherwise)

Three policy engine nodes behind HAProxy, two datasource nodes, six clients that read and write and try nothing twice.
After every fault it is checked that no accepted write is lost, no answer went back in time, all nodes are equal, and
one datasource node publishes; nobody did more than start again what had ended. Ends with 1 if anything was found.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from benchmarks.measure import Times, human, machine, table
from tests.service.mariadb import MariaDB
from tests.service.mariadb_galera import galera_cluster
from tests.service.nemesis import (
    BROKER_FAULTS,
    FAULTS,
    GALERA_FAULTS,
    Round,
    World,
    strike,
    world_on_galera,
    world_on_mariadb,
)
from tests.service.rabbitmq import RabbitServer
from tests.service.rabbitmq_cluster import RabbitCluster, rabbitmq_cluster

ROUNDS: Final = 20

Results = dict[str, list[Round]]


def rounds(world: World, faults: Mapping[str, Callable[[World], None]], number: int, results: Results) -> None:
    """Every fault in turn, again and again. What is found is told at once."""
    for _ in range(number):
        for name, fault in faults.items():
            done = strike(world, fault)
            results.setdefault(name, []).append(done)
            print(name, f"settled after {done.settled:.1f} s,", f"{len(done.problems)} problems", flush=True)
            for problem in done.problems:
                print("   ", problem, flush=True)


def on_mariadb(
    rabbitmq: RabbitServer | RabbitCluster,
    folder: Path,
    faults: Mapping[str, Callable[[World], None]],
    number: int,
    results: Results,
) -> None:
    """The faults of everything but Galera."""
    mariadb = MariaDB(_made(folder) / "m")
    try:
        mariadb.create()
        with mariadb.root() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE faults")
        with world_on_mariadb(mariadb, mariadb.url("faults"), rabbitmq, _made(folder / "h")) as world:
            rounds(world, faults, number, results)
    finally:
        mariadb.stop()


def on_galera(rabbitmq: RabbitServer, folder: Path, number: int, results: Results) -> None:
    """The fault of Galera: three nodes, of which that is killed which is written to."""
    with galera_cluster(3) as galera, world_on_galera(galera, "faults", rabbitmq, _made(folder / "g")) as world:
        rounds(world, GALERA_FAULTS, number, results)


def line(name: str, done: list[Round]) -> list[str]:
    """A row of the table."""
    first, settled = Times(tuple(each.first_write for each in done)), Times(tuple(each.settled for each in done))
    return [
        name,
        str(len(done)),
        str(sum(each.operations for each in done)),
        str(sum(each.unanswered_reads for each in done)),
        str(sum(each.unanswered_writes for each in done)),
        f"{human(first.median)}, {human(max(first.runs))}",
        f"{human(settled.median)}, {human(max(settled.runs))}",
        str(sum(len(each.problems) for each in done)),
    ]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def main(number: int, which: str) -> int:
    """Print the figures; the exit code."""
    results: Results = {}
    with tempfile.TemporaryDirectory(prefix="faults-") as directory:
        folder = Path(directory)
        rabbitmq = RabbitServer(_made(folder / "r"))
        try:
            rabbitmq.start()
            if which in ("", "mariadb"):
                on_mariadb(rabbitmq, folder / "one", FAULTS, number, results)
            if which in ("", "brokers"):
                with rabbitmq_cluster() as brokers:
                    on_mariadb(brokers, folder / "three", BROKER_FAULTS, number, results)
            if which in ("", "galera"):
                on_galera(rabbitmq, folder, number, results)
        finally:
            rabbitmq.stop()
            heads = ["fault", "rounds", "requests", "reads unanswered", "writes unanswered"]
            heads += ["first write accepted (median, worst)", "all equal again (median, worst)", "problems"]
            print(machine())
            print(table(heads, [line(name, done) for name, done in results.items()]))
    return int(any(not each.sound for done in results.values() for each in done))


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(main(int(given[0]) if given else ROUNDS, given[1] if len(given) > 1 else ""))
