"""``connect demo``: the whole chain on real servers, with the worker killed while the monolith keeps writing."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
from elasticsearch import Elasticsearch

from connect.demo import check, verdict
from connect.demo.monolith import Monolith
from connect.demo.show import Show, result_table
from connect.demo.worker import Worker
from connect.errors import ConnectError
from connect.kafka.positions import read_to
from connect.kafka.topics import Topics
from connect.local.stack import Stack
from connect.schema.reader import RecordReader
from connect.schema.registry import RegistryClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connect.demo.show import Bars
    from connect.record import SinkRecord

GROUP: Final = "demo"
_BUSY: Final = frozenset({"SNAPSHOTTING", "STREAMING"})
_CATCH_UP_SECONDS: Final = 90.0


@dataclass(frozen=True)
class Addresses:
    """Of everything that the demonstration uses, as a client takes them."""

    kafka: str
    registry: str
    search: str
    shop: str
    warehouse: str

    @property
    def environment(self) -> dict[str, str]:
        """What configs/demo.yaml refers to."""
        return {
            "DEMO_KAFKA": self.kafka,
            "DEMO_REGISTRY": self.registry,
            "DEMO_SEARCH": self.search,
            "DEMO_SHOP": self.shop,
            "DEMO_WAREHOUSE": self.warehouse,
        }


def demo(*, seconds: float = 50.0, keep: bool = False, home: Path | None = None) -> bool:
    """Run it.

    Args:
        seconds: How long the monolith works.
        keep: Leave everything running at the end, print every address, and wait for Ctrl-C.
        home: Folder of downloads; see ``Stack``.

    Returns:
        Whether nothing was lost, repeated, out of order or different.

    Raises:
        ConnectError: Something needed is missing or did not come up.
    """
    show = Show()
    show.say("Starting real Kafka, a schema registry, Elasticsearch and Postgres on this machine, without Docker.")
    with Stack.start(home=home) as stack, tempfile.TemporaryDirectory(prefix="connect-demo-") as folder:
        show.say("The servers are up.")
        where = _fill(stack, show)
        worker = Worker(config_file(), GROUP, where.environment, Path(folder) / "worker.log")
        try:
            clean = _run(show, where, worker, seconds)
            if keep:
                _stay(show, where, worker)
        finally:
            worker.stop()
    return clean


def config_file() -> Path:
    """The demonstration's file: of the installed wheel, or of the checkout, where configs/ is beside the package."""
    package = Path(str(resources.files("connect")))
    installed = package / "configs" / "demo.yaml"
    return installed if installed.is_file() else package.parent / "configs" / "demo.yaml"


def _fill(stack: Stack, show: Show) -> Addresses:
    postgres = stack.postgres
    where = Addresses(
        kafka=stack.kafka.address,
        registry=stack.schema_registry.address,
        search=stack.elasticsearch.address,
        shop=postgres.create_database("shop"),
        warehouse=postgres.create_database("warehouse"),
    )
    with psycopg.connect(where.shop) as connection:
        for name in ("shop.sql", "fill.sql"):
            connection.execute(resources.files("connect.demo").joinpath(name).read_bytes())
    with psycopg.connect(where.shop, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        [(tables, rows)] = connection.execute(
            "SELECT count(*), sum(n_live_tup)::bigint FROM pg_stat_user_tables WHERE schemaname <> 'ledger'"
        ).fetchall()
    show.say(f"A legacy shop is in Postgres: {tables} tables, {rows:,} rows, foreign keys, one table without a key.")
    return where


def _run(show: Show, where: Addresses, worker: Worker, seconds: float) -> bool:
    worker.start()
    show.say("The worker starts: connect run configs/demo.yaml. It reads the tables while it follows the log.")
    worker.wait_ready("shop", _BUSY, 60)
    monolith = Monolith(where.shop)
    monolith.start()
    show.say("The monolith goes on working: inserts, updates, deletes, changed keys, transactions over many tables.")
    try:
        with show.bars() as bars:
            _trouble(show, bars, worker, monolith, seconds)
    finally:
        monolith.stop()
    show.say(f"The monolith rests after {monolith.changes:,} changes. The worker catches up.")
    with show.bars() as bars:
        _catch_up(where, worker, bars)
    show.say("Everything has arrived. Now each change is looked for in the topics, and each row in the targets.")
    with show.bars() as bars:
        result = compare(where, lambda read: bars.set("records read back from Kafka", read, None))
    show.console.print()
    show.console.print(result_table(result, worker.kills, show.seconds))
    _verdict(show, result)
    return result.clean


def _trouble(show: Show, bars: Bars, worker: Worker, monolith: Monolith, seconds: float) -> None:
    """The kills and the ALTER, at their times; between them what is going on."""
    started = time.monotonic()
    plan: list[tuple[float, str, Callable[[], object]]] = [
        (0.04, "kill -9 of the whole worker, in the middle of the snapshot.", lambda: _kill(worker)),
        (0.30, "kill -9 of the process that reads Postgres; its supervisor starts another.", _child(worker, "shop")),
        (0.45, "The monolith is upgraded: ALTER TABLE orders ADD COLUMN channel.", monolith.add_column),
        (0.55, "kill -9 of the process that writes SQL.", _child(worker, "warehouse")),
        (0.70, "kill -9 of the whole worker.", lambda: _kill(worker)),
    ]
    while (now := time.monotonic() - started) < seconds:
        if plan and now >= plan[0][0] * seconds:
            _, text, act = plan.pop(0)
            show.say(text)
            act()
        worker.check()
        bars.set("changes made by the monolith", monolith.changes, None)
        _figures(worker, bars)
        time.sleep(0.25)


def _kill(worker: Worker) -> None:
    worker.kill()
    worker.start()


def _child(worker: Worker, connector: str) -> Callable[[], object]:
    def act() -> None:
        if not worker.kill_child(connector):
            _kill(worker)

    return act


def _figures(worker: Worker, bars: Bars) -> dict[str, Any]:
    status = worker.status()
    tables = status.get("shop", {}).get("tables", {}).values()
    totals = [table["total"] or table["rows"] for table in tables]
    if tables:
        rows = sum(table["rows"] for table in tables)
        bars.set("rows in the snapshot", rows, max(sum(totals), rows) if sum(totals) else None)
    for sink, what in (("warehouse", "records into SQL tables"), ("search", "records into the index")):
        offsets = status.get(sink, {}).get("position", {}).values()
        if offsets:
            bars.set(what, sum(offsets), sum(offsets) + (status[sink]["lag_records"] or 0))
    return status


def _catch_up(where: Addresses, worker: Worker, bars: Bars) -> None:
    """Until the position has passed everything written, and both sinks stand at the end of their topics."""
    with psycopg.connect(where.shop, autocommit=True) as connection:
        [(end,)] = connection.execute("SELECT pg_current_wal_lsn() - '0/0'").fetchall()
    deadline = time.monotonic() + _CATCH_UP_SECONDS
    quiet = 0
    while quiet < 2:
        worker.check()
        status = _figures(worker, bars)
        source = status.get("shop", {})
        behind = [status.get(sink, {}).get("lag_records") for sink in ("warehouse", "search")]
        passed = source.get("complete") and (source.get("position", {}).get("lsn") or 0) >= int(end)
        quiet = quiet + 1 if passed and behind == [0, 0] else 0
        if time.monotonic() > deadline:
            raise ConnectError(
                f"the worker did not catch up within {_CATCH_UP_SECONDS:.0f} s", code="demo_worker", hint=str(status)
            )
        time.sleep(0.7)


def compare(where: Addresses, saw: Callable[[int], None]) -> check.Result:
    """Hold topics against the ledger and targets against the source."""
    result = check.Result({table: check.TableResult() for table in check.TABLES})
    with psycopg.connect(where.shop) as source, psycopg.connect(where.warehouse) as warehouse:
        made = check.ledger(source)
        found, events = check.topics(_records(where), saw)
        for table, row in result.tables.items():
            if table in check.KEYLESS:
                check.compare_events(row, made[table], events)
            else:
                row.add(verdict.check(made[table], found[table]))
            check.compare_rows(row, table, source, warehouse)
    _compare_index(where, result)
    return result


def _records(where: Addresses) -> Iterator[SinkRecord]:
    settings = {"bootstrap.servers": where.kafka}
    topics = Topics(settings)
    reader = RecordReader(RegistryClient(where.registry))
    names = [name for name in topics.names() if name.startswith("shop.")]
    for name, topic in topics.describe(names).items():
        for partition, end in enumerate(topics.ends(name, topic.partitions)):
            for message in read_to(settings, name, partition, end, 30.0):
                _, stamp = message.timestamp()
                yield reader.read(name, partition, message.offset(), stamp, message.key(), message.value())


def _compare_index(where: Addresses, result: check.Result) -> None:
    with Elasticsearch(where.search) as client, psycopg.connect(where.shop) as source:
        for table in check.INDEXED:
            name = table.split(".")[1]
            client.indices.refresh(index=name)
            answer = client.search(
                index=name, size=0, track_total_hits=True, aggs={"v": {"sum": {"field": "lock_version"}}}
            )
            rows, versions = int(answer["hits"]["total"]["value"]), int(answer["aggregations"]["v"]["value"])
            query = f"SELECT count(*), coalesce(sum(lock_version), 0) FROM {table}"  # noqa: S608 - a name of our own
            [(source_rows, source_versions)] = source.execute(query.encode()).fetchall()
            row = result.tables[table]
            row.index_rows = rows
            row.differing += abs(rows - source_rows) or int(versions != source_versions)


def _verdict(show: Show, result: check.Result) -> None:
    for name, what in (("disordered", "keys whose changes came out of order"), ("differing", "rows that differ")):
        if result.total(name):
            show.console.print(f"{result.total(name):,} {what}")
    show.console.print(f"lost {result.total('lost'):,}, repeated {result.total('repeated'):,}")


def _stay(show: Show, where: Addresses, worker: Worker) -> None:
    status = f"connect status {GROUP}"
    lines = [
        "Everything stays up until Ctrl-C.",
        f"Kafka             {where.kafka}",
        f"schema registry   {where.registry}",
        f"Elasticsearch     {where.search}/orders/_search?pretty",
        f"the shop          psql {where.shop}",
        f"the warehouse     psql {where.warehouse}",
        f"the worker's log  {worker.log}",
        "Try:  psql into the shop and change a row; then look into the warehouse.",
        f"Try:  {status}",
    ]
    for line in lines:
        show.console.print(line)
    try:
        while True:
            worker.check()
            time.sleep(1)
    except KeyboardInterrupt:
        show.say("Ending everything.")
